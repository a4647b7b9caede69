"""Losses of logits at the labels' size, without ever holding logits of that size.

A head's logits are coarse, a quarter of the image's height and width. Softmax, loss and gradient are of the bilinearly
upsampled ones, which are 16 times as many: they are made, used and forgotten strip by strip, each small enough to stay
in a processor's cache. As upsampling is linear, the gradient goes back to the coarse logits by the transposed map.

Shapes: B batch, K classes, h w size of the coarse logits, H W of the labels, n rows of a strip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

STRIP_BYTES = 2**20
"""Of one strip of logits on a processor; a GPU gains nothing from strips and takes all in one."""

COLUMNS = 128
"""So many columns are interpolated by one matrix product; more would multiply more zeros."""


@dataclass(frozen=True)
class Band:
    """A block of the matrix that interpolates along one direction, and where in the matrix it stands.

    Elsewhere the columns of these outputs are 0: each output is a mean of two neighbouring inputs.
    """

    inputs: slice
    outputs: slice
    weights: Float[Tensor, "inputs outputs"]


@lru_cache(maxsize=64)
def bands(inputs: int, outputs: int, width: int, dtype: torch.dtype, device: torch.device) -> tuple[Band, ...]:
    """The bilinear interpolation from `inputs` to `outputs` places (corners not aligned), `width` outputs a band."""
    with torch.inference_mode(mode=False), torch.device("cpu"):  # what is kept must serve every mode
        return tuple(_bands(inputs, outputs, width, dtype, device))


def _bands(inputs: int, outputs: int, width: int, dtype: torch.dtype, device: torch.device) -> list[Band]:
    place = ((torch.arange(outputs, dtype=torch.float64) + 0.5) * inputs / outputs - 0.5).clamp(min=0)
    low = place.long().clamp(max=inputs - 1)
    high = (low + 1).clamp(max=inputs - 1)
    matrix = torch.zeros(inputs, outputs, dtype=torch.float64)
    every = torch.arange(outputs)
    matrix[low, every] += 1 - (place - low)
    matrix[high, every] += place - low
    matrix = matrix.to(device, dtype)
    starts = range(0, outputs, width)
    spans = [(int(low[start]), int(high[min(start + width, outputs) - 1]) + 1, start) for start in starts]
    return [
        Band(slice(first, last), slice(start, min(start + width, outputs)), matrix[first:last, start : start + width])
        for first, last, start in spans
    ]


class Strips:
    """The strips of coarse logits at `size`, and the way back.

    Args:
        logits: Any logits of the shape that is to be upsampled; only shape, type and device are read.
        size: Height and width of the labels.
    """

    def __init__(self, logits: Float[Tensor, "B K h w"], size: tuple[int, int]) -> None:
        batch, classes, h, w = logits.shape
        row_bytes = max(batch * classes * size[1] * logits.element_size(), 1)
        rows = size[0] if logits.is_cuda else max(STRIP_BYTES // row_bytes, 1)
        self.same = size == (h, w)
        self.rows = bands(h, size[0], rows, logits.dtype, logits.device)
        self.columns = bands(w, size[1], COLUMNS, logits.dtype, logits.device)
        self.width = size[1]

    def __iter__(self) -> Iterator[Band]:
        """The rows of each strip, from the top."""
        return iter(self.rows)

    def up(self, logits: Float[Tensor, "B K h w"], rows: Band) -> Float[Tensor, "B K n W"]:
        """A new strip of the upsampled logits."""
        if self.same:
            return logits[:, :, rows.outputs].clone(memory_format=torch.contiguous_format)
        slab = rows.weights.T @ logits[:, :, rows.inputs]  # B K n w
        strip = slab.new_empty(*slab.shape[:3], self.width)
        for band in self.columns:
            torch.mm(slab.flatten(0, 2)[:, band.inputs], band.weights, out=strip.flatten(0, 2)[:, band.outputs])
        return strip

    def add_down(self, gradient: Float[Tensor, "B K h w"], strip: Float[Tensor, "B K n W"], rows: Band) -> None:
        """Adds the gradient of a strip to that of the coarse logits."""
        if self.same:
            gradient[:, :, rows.outputs] += strip
            return
        slab = strip.new_zeros(*strip.shape[:3], gradient.shape[3])  # B K n w
        for band in self.columns:
            slab.flatten(0, 2)[:, band.inputs].addmm_(strip.flatten(0, 2)[:, band.outputs], band.weights.T)
        gradient[:, :, rows.inputs] += rows.weights @ slab


class _Known(torch.autograd.Function):
    """A value whose gradient was found along with it."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        ctx.dtype = logits.dtype
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = ctx.saved_tensors
        return (gradient * gradients[0]).to(ctx.dtype), None, None


def with_gradient(
    value: Float[Tensor, ""], logits: Float[Tensor, "B K h w"], gradient: Float[Tensor, "B K h w"]
) -> Float[Tensor, ""]:
    """`value`, differentiable by `logits` with this gradient."""
    return _Known.apply(logits, value, gradient)
