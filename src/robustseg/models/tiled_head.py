"""The head without gradients, tile by tile: what is E channels wide never leaves the processor's cache.

For a tile of 8x8 outputs the three coarser stages are multiplied by their matrices at their own resolution, upsampled
by one matrix product, and added to the first stage's product; then follow ReLU and classifier. BatchNorm is part of
the matrices.

All before the ReLU commutes with a mean over modalities. So the predictions of many subsets of them share it.

Shapes: N encodings, C channels of a stage, h w its size, E width, K classes, Q mixtures, X tiles in a row, T tiles at a
time, P pixels of a tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from robustseg.models.tiles import TILE, Axis, grid

Maps = Sequence[Float[Tensor, "N _C _h _w"]]

SHARED = 2
"""Rows of a coarser map that two neighbouring rows of tiles read, where the sizes are whole multiples."""

CACHED = 2**20
"""Values at a time that are E channels wide."""


@dataclass(frozen=True, eq=False)
class FoldedHead:
    """All weights of a head in evaluation mode, multiplied as far as they can be.

    Attributes:
        matrices: Of each stage: linear layer, fusion and BatchNorm.
        bias: Of all of them.
        classifier: Its weights.
        classifier_bias: Its bias.
    """

    matrices: tuple[Float[Tensor, "_C E"], ...]
    bias: Float[Tensor, " E"]
    classifier: Float[Tensor, "K E"]
    classifier_bias: Float[Tensor, " K"]


def tiled_logits(head: FoldedHead, maps: Maps) -> Float[Tensor, "N K h w"]:
    """Logits of each row of the maps, at the first map's size."""
    width, columns = len(head.bias), -(-maps[0].shape[3] // TILE)
    together = max(1, CACHED // (TILE * TILE * width * columns))
    parts = [
        _assembled(head, rows, len(rows[0]), None)
        for rows in zip(*(stage.split(together) for stage in maps), strict=True)
    ]
    return torch.cat(parts)


def tiled_mixtures(head: FoldedHead, maps: Maps, weights: Float[Tensor, "Q N"]) -> Float[Tensor, "Q K h w"]:
    """Logits of weighted means of the rows, at the first map's size; the weights of each mixture sum to 1."""
    return _assembled(head, maps, len(weights), weights)


def _assembled(head: FoldedHead, maps: Maps, count: int, weights: Tensor | None) -> Float[Tensor, "count K h w"]:
    h, w = maps[0].shape[-2:]
    down, across = -(-h // TILE), -(-w // TILE)
    dtype = torch.promote_types(maps[0].dtype, torch.float32)  # of logits in any precision
    logits = maps[0].new_empty(len(head.classifier), count, down, TILE, across, TILE, dtype=dtype)
    for y, tiles, values in _projected(head, maps, count if weights is not None else 0):  # N T P E
        if weights is not None:
            values = weights @ values.flatten(1)  # Q T*P*E
        rows = values.relu_().view(-1, len(head.bias))
        scores = (head.classifier @ rows.T).add_(head.classifier_bias[:, None])  # K rows
        scores = scores.view(len(scores), count, -1, TILE, TILE)  # K Q T tile tile
        logits[:, :, y, :, tiles] = scores.transpose(2, 3)
    return logits.view(len(logits), count, down * TILE, across * TILE)[..., :h, :w].transpose(0, 1)


def _projected(head: FoldedHead, maps: Maps, mixtures: int) -> Iterator[tuple[int, slice, Float[Tensor, "N T P E"]]]:
    """All before the ReLU: which row of tiles, which of its tiles, and their values, which the caller may overwrite."""
    first, *coarse = (stage.permute(0, 2, 3, 1) for stage in maps)  # N h w C
    N, h, w, _ = first.shape
    width, down, across = len(head.bias), -(-h // TILE), -(-w // TILE)
    plan = grid((h, w), tuple((stage.shape[1], stage.shape[2]) for stage in coarse))
    if (down * TILE, across * TILE) != (h, w):
        first = F.pad(first, (0, 0, 0, across * TILE - w, 0, down * TILE - h))
    first = first.unflatten(2, (across, TILE)).unflatten(1, (down, TILE))
    step = max(1, CACHED // (TILE * TILE * width * (N + mixtures)))
    values = first.new_empty(N, min(step, across), TILE * TILE, width)
    upsampling, products = plan.matrix(0).to(first), _Products(head, coarse, plan.rows)
    for y in range(down):
        table = products(y)  # N inputs E
        places = plan.index + table.shape[1] * torch.arange(N)[:, None, None]  # N X taps
        if not plan.constant and y:
            upsampling = plan.matrix(y).to(first)
        for x in range(0, across, step):
            tiles = slice(x, min(x + step, across))
            inputs = table.view(-1, width).index_select(0, places[:, tiles].flatten())
            inputs = inputs.view(N, -1, places.shape[2], width)  # N T taps E
            matrix = upsampling if plan.constant else upsampling[tiles]
            part = values[:, : inputs.shape[1]] if N == 1 else values.new_empty(*inputs.shape[:2], *values.shape[2:])
            torch.matmul(matrix, inputs, out=part)
            fine = first[:, y, :, tiles].transpose(1, 2).flatten(0, 3)  # N*T*P C
            part.view(-1, width).addmm_(fine, head.matrices[0])
            yield y, tiles, part


class _Products:
    """The coarser stages' products in the rows that a row of tiles reads, map after map.

    What the row of tiles above has read as well is not computed again.
    """

    def __init__(self, head: FoldedHead, coarse: Maps, rows: Sequence[Axis]) -> None:
        self._head = head
        self._stages = list(zip(coarse, head.matrices[1:], rows, strict=True))
        self._known = [coarse[0].new_empty(0)] * len(coarse)

    def __call__(self, y: int) -> Float[Tensor, "N inputs E"]:
        for place, (stage, matrix, axis) in enumerate(self._stages):
            index = axis.index[y]
            again = SHARED if y and torch.equal(index[:SHARED], axis.index[y - 1][-SHARED:]) else 0
            fresh = stage[:, index[again:]].flatten(1, 2) @ matrix
            if place == len(self._stages) - 1:
                fresh += self._head.bias  # upsampling keeps constants
            kept = self._known[place][:, -again * stage.shape[2] :] if again else fresh[:, :0]
            self._known[place] = torch.cat([kept, fresh], dim=1)
        return torch.cat(self._known, dim=1)
