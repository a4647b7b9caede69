"""Statistics of a dataset: mean and std of each modality's channels, and how often each class occurs.

Letters: `M` modalities, `K` classes, `H W` size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from robustseg.data.sample import Frames, Sample
from robustseg.labels import IGNORE
from robustseg.modalities import Modality, with_statistics

Progress = Callable[[Sequence[int]], Iterable[int]]
"""Passes the frames' places through and shows how far it is, as `rich.progress.track` does."""


@dataclass(frozen=True)
class Moments:
    """Mean and spread of each modality's channels over the frames in which it is present.

    Attributes:
        frames: In how many frames each modality was present.
        pixels: Over how many pixels.
        mean: In the modality's unit; 0 where there was no pixel.
        squares: Sum of squared distances from the mean.
    """

    frames: Int64[Tensor, " M"]
    pixels: Int64[Tensor, " M"]
    mean: Float64[Tensor, "M 3"]
    squares: Float64[Tensor, "M 3"]

    @property
    def std(self) -> Float64[Tensor, "M 3"]:
        """The population's standard deviation; 0 where there was no pixel."""
        return (self.squares / self.pixels.clamp(min=1)[:, None]).sqrt()


@dataclass(frozen=True)
class ClassCounts:
    """How often each class occurs.

    Attributes:
        pixels: Of each class.
        frames: That contain each class.
        ignored: Pixels to be ignored.
    """

    pixels: Int64[Tensor, " K"]
    frames: Int64[Tensor, " K"]
    ignored: int

    @property
    def frequency(self) -> Float64[Tensor, " K"]:
        """Each class's share of the pixels that are not ignored; 0 where there is none."""
        return self.pixels.double() / max(int(self.pixels.sum()), 1)

    @property
    def ignored_share(self) -> float:
        """The share of all pixels that are ignored."""
        return self.ignored / max(self.ignored + int(self.pixels.sum()), 1)


@dataclass(frozen=True)
class Statistics:
    """What `data_statistics` found; `frames` is how many frames it looked at."""

    frames: int
    moments: Moments
    classes: ClassCounts


def data_statistics(frames: Frames, *, limit: int | None = None, progress: Progress = iter) -> Statistics:
    """Reads the frames once, all of them or `limit` evenly spaced ones, as they are before normalisation."""
    M, K = len(frames.modalities), len(frames.classes)
    moments = Moments(_zeros(M), _zeros(M), torch.zeros(M, 3).double(), torch.zeros(M, 3).double())
    classes = ClassCounts(_zeros(K), _zeros(K), 0)
    chosen = spread(len(frames), limit)
    for index in progress(chosen):
        sample = frames[index]
        moments = add_moments(moments, sample)
        classes = add_classes(classes, sample)
    return Statistics(len(chosen), moments, classes)


def class_frequency(frames: Frames, *, limit: int | None = None) -> tuple[float, ...]:
    """Each class's share of the labelled pixels, in all frames or `limit` evenly spaced ones; () if none is labelled.

    Six digits are kept: it is for people and for files.
    """
    counts = ClassCounts(_zeros(len(frames.classes)), _zeros(len(frames.classes)), 0)
    for place in spread(len(frames), limit):
        counts = add_classes(counts, frames[place])
    return tuple(float(f"{share:.6g}") for share in counts.frequency.tolist()) if counts.pixels.any() else ()


def measured(
    modalities: Sequence[Modality], frames: Frames, *, limit: int | None = 500, progress: Progress = iter
) -> tuple[Modality, ...]:
    """The modalities with every unknown mean and std measured on `frames`, whose modalities they are.

    Reads nothing if all are known.

    Raises:
        ValueError: A modality to be measured is absent in every frame that was looked at, or empty in all of them.
    """
    if all(modality.mean is not None for modality in modalities):
        return tuple(modalities)
    moments = data_statistics(frames, limit=limit, progress=progress).moments
    return tuple(
        with_moments(modality, moments, place) if modality.mean is None else modality
        for place, modality in enumerate(modalities)
    )


def with_moments(modality: Modality, moments: Moments, place: int) -> Modality:
    """The modality at that place of `moments` with the mean and std that were measured, fit to divide by.

    Raises:
        ValueError: It was absent in every frame, or empty in all of them.
    """
    if moments.frames[place] == 0:
        raise ValueError(f"mean and std of {modality.name!r} cannot be measured: it is absent in every frame looked at")
    if not bool((moments.std[place] > 0).any()):
        raise ValueError(
            f"{modality.name!r} is empty: all its pixels have one value in the {int(moments.frames[place])} frames "
            "looked at; check its files, or leave the modality out"
        )
    red, green, blue = moments.mean[place].tolist()
    return with_statistics(modality, (red, green, blue), tuple(moments.std[place].tolist()))


def add_moments(moments: Moments, sample: Sample) -> Moments:
    """The moments with one more frame (Chan et al.'s update, exact however large the mean is)."""
    present = sample.present[:, None]
    images = sample.images.double().flatten(2)  # M 3 HW
    mean = torch.where(present, images.mean(dim=2), 0.0)  # an absent slot may hold anything
    squares = torch.where(present, images.var(dim=2, correction=0) * images.shape[2], 0.0)
    more = sample.present.long() * images.shape[2]
    pixels = moments.pixels + more
    share = (more / pixels.clamp(min=1)).double()[:, None]
    distance = torch.where(present, mean - moments.mean, 0.0)
    return Moments(
        frames=moments.frames + sample.present.long(),
        pixels=pixels,
        mean=moments.mean + share * distance,
        squares=moments.squares + squares + share * distance.square() * moments.pixels[:, None],
    )


def add_classes(counts: ClassCounts, sample: Sample) -> ClassCounts:
    """The counts with one more frame."""
    found = torch.bincount(sample.labels.flatten(), minlength=IGNORE + 1)
    pixels = found[: len(counts.pixels)]
    return ClassCounts(counts.pixels + pixels, counts.frames + (pixels > 0).long(), counts.ignored + int(found[IGNORE]))


def spread(count: int, limit: int | None) -> Sequence[int]:
    """`limit` evenly spaced places out of `count`, or all of them.

    Example:
        >>> spread(10, 4)
        [0, 2, 5, 7]
    """
    if limit is None or limit >= count:
        return range(count)
    return [place * count // limit for place in range(limit)]


def _zeros(count: int) -> Int64[Tensor, " n"]:
    return torch.zeros(count, dtype=torch.int64)
