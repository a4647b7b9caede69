"""What one visitor looks at: a frame, the sensors that are on, one that may be broken, and what the model makes of it.

Every image is encoded once: switching sensors costs decoding alone, breaking one encodes its own images.

Shapes: M modalities, K classes, H W size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.app.material import Material
from robustseg.data.resizing import resized_labels
from robustseg.data.sample import Sample
from robustseg.deploy.health import Monitor, Verdict
from robustseg.deploy.predictor import Encoding, Prediction, Predictor
from robustseg.failures import FAULTS, applies, apply_fault, generator_for, sensor_faults
from robustseg.failures.faults import fault_named
from robustseg.labels import IGNORE
from robustseg.metrics import class_mean, count, iou
from robustseg.modalities import sensors
from robustseg.robustness.cases import Variant


@dataclass(frozen=True)
class Choice:
    """What a visitor has set.

    Attributes:
        frame: Its place in the data; of no account while the visitor's own images are shown.
        on: Names of the sensors that are switched on.
        broken: The sensor that has a fault; "" = none.
        fault: Which, see `robustseg.failures.FAULTS`.
        severity: 0 = none, to 5.
        worth: The sensor whose worth is asked for; "" = none.
    """

    frame: int = 0
    on: tuple[str, ...] = ()
    broken: str = ""
    fault: str = ""
    severity: int = 0
    worth: str = ""

    @property
    def breaks(self) -> bool:
        """Whether a sensor has a fault."""
        return bool(self.broken and self.fault and self.severity)


@dataclass(frozen=True)
class Cost:
    """Of one look: images that were encoded, and milliseconds of arithmetic."""

    encoded: int
    encoding: float
    answering: float


@dataclass(frozen=True, eq=False)
class Look:
    """What there is to see.

    Attributes:
        sample: The frame as it is.
        images: What each modality delivers, by place, in its unit: broken where it is broken.
        live: Names of the modalities that the model has.
        prediction: Of those; None = there is none.
        complete: With all that the frame has, all of it well; None = it has nothing.
        truth: Train ids; None = the frame has no labels.
        iou: Per class, percent, NaN for a class that is neither labelled nor predicted; None without labels or answer.
        complete_iou: Likewise, of `complete`.
        verdicts: What the monitor thinks of each live modality; empty = it knows none.
        note: What a visitor must know.
        cost: Of this look.
    """

    sample: Sample
    images: dict[int, Float[Tensor, "3 H W"]]
    live: tuple[str, ...]
    prediction: Prediction | None
    complete: Prediction | None
    truth: Int64[np.ndarray, "H W"] | None
    iou: Float[Tensor, " K"] | None
    complete_iou: Float[Tensor, " K"] | None
    verdicts: dict[str, Verdict]
    note: str
    cost: Cost

    @property
    def changed(self) -> Bool[np.ndarray, "H W"] | None:
        """The pixels whose label is another than with all sensors."""
        if self.prediction is None or self.complete is None:
            return None
        return self.prediction.labels != self.complete.labels


def mean_of(scores: Float[Tensor, " K"] | None) -> float | None:
    """The frame's mIoU in percent, classes that it lacks left out; None = unknown."""
    value = class_mean(scores, "skip").item() if scores is not None else float("nan")
    return None if np.isnan(value) else value


@dataclass(eq=False)
class _Encoded:
    """The frame that is being looked at; its place is -1 if it is the visitor's own."""

    place: int
    sample: Sample
    clean: dict[int, Encoding]
    complete: Prediction | None
    fault: tuple[str, str, int] = ("", "", 0)
    broken: dict[int, Encoding | None] = field(default_factory=dict)


