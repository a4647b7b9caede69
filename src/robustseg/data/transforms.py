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
from jaxtyping import Float32, Int64, Shaped
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
    mirror = flip < transforms.flip
    crop = _cropped_images(sample.images, rows, columns, size, modalities, mirror=mirror)  # M 3 H W
    seen = crop[..., rows.target, columns.target]  # what follows leaves the rest as it is
    _change_colours(seen, transforms, modalities, generator)
    if transforms.faults > 0:
        chance = transforms.faults
        here = seen.contiguous()
        seen.copy_(hit_at_random(here, sample.present, modalities, probability=chance, generator=generator))
    labels = _cropped_labels(sample.labels, rows, columns, size, mirror=mirror)
    return replace(sample, images=crop, labels=labels)


def mirrored(images: Float32[Tensor, "*B M 3 H W"], modalities: Sequence[Modality]) -> Float32[Tensor, "*B M 3 H W"]:
    """The images mirrored left to right, and multiplied by `Modality.mirror`, as angles ask for."""
    factors = torch.tensor([modality.mirror for modality in modalities], dtype=images.dtype, device=images.device)
    return images.flip(-1).mul_(factors[..., None, None])


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
    brightness, contrast, saturation = factors[..., None, None, None]  # P 1 1 1 each
    changed = images * brightness  # the only copy: from here on in place
    grey = torch.einsum("pchw,c->phw", changed, torch.tensor(_GREY))[:, None]  # P 1 H W
    middle = grey.mean(dim=(-2, -1), keepdim=True)  # P 1 1 1
    for image in (changed, grey):
        image.sub_(middle).mul_(contrast).add_(middle)
    changed.sub_(grey).mul_(saturation).add_(grey)
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)  # faster than `aminmax`
    torch.maximum(changed, low.clamp(max=0), out=changed)
    return torch.minimum(changed, high.clamp(min=255), out=changed)  # both of them eight times as fast as `clamp`


def blur(images: Float32[Tensor, "P 3 H W"]) -> Float32[Tensor, "P 3 H W"]:
    """A 3x3 binomial blur; the border is repeated."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = (2 * padded[..., 1:-1, :]).add_(padded[..., :-2, :]).add_(padded[..., 2:, :])
    return (2 * rows[..., 1:-1]).add_(rows[..., :-2]).add_(rows[..., 2:]).div_(16)


def _place(start: float, last: int) -> int:
    return min(int(start * (last + 1)), last)


def _cropped_images(
    images: Float32[Tensor, "M 3 h w"],
    rows: Span,
    columns: Span,
    size: tuple[int, int],
    modalities: Sequence[Modality],
    *,
    mirror: bool,
) -> Float32[Tensor, "M 3 H W"]:
    """The crop, mirrored where it lies if asked for, missing where the frame does not reach.

    Plane by plane: OpenCV is six times as fast on planes as torch is on all of them at once, and a plane that was just
    written is still in the processor's cache.
    """
    source = images[..., rows.source, columns.source].numpy()
    crop = np.empty((*images.shape[:2], *size), np.float32)
    for place, channel in np.ndindex(images.shape[:2]):
        modality, plane = modalities[place], crop[place, channel]
        part = plane[rows.target, columns.target]
        if part.shape != size:
            plane.fill(modality.missing)
        method = cv2.INTER_NEAREST_EXACT if modality.resample == "nearest" else cv2.INTER_LINEAR
        _resize(source[place, channel], part, method, mirror=mirror)
        if mirror and modality.mirror[channel] != 1:
            part *= modality.mirror[channel]
    return torch.from_numpy(crop)


def _cropped_labels(
    labels: Int64[Tensor, "h w"], rows: Span, columns: Span, size: tuple[int, int], *, mirror: bool
) -> Int64[Tensor, "H W"]:
    """The crop of the labels, to be ignored where the frame does not reach."""
    source = labels[rows.source, columns.source].to(torch.uint8).numpy()  # train ids and 255
    crop = np.full(size, IGNORE, np.uint8)
    _resize(source, crop[rows.target, columns.target], cv2.INTER_NEAREST_EXACT, mirror=mirror)
    return torch.from_numpy(crop).long()


def _resize(source: Shaped[np.ndarray, "h w"], target: Shaped[np.ndarray, "H W"], method: int, *, mirror: bool) -> None:
    """Fills `target`, which may be a part of a larger array."""
    size = target.shape[::-1]
    if mirror:
        cv2.flip(cv2.resize(source, size, interpolation=method), 1, dst=target)
    else:
        cv2.resize(source, size, dst=target, interpolation=method)


def _change_colours(
    images: Float32[Tensor, "M 3 H W"], transforms: Transforms, modalities: Sequence[Modality], generator: Generator
) -> None:
    """Jitters and blurs the photometric modalities in place, each with draws of its own."""
    places = torch.tensor(
        [place for place, modality in enumerate(modalities) if modality.photometric], dtype=torch.int64
    )
    draws = torch.rand(5, len(places), generator=generator)
    jittered = places[draws[0] < transforms.jitter]
    if len(jittered):
        factors = 1 + JITTER * (2 * draws[2:, draws[0] < transforms.jitter] - 1)
        images.index_copy_(0, jittered, jitter(images[jittered], factors))
    blurred = places[draws[1] < transforms.blur]
    if len(blurred):
        images.index_copy_(0, blurred, blur(images[blurred]))
