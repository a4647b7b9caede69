"""Every case of every protocol from one encoding per modality and variant of it.

Shapes: B batch, F frames, S rows of a protocol, M modalities, K classes, H W size; counts end in TP, FP, FN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Int64
from torch import Tensor

from robustseg.build import find_device
from robustseg.data.sample import Batch, Frames, Sample, collate
from robustseg.labels import IGNORE, class_names
from robustseg.metrics import count
from robustseg.modalities import Modality
from robustseg.models.precision import precision_note
from robustseg.models.released import ORIGIN
from robustseg.models.segmenter import Segmenter
from robustseg.models.upsampling import labels_at
from robustseg.recipe import Scoring
from robustseg.robustness.calibration import bin_confidence, most_likely
from robustseg.robustness.cases import Case, Which, case_rows, protocol_cases
from robustseg.robustness.encodings import Encodings, Seen, ZeroImages
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.tally import Counts, Shape, Tally, in_memory
from robustseg.robustness.variants import History, Images
from robustseg.robustness.views import frame_views

Progress = Callable[[int, int], None]
"""Called with (frames done, frames in all)."""


@dataclass(frozen=True)
class Plan:
    """What is counted, and how.

    Attributes:
        cases: The rows of each protocol.
        scoring: How a frame becomes a prediction.
        batch_size: Frames encoded at a time.
        seed: Of all noise.
        confident: Whether the confidence of "emm" is counted as well.
    """

    cases: Mapping[str, tuple[Case, ...]]
    scoring: Scoring = field(default_factory=Scoring)
    batch_size: int = 8
    seed: int = 0
    confident: bool = True

    def shape(self, frames: Frames) -> Shape:
        """Of the counts."""
        rows = {protocol: len(cases) for protocol, cases in self.cases.items()}
        return Shape(len(frames), rows, len(frames.classes), self.confident)


def make_plan(
    protocols: Sequence[str],
    modalities: Sequence[Modality],
    *,
    subsets: Which = "auto",
    one_of: Sequence[str] = (),
    scoring: Scoring | None = None,
    batch_size: int = 8,
    seed: int = 0,
) -> Plan:
    """The plan of some protocols.

    Raises:
        ValueError: There is no such protocol or modality, or no protocol at all.
    """
    if not protocols:
        raise ValueError("name at least one protocol")
    cases = {protocol: protocol_cases(protocol, modalities, subsets, one_of) for protocol in dict.fromkeys(protocols)}
    return Plan(cases, scoring or Scoring(), batch_size, seed)


def evaluate(
    model: Segmenter,
    frames: Frames,
    *,
    protocol: str = "emm",
    subsets: Which = "auto",
    one_of: Sequence[str] = (),
    batch_size: int = 8,
    device: torch.device | str | None = None,
    progress: Progress | None = None,
    split: str = "",
    scoring: Scoring | None = None,
) -> Evaluation:
    """Scores a model under one protocol of sensor failures, see `robustseg.robustness.cases`.

    A frame that lacks some modality is scored with what it has of each subset; where it has nothing of one, it does not
    count for that subset, see `Evaluation.scored`. Frames may differ in size; neighbours of one size share a batch.

    Args:
        model: With a card; it is left in the mode it was in.
        frames: Of the model's modalities and classes, with labels.
        protocol: "emm": entire modalities are missing. Others: "emm_zero", "rmm_0.5", "nm", "faults" ...
        subsets: "auto" = all of up to 6 modalities, above that singles, leave-one-out and full.
        one_of: Modalities of which each subset holds one, a recipe's `data.needs_one_of`; empty = any.
        batch_size: Frames encoded at a time.
        device: Where to compute; "auto" = a GPU if there is one, None = where the model is.
        progress: Called with (done, all) after every batch.
        split: What the frames are, for tables.
        scoring: How a frame becomes a prediction; None = as it is, whole.

    Raises:
        ValueError: The frames are not of the model's modalities and classes, no pixel is labelled, or there
            is no such device or protocol.
    """
    check_frames(model, frames)
    plan = make_plan(
        [protocol], frames.modalities, subsets=subsets, one_of=one_of, scoring=scoring, batch_size=batch_size
    )
    tally = in_memory(plan.shape(frames))
    count_frames(model, frames, plan, tally, device=device, progress=progress)
    return evaluations(model, frames, plan, tally, split=split)[protocol]


def count_frames(
    model: Segmenter,
    frames: Frames,
    plan: Plan,
    tally: Tally,
    *,
    indices: Sequence[int] | None = None,
    device: torch.device | str | None = None,
    progress: Progress | None = None,
) -> None:
    """Counts the frames of `indices` (None = all) that the tally does not have yet.

    Images are normalised as the model's card says or, for one that is still in training, as the frames' modalities say.
    """
    where = find_device(device) if device is not None else next(model.parameters()).device
    training = model.training
    model.to(where).eval()
    todo = [index for index in (range(len(frames)) if indices is None else indices) if index not in tally.frames]
    history, zeros = History(frames), ZeroImages(model)
    modalities = as_trained(model, frames)
    with torch.inference_mode():
        for batch in batches(frames, plan.batch_size, todo):
            images = Images(batch, modalities, history, device=where, seed=plan.seed)
            _count_batch(model, images, plan, tally, zeros)
            if progress:
                progress(len(tally.frames), len(frames))
    model.train(training)


def as_trained(model: Segmenter, frames: Frames) -> tuple[Modality, ...]:
    """The frames' modalities with the mean and std that the model was trained with, if it has a card yet."""
    if not model.has_card:  # it is in training
        return frames.modalities
    pairs = zip(frames.modalities, model.card.modalities, strict=True)
    return tuple(replace(given, mean=trained.mean, std=trained.std) for given, trained in pairs)