class Scene:
    """One visitor's view of the material. Visitors share nothing but it, and compute one after the other.

    Args:
        material: To look at.
    """

    def __init__(self, material: Material) -> None:
        self.material = material
        self._own: Sample | None = None
        self._predictor = Predictor(material.model, material.memory)
        self._devices = sensors(material.card.modalities)
        self._frame: _Encoded | None = None
        self._encoded, self._seconds = 0, 0.0

    def __deepcopy__(self, memo: object) -> Scene:
        """A fresh view of the same material, as every new visitor gets one."""
        return Scene(self.material)

    @property
    def own(self) -> Sample | None:
        """The visitor's own images, looked at in place of the data's frames; None = there are none."""
        return self._own

    def show(self, own: Sample | None) -> None:
        """Looks at the visitor's own images from now on, or again at the data's."""
        self._own, self._frame = own, None

    def faults(self, sensor: str, frame: int) -> tuple[str, ...]:
        """The faults that can happen to a sensor there; those of time need a frame of a known recording."""
        if sensor not in self._devices:
            return ()
        frames = self.material.frames
        recorded = self.own is None and frames is not None and bool(frames.sequences[frame])
        modalities = [self.material.card.modalities[place] for place in self._devices[sensor]]
        return sensor_faults(modalities, temporal=recorded)

    def look(self, choice: Choice) -> Look:
        """What the model sees with the visitor's sensors.

        Raises:
            FrameError: The frame cannot be read.
            ValueError: There is nothing to look at, or the choice makes no sense.
        """
        self._check(choice)
        with self.material.lock:
            self._encoded, self._seconds = 0, 0.0
            frame = self._see(choice)
            shown = frame.clean | (self._break(frame, choice) if choice.breaks else {})
            live = {place: entry for place, entry in shown.items() if entry and self._is_on(place, choice)}
            start = perf_counter()
            answered = self._predictor.answer(list(live.values()), worth=bool(choice.worth)) if live else None
            seconds = perf_counter() - start
            verdicts = self._verdicts(frame.sample, live, choice)
        truth = _truth(frame.sample)
        return Look(
            sample=frame.sample,
            images={place: entry.image for place, entry in shown.items() if entry},
            live=tuple(self.material.card.modalities[place].name for place in sorted(live)),
            prediction=answered,
            complete=frame.complete,
            truth=truth,
            iou=self._iou(answered, truth),
            complete_iou=self._iou(frame.complete, truth),
            verdicts=verdicts,
            note=_note(choice, shown, frame.clean, live),
            cost=Cost(self._encoded, 1000 * self._seconds, 1000 * seconds),
        )

    def _check(self, choice: Choice) -> None:
        unknown = {*choice.on, choice.broken, choice.worth} - {*self._devices, ""}
        if unknown:
            raise ValueError(f"there is no sensor {min(unknown)!r}; this model knows {', '.join(self._devices)}")
        if not 0 <= choice.severity <= 5:
            raise ValueError(f"severity is 0 to 5, got {choice.severity}")
        if choice.breaks and choice.fault not in self.faults(choice.broken, choice.frame):
            fault_named(choice.fault)
            raise ValueError(f"{choice.fault} cannot happen to {choice.broken} in this frame: choose another fault")
        frames = self.material.frames
        if self.own is None and (frames is None or not 0 <= choice.frame < len(frames)):
            raise ValueError("there is no such frame: choose another one, or upload images of your own")

    def _see(self, choice: Choice) -> _Encoded:
        """The frame, its images encoded; the last one is remembered."""
        history = self.material.history
        place = choice.frame if self.own is None else -1
        if self._frame is None or self._frame.place != place:
            sample = self.own or (history.sample(place) if history else None)
            assert sample is not None  # `_check` has seen to it
            clean = {place: self._encode(place, sample.images[place]) for place in _places(sample.present)}
            complete = self._predictor.answer(list(clean.values())) if clean else None
            self._frame = _Encoded(place, sample, clean, complete)
        return self._frame

    def _encode(self, place: int, image: Float[Tensor, "3 H W"]) -> Encoding:
        start = perf_counter()
        found = self._predictor.encode(self.material.card.modalities[place].name, image.movedim(0, -1))
        self._seconds += perf_counter() - start
        self._encoded += 1
        return found

    def _break(self, frame: _Encoded, choice: Choice) -> dict[int, Encoding | None]:
        """What the broken sensor's modalities deliver, by place; None = nothing."""
        fault = (choice.broken, choice.fault, choice.severity)
        if frame.fault != fault:
            images = self._broken_images(frame.sample, choice)
            encoded = {
                place: self._encode(place, image) if image is not None else None for place, image in images.items()
            }
            frame.broken, frame.fault = encoded, fault
        return frame.broken

    def _broken_images(self, sample: Sample, choice: Choice) -> dict[int, Float[Tensor, "3 H W"] | None]:
        """The very images that the evaluation of faults shows, with its seed 0."""
        here = [place for place in self._devices[choice.broken] if sample.present[place]]
        if FAULTS[choice.fault].temporal:
            earlier = self._earlier(choice)
            return {place: _delivered(earlier, place, sample) for place in here}
        found: dict[int, Float[Tensor, "3 H W"] | None] = {}
        for place in here:
            modality = self.material.card.modalities[place]
            if applies(choice.fault, modality):
                generator = generator_for(0, sample.name, choice.broken, choice.fault)
                found[place] = apply_fault(choice.fault, sample.images[place], modality, choice.severity, generator)
        return found

    def _earlier(self, choice: Choice) -> Sample | None:
        """The frame that a temporal fault shows; None = one from before the recording began."""
        history = self.material.history
        assert history is not None  # temporal faults need frames
        source = history.shown(choice.frame, Variant("fault", choice.fault, choice.severity))
        return None if source is None else history.sample(source)

    def _is_on(self, place: int, choice: Choice) -> bool:
        return self.material.card.modalities[place].device in choice.on

    def _verdicts(self, sample: Sample, live: dict[int, Encoding], choice: Choice) -> dict[str, Verdict]:
        """Of each image alone; what a frozen sensor repeats was first seen when it was taken."""
        if not self.material.profiles:
            return {}
        monitor = Monitor(self.material.profiles, self.material.card.modalities, patience=1)
        frozen = self._earlier(choice) if choice.breaks and choice.fault == "frozen_frame" else None
        found = {}
        for place, entry in live.items():
            modality = self.material.card.modalities[place]
            if frozen is not None and modality.device == choice.broken:
                monitor.judge(modality.name, entry, stamp=frozen.time)
            found[modality.name] = monitor.judge(modality.name, entry, stamp=sample.time)
        return found

    def _iou(self, prediction: Prediction | None, truth: Int64[np.ndarray, "H W"] | None) -> Tensor | None:
        if prediction is None or truth is None:
            return None
        labels = torch.from_numpy(prediction.labels.astype(np.int64))[None]
        return iou(count(labels, torch.from_numpy(truth)[None], len(self.material.card.classes))[0])


