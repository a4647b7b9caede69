"""From logits at the decoder's own resolution to what is wanted at the image's: logits, or labels alone.

Shapes: B batch, K classes, h w the decoder's resolution, H W the image's.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

STRIP = 2**18
"""Upsampled values at a time on a CPU, so that they stay in its cache."""


def upsampled(logits: Float[Tensor, "B K h w"], size: tuple[int, int]) -> Float[Tensor, "B K H W"]:
    """Bilinear, corners not aligned; as they are where they have that size already."""
    if tuple(logits.shape[-2:]) == size:
        return logits
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


@torch.no_grad()
def labels_at(logits: Float[Tensor, "B K h w"], size: tuple[int, int]) -> Int64[Tensor, "B H W"]:
    """The most likely class of each pixel of the upsampled logits, which never exist as a whole."""
    labels = torch.empty(len(logits), *size, dtype=torch.int64, device=logits.device)
    for rows, strip in upsampled_strips(logits, size):
        labels[:, rows] = strip.max(dim=1).indices  # on CPUs several times as fast as argmax
    return labels


def upsampled_strips(
    logits: Float[Tensor, "B K h w"], size: tuple[int, int]
) -> Iterator[tuple[slice, Float[Tensor, "B K _H W"]]]:
    """The upsampled logits strip by strip, each with the rows of the image that it covers.

    On a CPU, and where the height is a whole multiple of the logits'; else there is one strip.
    """
    B, K, h, _ = logits.shape
    H, W = size
    factor = H // h
    if logits.device.type != "cpu" or factor * h != H:
        yield slice(0, H), upsampled(logits, size)
        return
    step = max(1, STRIP // (B * K * W * factor))  # rows of the small logits
    for top in range(0, h, step):
        bottom = min(h, top + step)
        first, last = max(0, top - 1), min(h, bottom + 1)  # a row's neighbours take part in it
        strip = upsampled(logits[:, :, first:last], ((last - first) * factor, W))
        rows = slice(top * factor, bottom * factor)
        yield rows, strip[:, :, rows.start - first * factor : rows.stop - first * factor]
