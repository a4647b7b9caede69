"""The decoder's wide middle under training on a CPU: upsample, add, normalise, ReLU, classify, tile by tile.

Written as single operations, five maps of E channels at stride 4 are kept for the backward pass and many more come and
go, and moving them takes longer than the arithmetic. Here one such map is kept, the centred sum; all else is a tile's,
stays in the cache and is made again in the backward pass. What is narrow, whatever lies before and behind, is left to
autograd.

A tile is 8x8 pixels. Bilinear upsampling of the coarser maps to a tile is one product with a constant matrix. The maps
come with a border of one pixel, its neighbour's copy, so that all tiles are alike; T neighbouring tiles make a block.

Shapes: B batch, C channels of the first stage, E embedding width, K classes, Y X blocks down and across, P = 64 * T
pixels of a block (64 places in a tile by T tiles), Q taps of a tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from robustseg.models.tiles import TILE, axis

BLOCK = 4
"""At most so many tiles make a block: 0.8 MB of 768 channels."""

Normalised = tuple[Float[Tensor, "B K h w"], Float[Tensor, " E"], Float[Tensor, " E"]]


def tiles_fit(maps: Sequence[Float[Tensor, "B _C _h _w"]]) -> bool:
    """Whether the first map is made of whole tiles, and the others are 2, 4 or 8 times smaller."""
    h, w = maps[0].shape[-2:]
    exact = all((h, w) in [(x.shape[-2] * f, x.shape[-1] * f) for f in (2, 4, TILE)] for x in maps[1:])
    return exact and h % TILE == 0 and w % TILE == 0


def trained_head(
    maps: Sequence[Float[Tensor, "B _C _h _w"]],
    matrices: Sequence[Float[Tensor, "E _C"]],
    norm: tuple[Float[Tensor, " E"], Float[Tensor, " E"], float],
    classifier: Float[Tensor, "B K E"],
) -> Normalised:
    """`classifier` @ relu(batch_norm(sum of upsampled (matrix @ map))), and the sum's mean and population variance.

    Args:
        maps: Such that `tiles_fit`.
        matrices: One for each map.
        norm: BatchNorm's weight, bias and epsilon.
        classifier: Of each sample, as dropout of channels leaves it.
    """
    B, C, h, w = maps[0].shape
    across = w // TILE
    T = max(size for size in range(1, BLOCK + 1) if across % size == 0)
    own = maps[0].permute(0, 2, 3, 1).reshape(B, h // TILE, TILE, across // T, T, TILE, C)
    own = own.permute(0, 1, 3, 2, 5, 4, 6).reshape(B, h // TILE, across // T, -1, C)  # B Y X P C
    padded = [F.pad(x, (1, 1, 1, 1), mode="replicate").permute(0, 2, 3, 1) for x in maps[1:]]
    mixed = [x @ matrix.T for x, matrix in zip(padded, matrices[1:], strict=True)]  # B h+2 w+2 E
    logits, mean, variance = _Head.apply(own, matrices[0], *norm, classifier, *mixed)
    logits = logits.unflatten(3, (TILE, TILE, T)).permute(0, 6, 1, 3, 2, 5, 4)  # B K Y 8 X T 8
    return logits.reshape(B, -1, h, w), mean, variance


class Upsampling:
    """Bilinear upsampling of bordered maps to blocks of tiles, summed over the maps, and the way back."""

    def __init__(self, maps: Sequence[Float[Tensor, "B _h _w E"]], across: int, tiles: int) -> None:
        self.steps = [(x.shape[2] - 2) // across for x in maps]  # pixels of each map along a tile's side
        self.tiles = tiles
        sides = [axis(across * TILE, x.shape[2] - 2).matrix[0].to(x) for x in maps]  # each 8 step+2
        self.matrix = torch.cat([torch.kron(side, side) for side in sides], dim=1)  # 64 Q
        self.gathered = maps[0].new_empty(self.matrix.shape[1], tiles * maps[0].shape[3])  # Q T*E

    def write(self, maps: Sequence[Tensor], at: tuple[int, int, int], out: Float[Tensor, "P E"]) -> None:
        """The sum of the upsampled maps at block `at` (sample, down, across)."""
        first = 0
        for window, step in zip(self._windows(maps, at), self.steps, strict=True):
            side = step + 2
            taken = self.gathered[first : first + side**2].view(side, side, self.tiles, -1)
            taken.copy_(window.unfold(1, side, step).permute(0, 3, 1, 2))
            first += side**2
        torch.mm(self.matrix, self.gathered, out=out.view(len(self.matrix), -1))

    def add_back(self, gradients: Sequence[Tensor], at: tuple[int, int, int], block: Float[Tensor, "P E"]) -> None:
        """Adds a block's gradient to those of the maps."""
        torch.mm(self.matrix.T, block.view(len(self.matrix), -1), out=self.gathered)
        first = 0
        for window, step in zip(self._windows(gradients, at), self.steps, strict=True):
            side = step + 2
            taken = self.gathered[first : first + side**2].view(side, side, self.tiles, -1)
            for column in range(side):  # neighbouring tiles share taps, but not the same column of theirs
                window[:, column : column + step * self.tiles : step] += taken[:, column]
            first += side**2

    def mean(self, maps: Sequence[Float[Tensor, "B _h _w E"]]) -> Float[Tensor, " E"]:
        """Of the sum over all pixels."""
        return torch.stack([x[:, 1:-1, 1:-1].mean((0, 1, 2)) for x in maps]).sum(0)  # upsampling keeps a map's mean

    def _windows(self, maps: Sequence[Tensor], at: tuple[int, int, int]) -> Iterator[Tensor]:
        sample, down, across = at
        for x, step in zip(maps, self.steps, strict=True):
            left = across * self.tiles * step
            yield x[sample, down * step : (down + 1) * step + 2, left : left + self.tiles * step + 2]


