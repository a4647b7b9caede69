"""What a source of frames is, and how a frame's images come from stored values.

Letters: `H W` size, `C` channels of a file or a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float32

from robustseg.data.channels import check_channels, compose
from robustseg.data.resizing import resized
from robustseg.data.sample import FrameError, Frames
from robustseg.files import one_line
from robustseg.modalities import Modality, leading

Images = dict[str, Float32[np.ndarray, "H W 3"]]
"""Modality name -> image in the modality's unit; what is absent is left out."""

Loose = dict[str, Float32[np.ndarray, "_ _ 3"]]
"""The same, whose sizes may still differ."""


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """What the sensors saw at one instant, as a predictor takes it.

    Attributes:
        name: Unique in its source; a relative path without suffix.
        images: All of one size.
        time: Seconds on the source's own clock; None = unknown.
        error: Why the frame cannot be decoded; empty = it can.
    """

    name: str
    images: Images
    time: float | None = None
    error: str = ""


@runtime_checkable
class Source(Protocol):
    """Frames one after the other, each decoded when it is asked for; iterating again starts over."""

    @property
    def length(self) -> int | None:
        """How many frames there are, as far as a header tells; None = unknown."""
        ...

    @property
    def rate(self) -> float | None:
        """Frames a second; None = unknown."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read, as far as it is known file by file: no result may be written there."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know before the work begins."""
        ...

    def __iter__(self) -> Iterator[SourceFrame]: ...


class FramesSource:
    """A dataset as a source."""

    rate = None
    files = ()
    notes = ()

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.length = len(frames)

    def __iter__(self) -> Iterator[SourceFrame]:
        """Reads one frame at a time."""
        for index in range(len(self.frames)):
            try:
                sample = self.frames[index]
            except FrameError as error:
                yield SourceFrame(error.name, {}, error=str(error))
                continue
            slots = zip(self.frames.modalities, sample.images.numpy(), sample.present.tolist(), strict=True)
            yield SourceFrame(
                sample.name, {modality.name: image.transpose(1, 2, 0) for modality, image, here in slots if here}
            )


@dataclass(frozen=True)
class Part:
    """One file of a modality: users write `rgb`, and `radar.before` where a modality has several."""

    modality: str
    key: str


def find_parts(names: Iterable[str], modalities: Sequence[Modality]) -> dict[str, Part]:
    """Name -> the part that it stands for.

    Raises:
        ValueError: A name is unknown, or a modality gets some of its files only.
    """
    known = {modality.name: modality for modality in modalities}
    parts: dict[str, Part] = {}
    for name in names:
        owner, _, key = name.partition(".")
        keys = tuple(known[owner].patterns) if owner in known else ()
        if len(keys) == 1 and not key:
            key = keys[0]
        if key not in keys:
            raise ValueError(f"there is no input {name!r}: this model's are {', '.join(_part_names(modalities))}")
        parts[name] = Part(owner, key)
    for owner in {part.modality: None for part in parts.values()}:
        check_channels(known[owner])
        lacking = set(known[owner].patterns) - {part.key for part in parts.values() if part.modality == owner}
        if lacking:
            raise ValueError(f"modality {owner!r} needs {owner}.{min(lacking)}, too")
    return parts


def _part_names(modalities: Sequence[Modality]) -> list[str]:
    return [
        modality.name if len(modality.patterns) == 1 else f"{modality.name}.{key}"
        for modality in modalities
        for key in modality.patterns
    ]


def composed(values: Mapping[Part, Float32[np.ndarray, "H W _"]], modalities: Sequence[Modality]) -> Loose:
    """The images of all modalities whose parts are there.

    Args:
        values: In the modalities' units.
        modalities: The model's.

    Raises:
        ValueError: A part has not the channels that are asked for, or the parts of a modality differ in size.
    """
    images = {}
    for modality in modalities:
        files = {part.key: value for part, value in values.items() if part.modality == modality.name}
        if set(files) == set(modality.patterns):
            try:
                images[modality.name] = compose(modality, files).transpose(1, 2, 0)
            except ValueError as error:
                raise ValueError(f"modality {modality.name!r}: {error}") from error
    return images


def of_one_size(images: Loose, modalities: Sequence[Modality], *, resize: bool) -> Images:
    """Images as large as the leading one, the first camera's or, without one, that of the first modality that is there.

    Args:
        images: Of the modalities that are there.
        modalities: The model's.
        resize: Bring the others to that size; they must show the same view.

    Raises:
        ValueError: Sizes differ, and are not to be changed.
    """
    sizes = {name: image.shape[:2] for name, image in images.items()}
    if len(set(sizes.values())) < 2:
        return images
    if not resize:
        listed = ", ".join(f"{name} {height}x{width}" for name, (height, width) in sizes.items())
        raise ValueError(
            f"sizes differ: {listed}; register the images, all of one size; for a recording whose sensors show the "
            "same view, say `resize: true` in its rig file"
        )
    first = modalities[leading([modality.name in images for modality in modalities], modalities)]
    by_name = {modality.name: modality for modality in modalities}
    return {
        name: resized(image.transpose(2, 0, 1), sizes[first.name], by_name[name]).transpose(1, 2, 0)
        for name, image in images.items()
    }


def decoded(name: str, read: Callable[[], Images], time: float | None = None) -> SourceFrame:
    """The frame that `read` gives, or the one that tells why it cannot."""
    try:
        return SourceFrame(name, read(), time)
    except (ValueError, OSError, cv2.error) as error:
        return SourceFrame(name, {}, time, one_line(str(error)))