def _count_batch(model: Segmenter, images: Images, plan: Plan, tally: Tally, zeros: ZeroImages) -> None:
    batch = images.batch
    views = frame_views(plan.scoring, (batch.images.shape[-2], batch.images.shape[-1]))
    every = [case for cases in plan.cases.values() for case in cases]
    encodings = Encodings(model, images, views=views, cases=every, zeros=zeros)
    labels, first = batch.labels.to(images.clean.device), 0
    for protocol, cases in plan.cases.items():
        numbers = range(first, first + len(cases))
        for seen in encodings.predictions(numbers, (labels.shape[1], labels.shape[2])):
            rows = [number - first for number in seen.case]
            _count_seen(seen, rows, labels, batch, tally.parts[protocol])
        first += len(cases)
    for place, name, tags in zip(batch.index.tolist(), batch.names, batch.tags, strict=True):
        tally.done(place, name, tags)


def _count_seen(seen: Seen, rows: Sequence[int], labels: Int64[Tensor, "B H W"], batch: Batch, part: Counts) -> None:
    """Adds predictions to the rows of a protocol, one of each prediction."""
    truth = labels[seen.sample]  # R H W
    size = (truth.shape[1], truth.shape[2])
    frame = batch.index[seen.sample].numpy()
    if not bool(seen.logits.isfinite().all()):
        raise ValueError(f"the model's output for {', '.join(batch.names)} is not a number")
    if part.confidence is None:
        predictions = labels_at(seen.logits, size)
    else:
        confidence, predictions = most_likely(seen.logits, size=size)
        part.confidence[frame, rows] = bin_confidence(confidence, predictions == truth, truth != IGNORE).cpu().numpy()
    part.counts[frame, rows] = count(predictions, truth, seen.logits.shape[1]).cpu().numpy()
    part.scored[frame, rows] = True