class _Head(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        own: Tensor,
        matrix: Tensor,
        weight: Tensor,
        bias: Tensor,
        epsilon: float,
        classifier: Tensor,
        *mixed: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        B, Y, X, P, _ = own.shape
        E = len(weight)
        up = Upsampling(mixed, X * (P // TILE**2), P // TILE**2)
        mean = up.mean(mixed) + matrix @ own.flatten(0, 3).mean(0)
        shifted = [*mixed[:-1], mixed[-1] - mean]  # a constant is upsampled to itself
        centred, block = own.new_empty(B, Y, X, P, E), own.new_empty(P, E)
        squares, ones = own.new_zeros(E), own.new_ones(P)
        for at in _places(own):
            up.write(shifted, at, centred[at])
            centred[at].addmm_(own[at], matrix.T)
            torch.mul(centred[at], centred[at], out=block)
            squares += ones @ block
        variance = squares / (B * Y * X * P)
        scale = weight * (variance + epsilon).rsqrt()
        logits = own.new_empty(B, Y, X, P, classifier.shape[1])
        for at in _places(own):
            torch.addcmul(bias, centred[at], scale, out=block).relu_()
            torch.mm(block, classifier[at[0]].T, out=logits[at])
        ctx.save_for_backward(own, matrix, weight, bias, classifier, centred, variance)
        ctx.epsilon, ctx.shapes = epsilon, [x.shape for x in mixed]
        ctx.mark_non_differentiable(mean, variance)
        return logits, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        own, matrix, weight, bias, classifier, centred, variance = ctx.saved_tensors
        above = gradients[0].contiguous()  # B Y X P K
        B, Y, X, P, _ = own.shape
        count, inverse = B * Y * X * P, (variance + ctx.epsilon).rsqrt()
        scale = weight * inverse
        live, times = torch.zeros_like(classifier), torch.zeros_like(classifier)  # B K E
        block, mask = torch.empty_like(centred[0, 0, 0]), torch.empty_like(centred[0, 0, 0])
        for at in _places(own):
            torch.addcmul(bias, centred[at], scale, out=block)
            torch.gt(block, 0, out=mask)
            live[at[0]].addmm_(above[at].T, mask)
            times[at[0]].addmm_(above[at].T, mask.mul_(centred[at]))
        bias_gradient = (classifier * live).sum((0, 1))
        weight_gradient = (classifier * times).sum((0, 1)) * inverse
        classifier_gradient = scale * times + bias * live
        slope = scale * inverse * weight_gradient / count
        constant = scale * bias_gradient / count
        scaled = classifier * scale
        mixed = [own.new_zeros(shape) for shape in ctx.shapes]
        own_gradient, matrix_gradient = torch.empty_like(own), torch.zeros_like(matrix)
        up = Upsampling(mixed, X * (P // TILE**2), P // TILE**2)
        for at in _places(own):
            torch.addcmul(bias, centred[at], scale, out=mask)
            torch.mm(above[at], scaled[at[0]], out=block)
            torch.ops.aten.threshold_backward(block, mask, 0, grad_input=block)
            block.addcmul_(centred[at], slope, value=-1).sub_(constant)
            torch.mm(block, matrix, out=own_gradient[at])
            matrix_gradient.addmm_(block.T, own[at])
            up.add_back(mixed, at, block)
        return own_gradient, matrix_gradient, weight_gradient, bias_gradient, None, classifier_gradient, *mixed


def _places(own: Float[Tensor, "B Y X P C"]) -> Iterator[tuple[int, int, int]]:
    B, Y, X = own.shape[:3]
    return ((b, y, x) for b in range(B) for y in range(Y) for x in range(X))
