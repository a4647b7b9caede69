"""One frame of all sensors, and a batch of frames: the two shapes in which data moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.labels import LabelClass
from robustseg.modalities import Modality


@dataclass(frozen=True)
class Sample:
    """What all sensors saw at one instant, before normalisation.

    Attributes:
        images: "M 3 H W" float32 in each modality's unit; an absent modality's slot holds anything.
        labels: "h w" int64 train ids; 255 = ignore. All 255 where the frame has no label. Their size is the images',
            except in frames to be scored whose labels keep a size of their own.
        present: "M" bool: which modalities the frame has.
        name: Unique in its dataset; for people and for result files.
        tags: What is known of the frame: weather, time of day, failure case.
        sequence: Frames of one recording share it; empty = none known.
        time: Seconds since the sequence began.
    """

    images: Float[Tensor, "M 3 H W"]
    labels: Int64[Tensor, "h w"]
    present: Bool[Tensor, " M"]
    name: str
    tags: dict[str, str] = field(default_factory=dict)
    sequence: str = ""
    time: float = 0.0


@dataclass(frozen=True)
class Batch:
    """Samples of one size, stacked; `index` holds their places in the dataset. Labels as in `Sample`."""

    images: Float[Tensor, "B M 3 H W"]
    labels: Int64[Tensor, "B h w"]
    present: Bool[Tensor, "B M"]
    names: tuple[str, ...]
    tags: tuple[dict[str, str], ...]
    index: Int64[Tensor, " B"]


class FrameError(ValueError):
    """A frame cannot be read; `name` says which, the message why."""

    name: str = ""


@runtime_checkable
class Frames(Protocol):
    """A dataset: so many frames, each a `Sample`, with the meaning of its slots and train ids.

    `frames[i]` is a pure function of i: the same frame whenever and wherever it is asked for.
    """

    @property
    def modalities(self) -> tuple[Modality, ...]: ...

    @property
    def classes(self) -> tuple[LabelClass, ...]: ...

    @property
    def sequences(self) -> tuple[str, ...]:
        """The recording that each frame is of, known without reading it; "" = unknown."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


def collate(samples: Sequence[Sample], index: Sequence[int]) -> Batch:
    """Stacks samples into a batch.

    Raises:
        ValueError: Sizes differ.
    """
    sizes = {(tuple(sample.images.shape), tuple(sample.labels.shape)) for sample in samples}
    if len(sizes) != 1:
        names = ", ".join(f"{sample.name} {tuple(sample.images.shape)}" for sample in samples)
        raise ValueError(f"frames of one batch must have one size, got {names}")
    return Batch(
        images=torch.stack([sample.images for sample in samples]),
        labels=torch.stack([sample.labels for sample in samples]),
        present=torch.stack([sample.present for sample in samples]),
        names=tuple(sample.name for sample in samples),
        tags=tuple(sample.tags for sample in samples),
        index=torch.tensor(index, dtype=torch.int64),
    )
