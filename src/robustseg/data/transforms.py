"""Random changes of training frames: `Sample -> Sample`, every draw from the generator that is passed in.

Scale, crop, flip and quarter turns move all modalities and the labels alike. Rows and columns of the result are looked
up independently, so only the pixels of the crop are ever computed. Letters: `M` modalities, `P` photometric ones,
`h w` the frame's size, `H W` the crop's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32
from torch import Generator, Tensor

from robustseg.data.sample import Sample
from robustseg.labels import IGNORE
from robustseg.modalities import Modality
from robustseg.recipe import Transforms

JITTER = 0.5
"""Brightness, contrast and saturation are multiplied by a factor in 1 - JITTER .. 1 + JITTER."""

_GREY = (0.299, 0.587, 0.114)


def sample_generator(seed: int, epoch: int, index: int, stream: int = 0) -> Generator:
    """A fresh source of random numbers that depends on all its arguments and on nothing else.

    `stream` separates the uses that one frame of one epoch has for random numbers.
    """
    state = np.random.SeedSequence([seed, epoch, index, stream]).generate_state(1, np.uint64)
    return Generator().manual_seed(int(state[0]))


@dataclass(frozen=True)
class Axis:
    """Where the pixels of one axis of the crop come from.

    Attributes:
        source: Coordinate in the frame, pixel centres at whole numbers.
        inside: Whether the coordinate lies in the frame.
    """

    source: Float[Tensor, " n"]
    inside: Bool[Tensor, " n"]


def augment(
    sample: Sample,
    transforms: Transforms,
    *,
    size: tuple[int, int],
    modalities: Sequence[Modality],
    generator: Generator,
) -> Sample:
    """A randomly turned, flipped, scaled, cropped and photometrically changed frame of `size`.

    Pixels outside the frame become each modality's `missing` value and label 255.
    """
    if transforms.quarter_turns:
        sample = turned(sample, int(torch.randint(4, (), generator=generator)))
    rows, columns = _draw_axes(sample, transforms, size, generator)
    images = _images(sample.images, rows.source, columns.source, modalities)  # M 3 H W
    images = _photometric(images, transforms, modalities, generator)
    labels = _nearest(_nearest(sample.labels, rows.source, -2), columns.source, -1)  # H W
    outside = ~(rows.inside[:, None] & columns.inside)  # H W
    if outside.any():
        missing = torch.tensor([modality.missing for modality in modalities])
        images = torch.where(outside, missing[:, None, None, None], images)
        labels = labels.masked_fill(outside, IGNORE)
    return replace(sample, images=images, labels=labels)


def turned(sample: Sample, quarters: int) -> Sample:
    """The frame turned counter-clockwise by so many quarters of a full turn."""
    return replace(
        sample,
        images=torch.rot90(sample.images, quarters, (-2, -1)),
        labels=torch.rot90(sample.labels, quarters, (-2, -1)),
    )


def axis(length: int, crop: int, *, scale: float, start: float, flip: bool = False) -> Axis:
    """`crop` pixels of an axis of `length` pixels that is resized by about `scale` to a whole number of pixels.

    Args:
        length: Of the frame's axis.
        crop: Of the result's axis.
        scale: The resize factor.
        start: 0..1, from the first to the last possible place of the crop (or of the frame, where it is smaller).
        flip: Whether the result is reversed.
    """
    resized = max(1, round(length * scale))
    room = resized - crop
    first = min(int(start * (abs(room) + 1)), abs(room)) * (1 if room > 0 else -1)
    place = torch.arange(crop, dtype=torch.float32) + first
    place = place.flip(0) if flip else place
    inside = (place >= 0) & (place < resized)
    return Axis((place + 0.5) * (length / resized) - 0.5, inside)


def jitter(images: Float32[Tensor, "P 3 H W"], factors: Float32[Tensor, "3 P"]) -> Float32[Tensor, "P 3 H W"]:
    """Brightness, contrast (about the mean grey) and saturation, multiplied by `factors` in this order.

    Values stay between 0 (or the image's lowest) and 255 (or the image's highest).
    """
    weights = torch.tensor(_GREY)
    brightness, contrast, saturation = factors[..., None, None, None]  # P 1 1 1 each
    bright = images * brightness
    grey = torch.einsum("pchw,c->phw", bright, weights)[:, None]  # P 1 H W
    middle = grey.mean(dim=(-2, -1), keepdim=True)  # P 1 1 1
    contrasted = middle + (bright - middle) * contrast
    grey = middle + (grey - middle) * contrast
    changed = grey + (contrasted - grey) * saturation
    low, high = images.aminmax(dim=-1)
    return changed.clamp(
        low.amin(dim=(1, 2))[:, None, None, None].clamp(max=0),
        high.amax(dim=(1, 2))[:, None, None, None].clamp(min=255),
    )


def blur(images: Float32[Tensor, "P 3 H W"]) -> Float32[Tensor, "P 3 H W"]:
    """A 3x3 binomial blur; the border is repeated."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 16


