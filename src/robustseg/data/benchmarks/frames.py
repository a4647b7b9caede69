"""The frames of a benchmark: a list of scenes, each a set of files, and the functions that read them.

Letters: `M` modalities, `h w` a file's size, `H W` the images' size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Int64

from robustseg.data.resizing import resized, resized_labels
from robustseg.data.sample import FrameError, Sample
from robustseg.labels import IGNORE, LabelClass
from robustseg.modalities import Modality


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


class BenchmarkFrames:
    """One split of a benchmark. All files are looked up once, when it is made; they are read when asked for.

    Args:
        scenes: In the benchmark's order.
        modalities: Of the scenes' files, in order.
        classes: In train-id order.
        read: `(scene, place of the modality) -> "3 h w"` in the modality's unit.
        read_labels: `scene -> "h w"` train ids and 255.
        missing: A modality's file that is not there: "error", or "allow" = it is absent in that frame.
        resize: Height and width of the images; None = as the first present modality is stored, which the others are
            brought to.
        own_labels: Labels keep their stored size, whatever the images'; else they are brought to the images' size.

    Raises:
        FileNotFoundError: There is no scene, or a file is missing and must not be.
        ValueError: A scene has no modality at all.
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
    ) -> None:
        self.scenes = tuple(scenes)
        self.modalities = modalities
        self.classes = classes
        self.resize = resize
        self.own_labels = own_labels
        self._read_modality = read
        self._read_labels = read_labels
        absent = {path for scene in scenes for files in scene.files for path in files if not path.is_file()}
        self._present = tuple(tuple(absent.isdisjoint(files) for files in scene.files) for scene in scenes)
        self._check(absent, missing)

    @property
    def sequences(self) -> tuple[str, ...]:
        """The recording of each frame."""
        return tuple(scene.sequence for scene in self.scenes)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Sample:
        """Reads one frame.

        Raises:
            FrameError: A file cannot be read; the message names it.
        """
        try:
            return self._sample(self.scenes[index], self._present[index])
        except (ValueError, OSError) as reason:
            error = FrameError(str(reason))
            error.name = self.scenes[index].name
            raise error from reason

    def _sample(self, scene: Scene, present: tuple[bool, ...]) -> Sample:
        images = {place: self._read_modality(scene, place) for place, here in enumerate(present) if here}
        size = self.resize or next(iter(images.values())).shape[1:]
        labels = self._read_labels(scene) if scene.labels else np.full(size, IGNORE, np.int64)
        if not self.own_labels:
            labels = _labels_at(labels, size)
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
        return image if image.shape[1:] == size else resized(image, size, modality)

    def _check(self, absent: set[Path], missing: Literal["error", "allow"]) -> None:
        if not self.scenes:
            raise FileNotFoundError("this split has no frame")
        empty = [scene.name for scene, here in zip(self.scenes, self._present, strict=True) if not any(here)]
        if empty:
            raise ValueError(f"{len(empty)} frames have no file of any modality, the first is {empty[0]}")
        if absent and missing == "error":
            raise FileNotFoundError(
                f"{min(absent)} is missing, one of {len(absent)} files: copy the rest of the data, "
                "or set `data.missing: allow` if a missing file means that the sensor was absent"
            )
        labels = sorted(scene.labels for scene in self.scenes if scene.labels and not scene.labels.is_file())
        if labels:
            raise FileNotFoundError(
                f"label image {labels[0]} is missing, one of {len(labels)}: copy the rest of the data"
            )


def _labels_at(labels: Int64[np.ndarray, "h w"], size: tuple[int, int]) -> Int64[np.ndarray, "H W"]:
    return labels if labels.shape == tuple(size) else resized_labels(labels, size)
