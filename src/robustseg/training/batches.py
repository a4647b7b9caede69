"""Training batches whose every random draw is a function of (seed, epoch, sample index).

So a run that stops anywhere goes on with the very batch that it would have seen next, on one process or on many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from robustseg.data.sample import Frames, Sample, collate
from robustseg.data.transforms import augment, sample_generator
from robustseg.distill.prototypes import draw_permutation
from robustseg.failures import draw_sight
from robustseg.recipe import Sight, Transforms
from robustseg.traces import said

ORDER_STREAM = 1

Key = tuple[int, int]
"""(epoch, index of the frame)"""


@dataclass
class TrainingBatch:
    """A batch as training sees it, with the student's draws.

    Attributes:
        images: In the modalities' units, augmented.
        labels: Train ids, 255 = ignore.
        present: What each frame has.
        drawn: The subsets of it that the student answers for.
        permutation: Which teacher modality teaches each student modality's prototypes.
        names: The frames' names, for messages.
    """

    images: Float[Tensor, "B M 3 H W"]
    labels: Int64[Tensor, "B H W"]
    present: Bool[Tensor, "B M"]
    drawn: Bool[Tensor, "B D M"]
    permutation: Int64[Tensor, "B M"]
    names: tuple[str, ...]

    def to(self, device: torch.device) -> TrainingBatch:
        """The same batch on `device`; from page-locked memory the copy goes on while the caller does."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> TrainingBatch:
        """The same batch in page-locked memory; the loader asks for it where there is a GPU."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> TrainingBatch:
        return TrainingBatch(
            images=change(self.images),
            labels=change(self.labels),
            present=change(self.present),
            drawn=change(self.drawn),
            permutation=change(self.permutation),
            names=self.names,
        )


@dataclass(frozen=True)
class Drawn:
    """One augmented frame with its draws."""

    sample: Sample
    drawn: Bool[Tensor, "D M"]
    permutation: Int64[Tensor, " M"]


class TrainingFrames(Dataset[Drawn]):
    """Frames, augmented and with the student's draws; asked for by (epoch, index).

    Args:
        frames: All of one split.
        transforms: How they are changed.
        size: Of crops.
        seed: Of every draw.
        sight: What the student answers for.
        one_of: Every subset that is drawn holds one of these modalities; None = any.
    """

    def __init__(
        self,
        frames: Frames,
        transforms: Transforms,
        *,
        size: tuple[int, int],
        seed: int,
        sight: Sight | None = None,
        one_of: Bool[Tensor, " M"] | None = None,
    ) -> None:
        self.frames = frames
        self.transforms = transforms
        self.size = size
        self.seed = seed
        self.sight = sight or Sight()
        self.one_of = one_of

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, key: Key) -> Drawn:
        epoch, index = key
        generator = sample_generator(self.seed, epoch, index)
        sample = augment(
            self.frames[index],
            self.transforms,
            size=self.size,
            modalities=self.frames.modalities,
            generator=generator,
        )
        drawn = draw_sight(sample.present, self.sight, generator, one_of=self.one_of)
        permutation = draw_permutation(drawn.any(dim=0)[None], sample.present[None], generator)
        return Drawn(sample, drawn, permutation[0])


@dataclass(frozen=True)
class Share:
    """This process's part of every optimiser step.

    Attributes:
        batch_size: Frames per optimiser step, all processes and parts together.
        parts: Pieces a step is cut into: processes * accumulated parts.
        rank: This process.
        world: Processes.
    """

    batch_size: int
    parts: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.batch_size % self.parts:
            raise ValueError(
                f"batch_size {self.batch_size} must be a multiple of processes x accumulate = {self.parts}"
            )


def steps_per_epoch(frames: int, batch_size: int) -> int:
    """Full batches in an epoch; the frames left over come in another epoch's order.

    Raises:
        ValueError: There are fewer frames than a batch holds.
    """
    if frames < batch_size:
        raise ValueError(f"{frames} training frames do not fill a batch of {batch_size}: lower batch_size")
    return frames // batch_size


def epoch_keys(frames: int, share: Share, *, seed: int, epoch: int, first_step: int = 0) -> Iterator[list[Key]]:
    """The frames of this process's micro-batches from `first_step` of an epoch on, in order."""
    order = torch.randperm(frames, generator=sample_generator(seed, epoch, 0, stream=ORDER_STREAM)).tolist()
    micro = share.batch_size // share.parts
    for step in range(first_step, steps_per_epoch(frames, share.batch_size)):
        for part in range(share.rank, share.parts, share.world):
            start = step * share.batch_size + part * micro
            yield [(epoch, index) for index in order[start : start + micro]]


def epoch_loader(
    frames: TrainingFrames, share: Share, *, epoch: int, first_step: int, workers: int
) -> Iterable[TrainingBatch]:
    """A loader of one epoch's micro-batches from `first_step` on."""
    keys = epoch_keys(len(frames), share, seed=frames.seed, epoch=epoch, first_step=first_step)
    loader = DataLoader(
        frames,
        batch_sampler=list(keys),  # pyright: ignore[reportArgumentType]  # our keys are pairs
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_one_thread,
    )
    return _without_traces(cast(Iterable[TrainingBatch], loader))  # the collate function decides what it yields


def _one_thread(_worker: int) -> None:
    """Loading processes are as many as are wanted: OpenCV, like PyTorch, starts no threads in each of them.

    0 means no threads. 1 would wait for those of the process that this one was forked from, sometimes for ever.
    """
    cv2.setNumThreads(0)


def _without_traces(loader: Iterable[TrainingBatch]) -> Iterator[TrainingBatch]:
    """A worker's error comes back as its whole traceback; its end says what is wrong with which file."""
    try:
        yield from loader
    except (ValueError, OSError) as error:
        _, traced, told = str(error).partition("Original Traceback")
        if not traced:
            raise
        raise ValueError(said(told)) from error


def _collate(drawn: Sequence[Drawn]) -> TrainingBatch:
    batch = collate([entry.sample for entry in drawn], range(len(drawn)))
    return TrainingBatch(
        images=batch.images,
        labels=batch.labels,
        present=batch.present,
        drawn=torch.stack([entry.drawn for entry in drawn]),
        permutation=torch.stack([entry.permutation for entry in drawn]),
        names=batch.names,
    )
