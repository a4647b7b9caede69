"""Bilinear upsampling as matrix products: what one tile of the large map takes from the small one.

Interpolating along one axis is a product with a matrix that is nearly empty; of a short piece of the axis it is small
and full. Where the sizes are whole multiples, all pieces have the same matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

TILE = 8
"""Outputs of a piece: at most a few inputs are behind them, and every multiple of 32 pixels has whole tiles at
stride 4."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis, piece by piece: `outputs[t] = matrix[t] @ inputs[index[t]]`.

    The last piece is filled up with repetitions of the last output.
    """

    matrix: Float32[Tensor, "T tile taps"]
    index: Int64[Tensor, "T taps"]

    @property
    def alike(self) -> bool:
        """Whether all pieces have the same matrix."""
        return bool((self.matrix == self.matrix[:1]).all())


@lru_cache(maxsize=256)
def axis(outputs: int, inputs: int) -> Axis:
    """Bilinear upsampling from `inputs` to `outputs` samples, corners not aligned.

    Beyond its ends the small map goes on with its last values, which is what interpolating there means.

    Example:
        >>> axis(2, 1).matrix.sum(dim=2).tolist()
        [[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]
    """
    with torch.inference_mode(mode=False), torch.device("cpu"):  # what is kept must serve every mode
        output = torch.arange(-(-outputs // TILE) * TILE).clamp(max=outputs - 1).double()
        position = (output + 0.5) * (inputs / outputs) - 0.5
        low = position.floor().long().view(-1, TILE)
        share = (position.view(-1, TILE) - low).float()[..., None]  # of the upper neighbour
        offset = (low - low[:, :1])[..., None]
        taps = int(offset.max()) + 2
        matrix = torch.zeros(len(low), TILE, taps).scatter_(2, offset, 1 - share).scatter_add_(2, offset + 1, share)
        return Axis(matrix, (low[:, :1] + torch.arange(taps)).clamp(0, inputs - 1))


@dataclass(frozen=True, eq=False)
class Grid:
    """Upsampling several maps to one size, tile by tile; a row of tiles reads from `taps` rows of each map.

    Attributes:
        rows: Of each map.
        columns: Of each map.
        index: Where the inputs of a tile lie, once the rows that its row of tiles reads are strung together, map
            after map. The same for all rows of tiles.
        constant: Whether one matrix serves all tiles.
    """

    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    index: Int64[Tensor, "X inputs"]
    constant: bool

    def matrix(self, row: int) -> Float32[Tensor, "_X pixels inputs"]:
        """From the inputs of each tile of a row to its pixels, one row of pixels after the other; X = 1 if constant."""
        parts = []
        for vertical, horizontal in zip(self.rows, self.columns, strict=True):
            across = horizontal.matrix[:1] if self.constant else horizontal.matrix
            parts.append(torch.einsum("ia,xjb->xijab", vertical.matrix[row], across).flatten(3, 4).flatten(1, 2))
        return torch.cat(parts, dim=2)


@lru_cache(maxsize=64)
def grid(target: tuple[int, int], sizes: tuple[tuple[int, int], ...]) -> Grid:
    """The plan to bring maps of some sizes (height, width) to `target`."""
    rows = tuple(axis(target[0], height) for height, _ in sizes)
    columns = tuple(axis(target[1], width) for _, width in sizes)
    parts, start = [], 0
    with torch.inference_mode(mode=False), torch.device("cpu"):
        for vertical, horizontal, (_, width) in zip(rows, columns, sizes, strict=True):
            taps = vertical.index.shape[1]
            line = start + width * torch.arange(taps)
            parts.append((line[None, :, None] + horizontal.index[:, None]).flatten(1))  # X inputs
            start += taps * width
        constant = all(one.alike for one in (*rows, *columns))
        return Grid(rows, columns, torch.cat(parts, dim=1), constant)
