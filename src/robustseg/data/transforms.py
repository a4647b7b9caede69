"""Random changes of training frames: `Sample -> Sample`, every draw from the generator that is passed in.

Scale, crop, flip and quarter turns move all modalities and the labels alike. Only the part of a frame that the crop
shows is resized. Faults of sensors come last. Letters: `M` modalities, `P` photometric ones, `h w` the frame's size,
`H W` the crop's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64
from torch import Generator, Tensor

from robustseg.data.sample import Sample
from robustseg.failures import hit_at_random
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
class Span:
    """One axis of a crop: the frame's pixels in `source` are resized to the crop's pixels in `target`."""

    source: slice
    target: slice


def augment(
    sample: Sample,
    transforms: Transforms,
    *,
    size: tuple[int, int],
    modalities: Sequence[Modality],
    generator: Generator,
) -> Sample:
    """A randomly turned, flipped, scaled, cropped and photometrically changed frame of `size`.

    Then sensors may fail, see `hit_at_random`. Pixels outside the frame become each modality's `missing` value and
    label 255.
    """
    if transforms.quarter_turns:
        sample = turned(sample, int(torch.randint(4, (), generator=generator)))
    flip, scale, top, left = torch.rand(4, generator=generator).tolist()
    smallest, largest = transforms.scale
    scale = smallest + scale * (largest - smallest)
    height, width = sample.labels.shape
    rows, columns = span(height, size[0], scale=scale, start=top), span(width, size[1], scale=scale, start=left)
    images = _resized_images(sample.images, rows, columns, modalities)  # M 3 and the target's size
    labels = _resized_labels(sample.labels, rows, columns)
    if flip < transforms.flip:
        images, labels = mirrored(images, modalities), labels.flip(-1)
    images = _photometric(images, transforms, modalities, generator)
    if transforms.faults > 0:
        chance = transforms.faults
        images = hit_at_random(images, sample.present, modalities, probability=chance, generator=generator)
    if labels.shape != size:
        images, labels = _padded(images, labels, rows, columns, size, modalities)
    return replace(sample, images=images, labels=labels)


def mirrored(images: Float32[Tensor, "*B M 3 H W"], modalities: Sequence[Modality]) -> Float32[Tensor, "*B M 3 H W"]:
    """The images mirrored left to right, and multiplied by `Modality.mirror`, as angles ask for."""
    factors = torch.tensor([modality.mirror for modality in modalities], dtype=images.dtype, device=images.device)
    return images.flip(-1) * factors[..., None, None]


def turned(sample: Sample, quarters: int) -> Sample:
    """The frame turned counter-clockwise by so many quarters of a full turn."""
    return replace(
        sample,
        images=torch.rot90(sample.images, quarters, (-2, -1)),
        labels=torch.rot90(sample.labels, quarters, (-2, -1)),
    )


def span(length: int, crop: int, *, scale: float, start: float) -> Span:
    """Which part of an axis of `length` pixels fills `crop` pixels when it is resized by `scale`.

    The part is a whole number of pixels, so the factor is `scale` up to rounding. `start`, 0..1, is where it lies, from
    the first to the last possible place; where the frame is too small, it is where the frame lies in the crop.

    Example:
        >>> span(100, 60, scale=2.0, start=0.5)
        Span(source=slice(35, 65, None), target=slice(0, 60, None))
        >>> span(100, 60, scale=0.5, start=0.0)
        Span(source=slice(0, 100, None), target=slice(0, 50, None))
    """
    wanted = max(1, round(crop / scale))
    if wanted <= length:
        first = _place(start, length - wanted)
        return Span(slice(first, first + wanted), slice(0, crop))
    covered = max(1, round(crop * length / wanted))
    first = _place(start, crop - covered)
    return Span(slice(0, length), slice(first, first + covered))


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


def _place(start: float, last: int) -> int:
    return min(int(start * (last + 1)), last)


def _resized_images(
    images: Float32[Tensor, "M 3 h w"], rows: Span, columns: Span, modalities: Sequence[Modality]
) -> Float32[Tensor, "M 3 _ _"]:
    """Resized plane by plane: OpenCV is six times as fast on planes as torch is on all of them at once."""
    source = images[..., rows.source, columns.source].numpy()
    height, width = _length(rows.target), _length(columns.target)
    result = np.empty((*images.shape[:2], height, width), np.float32)
    for place, channel in np.ndindex(images.shape[:2]):
        method = cv2.INTER_NEAREST_EXACT if modalities[place].resample == "nearest" else cv2.INTER_LINEAR
        cv2.resize(source[place, channel], (width, height), dst=result[place, channel], interpolation=method)
    return torch.from_numpy(result)


def _resized_labels(labels: Int64[Tensor, "h w"], rows: Span, columns: Span) -> Int64[Tensor, "_ _"]:
    source = labels[rows.source, columns.source].to(torch.uint8).numpy()  # train ids and 255
    size = _length(columns.target), _length(rows.target)
    return torch.from_numpy(cv2.resize(source, size, interpolation=cv2.INTER_NEAREST_EXACT)).long()


def _padded(
    images: Float32[Tensor, "M 3 _ _"],
    labels: Int64[Tensor, "_ _"],
    rows: Span,
    columns: Span,
    size: tuple[int, int],
    modalities: Sequence[Modality],
) -> tuple[Float32[Tensor, "M 3 H W"], Int64[Tensor, "H W"]]:
    """The images and labels at their place in a crop of `size`, the rest missing and to be ignored."""
    missing = torch.tensor([modality.missing for modality in modalities])
    crop = missing[:, None, None, None].repeat(1, images.shape[1], *size)  # M 3 H W
    crop[..., rows.target, columns.target] = images
    ids = torch.full(size, IGNORE)
    ids[rows.target, columns.target] = labels
    return crop, ids


def _length(part: slice) -> int:
    return part.stop - part.start


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
