"""Which of the newest frames an answer is made from, and why not from the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from robustseg.deploy.predictor import Encoding

Image = Shaped[np.ndarray, "..."] | Shaped[Tensor, "..."]
Status = Literal["full", "reduced", "degraded", "none"]
Why = Literal["absent", "old", "size", "refused", "sick"]


@runtime_checkable
class Opinion(Protocol):
    """What is thought of a sensor; a `robustseg.deploy.health.Verdict` is one."""

    @property
    def sick(self) -> bool:
        """It is left out as long as there is another that is not sick."""
        ...

    @property
    def doubtful(self) -> bool:
        """It is used, but should not be relied on alone."""
        ...

    @property
    def reason(self) -> str:
        """For people; empty if it is well."""
        ...


@runtime_checkable
class Judge(Protocol):
    """Thinks of sensors; how long one must be well to be trusted again is its business.

    A `robustseg.deploy.health.Monitor` is one.
    """

    def judge(self, modality: str, encoding: Encoding, *, stamp: float) -> Opinion:
        """What is thought of a sensor after a new image.

        Args:
            modality: Its name.
            encoding: Of that image.
            stamp: When it was taken, in seconds by the sensor's clock, from which the stream has taken its jumps.
        """
        ...


def state_of(opinion: Opinion | None) -> str:
    """Sick, doubtful or well."""
    if opinion is None or not (opinion.sick or opinion.doubtful):
        return "well"
    return "sick" if opinion.sick else "doubtful"


@dataclass(frozen=True)
class Unused:
    """Why a modality is not in an answer.

    Attributes:
        why: "absent": nothing has come from it. "old": its newest frame is. "size": the others' images have another
            size. "refused": its image could not be encoded. "sick": the monitor says so.
        words: For people.
    """

    why: Why
    words: str


@dataclass(eq=False)
class Frame:
    """The newest frame of a modality, and what has been made of it.

    Attributes:
        image: As it was pushed.
        size: Height and width.
        stamp: By the sensor's clock.
        corrected: The same without the clock's jumps.
        taken: Whether an answer has wanted it.
        encoding: Once it is encoded.
        refusal: Why it cannot be encoded.
        opinion: Of the monitor; None if there is none.
    """

    image: Image
    size: tuple[int, int]
    stamp: float
    corrected: float
    taken: bool = False
    encoding: Encoding | None = None
    refusal: str = ""
    opinion: Opinion | None = None


@dataclass
class Choice:
    """What an answer is made from, by modality and in the model's order, and what it is not made from.

    Attributes:
        time: What the answer is for, on the local clock.
        frames: To be used.
        ages: Seconds since each modality's newest frame was taken.
        unused: The other modalities.
    """

    time: float
    frames: dict[str, Frame]
    ages: dict[str, float]
    unused: dict[str, Unused]

    def drop(self, modality: str, why: Why, words: str) -> None:
        """Uses it no more."""
        del self.frames[modality]
        self.unused[modality] = Unused(why, words)

    def drop_odd_sizes(self) -> None:
        """Keeps the frames of the size that most of them have; among equals that of the model's first modality."""
        by_size: dict[tuple[int, int], list[str]] = {}
        for name, frame in self.frames.items():
            by_size.setdefault(frame.size, []).append(name)
        kept = max(by_size.values(), key=len, default=[])
        for name in [name for name in self.frames if name not in kept]:
            (height, width), (tall, wide) = self.frames[name].size, self.frames[kept[0]].size
            self.drop(name, "size", f"its image has {height}x{width} pixels, that of {kept[0]} {tall}x{wide}")

    def drop_sick(self, trusted: dict[str, float]) -> None:
        """Keeps the frames of sensors that are not sick; if all are, that of the one trusted last.

        Args:
            trusted: When each was found not to be sick for the last time.
        """
        sick = {name: frame.opinion for name, frame in self.frames.items() if frame.opinion and frame.opinion.sick}
        if sick and len(sick) == len(self.frames):
            del sick[max(sick, key=lambda name: trusted.get(name, float("-inf")))]
        for name, opinion in sick.items():
            self.drop(name, "sick", opinion.reason)

    def status(self) -> Status:
        """See `robustseg.deploy.stream.StreamAnswer`."""
        if not self.frames:
            return "none"
        if all(state_of(frame.opinion) != "well" for frame in self.frames.values()):
            return "degraded"
        return "reduced" if self.unused else "full"


def size_of(modality: str, image: Image) -> tuple[int, int]:
    """Height and width of what the predictor takes for an image; its pixels are not looked at.

    Raises:
        ValueError: The predictor would not take it.
    """
    kind = str(image.dtype).removeprefix("torch.") if isinstance(image, Tensor) else np.asarray(image).dtype.name
    if not re.fullmatch(r"u?int\d+|float\d+", kind):
        raise ValueError(f"{modality}: pixels must be integers or floats, got {kind}")
    shape = tuple(np.shape(image))
    if len(shape) not in (2, 3) or 0 in shape or shape[2:] not in ((), (1,), (3,)):
        raise ValueError(f"{modality}: an image is (H, W, 3) or (H, W), channels last; got {shape}")
    return shape[0], shape[1]