def _draw_axes(
    sample: Sample, transforms: Transforms, size: tuple[int, int], generator: Generator
) -> tuple[Axis, Axis]:
    flip, scale, top, left = torch.rand(4, generator=generator).tolist()
    smallest, largest = transforms.scale
    scale = smallest + scale * (largest - smallest)
    height, width = sample.labels.shape
    rows = axis(height, size[0], scale=scale, start=top)
    columns = axis(width, size[1], scale=scale, start=left, flip=flip < transforms.flip)
    return rows, columns


def _images(
    images: Float32[Tensor, "M 3 h w"], rows: Tensor, columns: Tensor, modalities: Sequence[Modality]
) -> Float32[Tensor, "M 3 H W"]:
    images, rows = _needed(images, rows, -2)
    images, columns = _needed(images, columns, -1)
    nearest = torch.tensor([modality.resample == "nearest" for modality in modalities])
    result = torch.empty(*images.shape[:2], len(rows), len(columns))
    if nearest.any():
        result[nearest] = _nearest(_nearest(images[nearest], rows, -2), columns, -1)
    if not nearest.all():
        result[~nearest] = _linear(_linear(images[~nearest], rows, -2), columns, -1)
    return result


def _needed(images: Tensor, source: Float[Tensor, " n"], dim: int) -> tuple[Tensor, Float[Tensor, " n"]]:
    """The part of one axis that `source` reads, and where to read it in there."""
    last = images.shape[dim] - 1
    first = min(max(math.floor(source.min()), 0), last)
    end = min(max(math.ceil(source.max()), 0), last)
    return images.narrow(dim, first, end - first + 1), source - first


def _nearest(images: Tensor, source: Float[Tensor, " n"], dim: int) -> Tensor:
    return images.index_select(dim, (source + 0.5).floor().long().clamp(0, images.shape[dim] - 1))


def _linear(images: Float32[Tensor, "*N h w"], source: Float[Tensor, " n"], dim: int) -> Float32[Tensor, "*N H W"]:
    """Linear interpolation along one of the last two axes; beyond the first and last pixel they are repeated."""
    last = images.shape[dim] - 1
    source = source.clamp(0, last)
    low = source.floor().long()
    if torch.equal(low.float(), source):
        return images.index_select(dim, low)
    weight = (source - low)[:, None] if dim == -2 else source - low
    return torch.lerp(images.index_select(dim, low), images.index_select(dim, (low + 1).clamp(max=last)), weight)


def _photometric(
    images: Float32[Tensor, "M 3 H W"], transforms: Transforms, modalities: Sequence[Modality], generator: Generator
) -> Float32[Tensor, "M 3 H W"]:
    """Jitters and blurs the photometric modalities, each with draws of its own."""
    places = torch.tensor(
        [place for place, modality in enumerate(modalities) if modality.photometric], dtype=torch.int64
    )
    draws = torch.rand(5, len(places), generator=generator)
    jittered = draws[0] < transforms.jitter
    if jittered.any():
        factors = 1 + JITTER * (2 * draws[2:, jittered] - 1)
        images = images.index_copy(0, places[jittered], jitter(images[places[jittered]], factors))
    blurred = draws[1] < transforms.blur
    if blurred.any():
        images = images.index_copy(0, places[blurred], blur(images[places[blurred]]))
    return images
