"""From logits at the decoder's own resolution to what is wanted at the image's: logits, or labels alone.

Shapes: B batch, K classes, h w the decoder's resolution, H W the image's.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

STRIP = 2**20
"""Upsampled values at a time on a CPU, so that they stay in its cache."""


def upsampled(logits: Float[Tensor, "B K h w"], size: tuple[int, int]) -> Float[Tensor, "B K H W"]:
    """Bilinear, corners not aligned; as they are where they have that size already."""
    if tuple(logits.shape[-2:]) == size:
        return logits
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


@torch.no_grad()
def labels_at(logits: Float[Tensor, "B K h w"], size: tuple[int, int]) -> Int64[Tensor, "B H W"]:
    """The most likely class of each pixel of the upsampled logits; on CPUs these never exist as a whole."""
    labels = torch.empty(len(logits), *size, dtype=torch.int64, device=logits.device)
    for samples, rows, strip in upsampled_strips(logits, size):
        labels[samples, rows] = first_largest(strip, strip.amax(dim=1))
    return labels


def first_largest(logits: Float[Tensor, "B K H W"], largest: Float[Tensor, "B H W"]) -> UInt8[Tensor, "B H W"]:
    """The first of at most 255 classes that reaches the largest logit; on CPUs twice as fast as `max` with indices.

    Where that is NaN, nothing reaches it, and the last class is given.
    """
    K = logits.shape[1]
    falling = torch.arange(K, 0, -1, dtype=torch.uint8, device=logits.device)[:, None, None]
    return K - (logits == largest[:, None]).view(torch.uint8).mul_(falling).amax(dim=1).clamp_(min=1)


def upsampled_strips(
    logits: Float[Tensor, "B K h w"], size: tuple[int, int]
) -> Iterator[tuple[slice, slice, Float[Tensor, "_B K _H W"]]]:
    """The upsampled logits strip by strip, each with its samples and the rows of the image that it covers.

    Where the height is no whole multiple of the logits', a strip is all of an image; on accelerators, all of the batch.
    """
    (B, K, h), (H, W) = logits.shape[:3], size
    if logits.device.type != "cpu":
        yield slice(0, B), slice(0, H), upsampled(logits, size)
        return
    factor, rest = divmod(H, h)
    together = max(1, STRIP // (K * H * W))
    step = h if rest else max(1, STRIP // (K * W * factor))  # rows of the small logits
    for start in range(0, B, together):
        samples = slice(start, min(B, start + together))
        if rest:
            yield samples, slice(0, H), upsampled(logits[samples], size)
            continue
        for top in range(0, h, step):
            bottom = min(h, top + step)
            yield samples, slice(top * factor, bottom * factor), _strip(logits[samples], top, bottom, factor, W)


def _strip(
    logits: Float[Tensor, "B K h w"], top: int, bottom: int, factor: int, width: int
) -> Float[Tensor, "B K rows W"]:
    """Rows `top` to `bottom`, upsampled: first along the width, then each of their `factor` copies along the height."""
    h, w = logits.shape[-2:]
    rows = torch.arange(top - 1, bottom + 1).clamp(0, h - 1)  # with a neighbour on either side
    wide = logits[:, :, rows]
    if w != width:
        wide = upsampled(wide, (len(rows), width))
    if factor == 1:
        return wide[:, :, 1:-1]
    strip = wide.new_empty(*wide.shape[:2], bottom - top, factor, width)
    for phase in range(factor):
        place = (phase + 0.5) / factor - 0.5  # of its row, in rows
        below = 1 if place < 0 else 0
        first, second = wide[:, :, 1 - below : -1 - below], wide[:, :, 2 - below : len(rows) - below]
        torch.lerp(first, second, place + below, out=strip[:, :, :, phase])
    return strip.flatten(2, 3)
