"""The frames of a benchmark: a list of scenes, each a set of files, and the functions that read them.

Letters: `M` modalities, `h w` a file's size, `H W` the images' size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Int64

from robustseg.data.resizing import resized, resized_labels
from robustseg.data.sample import FrameError, Sample
from robustseg.labels import IGNORE, LabelClass
from robustseg.modalities import Modality, leading


@dataclass(frozen=True)
class Scene:
    """One frame before it is read.

    Attributes:
        name: Unique in the split.
        files: Of each modality, the files that must be there.
        labels: The label file; None = the split has none.
        tags: What is known of the frame: weather, time of day, failure case.
        sequence: The recording it is of; "" = unknown.
        time: Seconds since the recording began.
    """

    name: str
    files: tuple[tuple[Path, ...], ...]
    labels: Path | None
    tags: dict[str, str] = field(default_factory=dict)
    sequence: str = ""
    time: float = 0.0


class IncompleteError(FileNotFoundError):
    """Files of a split are missing; `frames` are what there is, for those who can do with less (a check, say)."""

    frames: BenchmarkFrames


class BenchmarkFrames:
    """One split of a benchmark. All files are looked up once, when it is made; they are read when asked for.

    Args:
        scenes: In the benchmark's order.
        modalities: Of the scenes' files, in order.
        classes: In train-id order.
        read: `(scene, place of the modality) -> "3 h w"` in the modality's unit.
        read_labels: `scene -> "h w"` train ids and 255.
        missing: A modality's file that is not there: "error", or "allow" = it is absent in that frame.
        resize: Height and width of the images; None = the labels' or, without labels, those of the first camera that is
            present, else of the first modality.
        own_labels: Labels keep their stored size, whatever the images'; else they are brought to the images' size.
        registered: All files of a frame must have one size, as stored, or its pixels would not belong together.

    Raises:
        FileNotFoundError: There is no scene.
        IncompleteError: A file is missing and must not be, or a scene has no modality at all.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        *,
        modalities: tuple[Modality, ...],
        classes: tuple[LabelClass, ...],
        read: Callable[[Scene, int], np.ndarray],
        read_labels: Callable[[Scene], np.ndarray],
        missing: Literal["error", "allow"] = "error",
        resize: tuple[int, int] | None = None,
        own_labels: bool = False,
        registered: bool = False,  # a ninth argument: all of them say how the same files are looked at
    ) -> None:
        self.scenes = tuple(scenes)
        self.modalities = modalities
        self.classes = classes
        self.resize = resize
        self.own_labels = own_labels
        self.registered = registered
        self._read_modality = read
        self._read_labels = read_labels
        self.absent = frozenset(
            path for scene in scenes for files in scene.files for path in files if not path.is_file()
        )
        self.present = tuple(tuple(self.absent.isdisjoint(files) for files in scene.files) for scene in scenes)
        self._check(missing)

    @property
    def sequences(self) -> tuple[str, ...]:
        """The recording of each frame."""
        return tuple(scene.sequence for scene in self.scenes)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Sample:
        """Reads one frame.

        Raises:
            FrameError: A file cannot be read; the message names it, and the command that names all of them.
        """
        try:
            return self._sample(index)
        except (ValueError, OSError) as reason:
            error = FrameError(f"{reason}; robustseg data check names all files that cannot be read")
            error.name = self.scenes[index].name
            raise error from reason

    def read(self, index: int, place: int) -> Float32[np.ndarray, "3 h w"]:
        """One modality of one frame, as stored, in its unit."""
        return self._read_modality(self.scenes[index], place)

    def read_labels(self, index: int) -> Int64[np.ndarray, "h w"] | None:
        """A frame's train ids, as stored; None where the split has none."""
        scene = self.scenes[index]
        return self._read_labels(scene) if scene.labels else None

    def unlabelled(self) -> BenchmarkFrames:
        """The same frames without labels, each as it is stored and with what it has; it may even have nothing."""
        frames = object.__new__(BenchmarkFrames)
        frames.__dict__.update(self.__dict__)
        frames.scenes = tuple(replace(scene, labels=None) for scene in self.scenes)
        frames.resize = None
        return frames

    def _sample(self, index: int) -> Sample:
        scene, present = self.scenes[index], self.present[index]
        images = {place: self.read(index, place) for place, here in enumerate(present) if here}
        labels = self.read_labels(index)
        if self.registered:
            self._check_sizes(scene, images, labels)
        size = self.resize or _stored_size(images, labels, present, self.modalities)
        if labels is None:
            labels = np.full(size, IGNORE, np.int64)
        elif not self.own_labels and labels.shape != tuple(size):
            labels = resized_labels(labels, size)
        return Sample(
            images=torch.from_numpy(np.stack([self._slot(images, place, size) for place in range(len(present))])),
            labels=torch.from_numpy(np.ascontiguousarray(labels)),
            present=torch.tensor(present),
            name=scene.name,
            tags=scene.tags,
            sequence=scene.sequence,
            time=scene.time,
        )

    def _slot(
        self, images: dict[int, Float32[np.ndarray, "3 _h _w"]], place: int, size: tuple[int, int]
    ) -> Float32[np.ndarray, "3 H W"]:
        modality = self.modalities[place]
        if place not in images:
            return np.full((3, *size), modality.missing, np.float32)
        image = images[place]
        return image if image.shape[1:] == tuple(size) else resized(image, size, modality)

    def _check_sizes(self, scene: Scene, images: dict[int, np.ndarray], labels: np.ndarray | None) -> None:
        sizes = {scene.files[place][0]: image.shape[1:] for place, image in images.items()}
        if scene.labels and labels is not None:
            sizes[scene.labels] = labels.shape
        if len(set(sizes.values())) > 1:
            named = ", ".join(f"{path} is {height}x{width}" for path, (height, width) in sizes.items())
            raise ValueError(f"frame {scene.name!r}: its files differ in size, copy them again: {named}")

    def _check(self, missing: Literal["error", "allow"]) -> None:
        if not self.scenes:
            raise FileNotFoundError("this split has no frame")
        labels = sorted(scene.labels for scene in self.scenes if scene.labels and not scene.labels.is_file())
        empty = [scene.name for scene, here in zip(self.scenes, self.present, strict=True) if not any(here)]
        if self.absent and missing == "error":
            self._complain(
                f"{min(self.absent)} is missing, one of {len(self.absent)} files: copy the rest of the data, leave "
                "the modality out of `data.use`, or set `data.missing: allow` if the sensor was absent then"
            )
        if empty:
            self._complain(f"{len(empty)} frames have no file of any modality, the first is {empty[0]}")
        if labels:
            self._complain(f"label image {labels[0]} is missing, one of {len(labels)}: copy the rest of the data")

    def _complain(self, message: str) -> None:
        error = IncompleteError(message)
        error.frames = self
        raise error


def _stored_size(
    images: dict[int, np.ndarray], labels: np.ndarray | None, present: Sequence[bool], modalities: Sequence[Modality]
) -> tuple[int, int]:
    if labels is not None:
        height, width = labels.shape
    elif images:
        height, width = images[leading(present, modalities)].shape[1:]
    else:
        height, width = 1, 1  # nothing to see
    return height, width