def evaluations(
    model: Segmenter, frames: Frames, plan: Plan, tally: Tally, *, split: str = ""
) -> dict[str, Evaluation]:
    """What a complete tally found, by protocol.

    Raises:
        ValueError: No pixel is labelled.
    """
    if not any(bool(part.counts.any()) for part in tally.parts.values()):
        raise ValueError(f"none of the {len(frames)} frames has a labelled pixel: there is nothing to score")
    known = [tally.frames[index] for index in range(len(frames))]
    return {
        protocol: Evaluation(
            counts=torch.from_numpy(part.counts),
            scored=torch.from_numpy(part.scored),
            confidence=None if part.confidence is None else torch.from_numpy(part.confidence),
            subsets=case_rows(plan.cases[protocol]),
            states=tuple(case.state for case in plan.cases[protocol]),
            frames=tuple(name for name, _ in known),
            tags=tuple(tags for _, tags in known),
            modalities=tuple(modality.name for modality in frames.modalities),
            sensors=tuple(modality.device for modality in frames.modalities),
            classes=tuple(entry.name for entry in frames.classes),
            split=split,
            protocol=protocol,
            absence=model.card.absence,
            weights=model.card.sha256,
            note=precision_note(model),
            majority=max(range(len(frequency)), key=frequency.__getitem__)
            if (frequency := model.card.frequency)
            else -1,
        )
        for protocol, part in tally.parts.items()
    }


def batches(frames: Frames, batch_size: int, indices: Sequence[int] | None = None) -> Iterator[Batch]:
    """The frames of `indices` (None = all) in order; a batch ends early where the size changes."""
    if batch_size < 1:
        raise ValueError(f"a batch has at least one frame, got batch_size {batch_size}")
    waiting: list[tuple[int, Sample]] = []
    for index in range(len(frames)) if indices is None else indices:
        sample = frames[index]
        if waiting and (len(waiting) == batch_size or _sizes(waiting[0][1]) != _sizes(sample)):
            yield _collated(waiting)
            waiting = []
        waiting.append((index, sample))
    if waiting:
        yield _collated(waiting)


def _sizes(sample: Sample) -> tuple[torch.Size, torch.Size]:
    return sample.images.shape, sample.labels.shape


def _collated(waiting: Sequence[tuple[int, Sample]]) -> Batch:
    return collate([sample for _, sample in waiting], [index for index, _ in waiting])


def check_frames(model: Segmenter, frames: Frames) -> None:
    """Raises ValueError unless the frames have the model's modalities, read in its way, and classes, in its order.

    Converted checkpoints do not know how their modalities were read, and of classes only numbers: what they do not know
    is not compared.
    """
    if len(frames) == 0:
        raise ValueError("there is no frame to look at")
    known, got = _names(model.card.modalities), _names(frames.modalities)
    if known != got:
        raise ValueError(f"the model's modalities are {', '.join(known)}, the data's {', '.join(got)}")
    converted = model.card.origin == ORIGIN and not model.card.labels
    if not converted:
        for trained, given in zip(model.card.modalities, frames.modalities, strict=True):
            _check_reading(trained, given)
    if len(model.card.classes) != len(frames.classes):
        raise ValueError(f"the model has {len(model.card.classes)} classes, the data {len(frames.classes)}")
    ours, theirs = class_names(model.card.classes), class_names(frames.classes)
    differ = [(place, a, b) for place, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a and b and a != b]
    if differ:
        place, a, b = differ[0]
        raise ValueError(
            f"class {place} is {a!r} to the model and {b!r} in the data, one of {len(differ)} that differ: "
            "give the classes in the model's order and by its names"
        )


def _check_reading(trained: Modality, given: Modality) -> None:
    """Raises ValueError unless both turn the same files into the same three channels."""
    for key in ("scale", "offset", "channels"):
        ours, theirs = getattr(trained, key), getattr(given, key)
        if ours != theirs:
            raise ValueError(
                f"the model reads modality {given.name!r} with {key} {_shown(ours)}, the data with {_shown(theirs)}: "
                "describe the sensor as in the model's training"
            )


def _shown(value: float | tuple[str, ...]) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)


def _names(modalities: tuple[Modality, ...]) -> list[str]:
    return [modality.name for modality in modalities]