def _places(present: Bool[Tensor, " M"]) -> list[int]:
    return present.nonzero().flatten().tolist()


def _delivered(earlier: Sample | None, place: int, now: Sample) -> Float[Tensor, "3 H W"] | None:
    if earlier is None or not bool(earlier.present[place]) or earlier.images.shape != now.images.shape:
        return None
    return earlier.images[place]


def _truth(sample: Sample) -> Int64[np.ndarray, "H W"] | None:
    """Labels at the images' size; None where there are none."""
    if not bool((sample.labels != IGNORE).any()):
        return None
    size = (sample.images.shape[-2], sample.images.shape[-1])
    labels = sample.labels.numpy()
    return labels if labels.shape == size else resized_labels(labels, size)


def _note(
    choice: Choice, shown: dict[int, Encoding | None], clean: dict[int, Encoding], live: dict[int, Encoding]
) -> str:
    if choice.breaks and any(entry is None for entry in shown.values()):
        late = f"{choice.broken}: nothing has arrived yet, the recording began too short a while ago. "
    else:
        late = ""
    if live:
        return late.strip()
    if not clean:
        return "No sensor has an image in this frame, so there is nothing to answer from."
    if not choice.on:
        return "All sensors are off, so there is nothing to answer from. Switch one on."
    return late + "None of the sensors that are on has an image here, so there is nothing to answer from."
