"""Learns from training frames what healthy images look like, and when a broken one had better be left out.

Every frame is seen healthy, and with each modality broken by faults drawn at random from `robustseg.failures`. What
leaving the broken image out would do to mIoU is measured. A small network per modality learns that gain from the
image's statistics.

Shapes: M modalities, N examples, F statistics, U hidden units, K classes, H W size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor

from robustseg.data.sample import Frames, Sample
from robustseg.data.stats import spread
from robustseg.deploy.health.fitting import fitted, influence
from robustseg.deploy.health.profile import Profile
from robustseg.deploy.health.statistics import statistics_of
from robustseg.deploy.predictor import Encoding, Predictor
from robustseg.failures import SEVERITIES, apply_fault, sensor_faults
from robustseg.labels import IGNORE
from robustseg.metrics import count

Progress = Callable[[int, int], None]

BROKEN = 4
"""Broken images of each modality that a frame gives."""

HEALTHY = 1000
"""Further frames at most, of which healthy images alone are looked at: they tell how odd a healthy one may be."""

FEW = 50
"""Frames that tell the range of values."""


@dataclass
class Examples:
    """Of one modality, one entry each: statistics, its fault or "", and the change of TP, FP and FN without the image.

    And the statistics of healthy images that are kept aside.
    """

    seen: list[Float[Tensor, " F"]] = field(default_factory=list)
    fault: list[str] = field(default_factory=list)
    change: list[Int64[Tensor, "K 3"]] = field(default_factory=list)
    aside: list[Float[Tensor, " F"]] = field(default_factory=list)


@torch.no_grad()
def learn_health(
    predictor: Predictor, frames: Frames, *, limit: int = 400, seed: int = 0, progress: Progress | None = None
) -> Learner:
    """Looks at training frames; `Learner.profiles` then tells what was learned of each modality.

    Args:
        predictor: Of the model.
        frames: Training frames of the model's modalities, with labels.
        limit: At most so many are also seen broken, spread evenly; of `HEALTHY` others at most the healthy images.
        seed: Of faults.
        progress: Called with (done, all) after every frame.

    Raises:
        ValueError: No frame has labels and two modalities; frames are so large that they are tiled.
    """
    places = list(spread(len(frames), limit))
    rest = sorted(set(range(len(frames))) - set(places))
    aside = [rest[place] for place in spread(len(rest), HEALTHY)]
    learner = Learner(predictor, _spans(frames, places), len(frames.classes))
    for done, place in enumerate(places + aside):
        if done < len(places):
            learner.look(frames[place], Generator().manual_seed(seed * 1_000_003 + place))
        else:
            learner.look_aside(frames[place])
        if progress:
            progress(done + 1, len(places) + len(aside))
    if not learner.frames:
        raise ValueError("none of these frames has labels and two modalities: nothing can be learned from them")
    return learner


class Learner:
    """Collects examples from frames.

    Args:
        predictor: Of the model.
        spans: The lowest and highest value of each modality's healthy images.
        classes: How many there are.

    Attributes:
        frames: How many were seen broken.
    """

    def __init__(self, predictor: Predictor, spans: Sequence[tuple[float, float]], classes: int) -> None:
        self.predictor = predictor
        self.modalities = predictor.modalities
        self.spans = spans
        self.examples = [Examples() for _ in self.modalities]
        self.total = torch.zeros(classes, 3, dtype=torch.int64)
        self.frames = 0

    def look(self, sample: Sample, generator: Generator) -> None:
        """Adds a frame's examples, unless it has no labels or a single modality."""
        here = sample.present.nonzero().flatten().tolist()
        if len(here) < 2 or not bool((sample.labels != IGNORE).any()):
            return
        encodings = {place: self._encoded(place, sample.images[place]) for place in here}
        healthy = self._counts(encodings.values(), sample.labels)
        self.total += healthy
        self.frames += 1
        for place in here:
            others = [encoding for other, encoding in encodings.items() if other != place]
            left_out = self._counts(others, sample.labels)
            self._add(place, encodings[place], left_out - healthy, "")
            for fault, image in self._broken(place, sample.images[place], generator):
                encoding = self._encoded(place, image)
                self._add(place, encoding, left_out - self._counts([*others, encoding], sample.labels), fault)

    def look_aside(self, sample: Sample) -> None:
        """Adds a frame's healthy images, to be compared with."""
        for place in sample.present.nonzero().flatten().tolist():
            self.examples[place].aside.append(self._statistics(place, self._encoded(place, sample.images[place])))

    def profiles(self, *, seed: int = 0, without: str = "") -> dict[str, Profile]:
        """What has been learned, by modality; nothing of one that was never seen with another.

        Args:
            seed: Of the small networks' first weights.
            without: A fault whose examples are passed over.
        """
        return {
            modality.name: self._profile(found, span, seed, without)
            for modality, found, span in zip(self.modalities, self.examples, self.spans, strict=True)
            if found.seen
        }

    def _profile(self, found: Examples, span: tuple[float, float], seed: int, without: str) -> Profile:
        kept = [place for place, fault in enumerate(found.fault) if not fault or fault != without]
        seen = torch.stack([found.seen[place] for place in kept])
        broken = torch.tensor([bool(found.fault[place]) for place in kept])
        change = torch.stack([found.change[place] for place in kept])
        gain = influence(change, self.total / self.frames).float()
        aside = torch.stack(found.aside) if found.aside else seen[~broken]
        return fitted(seen, broken, gain, aside=aside, span=span, seed=seed)

    def _broken(
        self, place: int, image: Float[Tensor, "3 H W"], generator: Generator
    ) -> Iterator[tuple[str, Float[Tensor, "3 H W"]]]:
        """Some of the faults that can happen to it, and what it is then."""
        modality = self.modalities[place]
        faults = sensor_faults([modality], temporal=False)
        for _ in range(BROKEN):
            fault = faults[int(torch.randint(len(faults), (), generator=generator))]
            severity = SEVERITIES[int(torch.randint(len(SEVERITIES), (), generator=generator))]
            yield fault, apply_fault(fault, image, modality, severity, generator)

    def _encoded(self, place: int, image: Float[Tensor, "3 H W"]) -> Encoding:
        return self.predictor.encode(self.modalities[place].name, image.movedim(0, -1))

    def _counts(self, encodings: Iterable[Encoding], labels: Int64[Tensor, "H W"]) -> Int64[Tensor, "K 3"]:
        found = torch.from_numpy(self.predictor.answer(list(encodings)).labels)
        return count(found[None].long(), labels[None], len(self.total))[0]

    def _statistics(self, place: int, encoding: Encoding) -> Float[Tensor, " F"]:
        return statistics_of(encoding, self.modalities[place], self.spans[place]).clone()

    def _add(self, place: int, encoding: Encoding, change: Int64[Tensor, "K 3"], fault: str) -> None:
        found = self.examples[place]
        found.seen.append(self._statistics(place, encoding))
        found.fault.append(fault)
        found.change.append(change)


def _spans(frames: Frames, places: Sequence[int]) -> list[tuple[float, float]]:
    """The lowest and highest value of each modality in a few frames."""
    low, high = [math.inf] * len(frames.modalities), [-math.inf] * len(frames.modalities)
    for sample in (frames[places[place]] for place in spread(len(places), FEW)):
        for place in sample.present.nonzero().flatten().tolist():
            low[place] = min(low[place], float(sample.images[place].amin()))
            high[place] = max(high[place], float(sample.images[place].amax()))
    return list(zip(low, high, strict=True))
