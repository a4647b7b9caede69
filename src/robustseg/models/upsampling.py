"""From logits at the decoder's own resolution to what is wanted at the image's: logits, or labels alone.

Shapes: B batch, K classes, h w the decoder's resolution, H W the image's.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
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
    """The most likely class of each pixel of the upsampled logits, which never exist as a whole."""
    labels = torch.empty(len(logits), *size, dtype=torch.int64, device=logits.device)
    for samples, rows, strip in upsampled_strips(logits, size):
        labels[samples, rows] = strip.max(dim=1).indices  # on CPUs several times as fast as argmax
    return labels


def upsampled_strips(
    logits: Float[Tensor, "B K h w"], size: tuple[int, int]
) -> Iterator[tuple[slice, slice, Float[Tensor, "_B K _H W"]]]:
    """The upsampled logits strip by strip, each with its samples and the rows of the image that it covers.

    Where the height is no whole multiple of the logits', a strip is all of an image; on accelerators, all of the batch.
    """
    (B, K, h), (H, W) = logits.shape[:3], size
    factor = H // h
    if logits.device.type != "cpu":
        yield slice(0, B), slice(0, H), upsampled(logits, size)
        return
    together = max(1, STRIP // (K * H * W))
    step = max(1, STRIP // (K * W * max(1, factor))) if factor * h == H else h  # rows of the small logits
    for start in range(0, B, together):
        samples = slice(start, min(B, start + together))
        for top in range(0, h, step):
            first, bottom = max(0, top - 1), min(h, top + step)
            last = min(h, bottom + 1)  # a row's neighbours take part in it
            if (first, last) == (0, h):
                strip, offset = upsampled(logits[samples], size), 0
            else:
                strip = upsampled(logits[samples, :, first:last], ((last - first) * factor, W))
                offset = first * factor
            rows = slice(top * factor, bottom * factor if bottom < h else H)
            yield samples, rows, strip[:, :, rows.start - offset : rows.stop - offset]
