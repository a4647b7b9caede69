"""Frames that are too large for memory: cut into overlapping tiles, each answered as a frame of its own.

Attention sees all of a frame, but only a tile of a tile, so tiles approximate; docs/performance.md tells what that
costs. Of an overlap each pixel is taken from the tile in which it lies farther from the cut.

Letters: H W a frame's size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from robustseg.deploy.answering import Answer
from robustseg.models.card import ModelCard
from robustseg.models.mit import SHAPES

STEP = 32
"""Tiles begin at multiples of it, where the network's coarsest map has a pixel."""

SMALLEST_TILE = 64
LEAST_OVERLAP = 1 / 4
"""Of a tile's side that is cut."""

FIXED = 64_000_000
"""Bytes that any frame takes, however small."""

Span = tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """A part of a frame; each pair is where it begins and ends along rows and along columns.

    Attributes:
        rows: That the network sees.
        columns: That it sees.
        own_rows: That are taken of its answer.
        own_columns: That are taken.
    """

    rows: Span
    columns: Span
    own_rows: Span
    own_columns: Span

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that the network sees."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    def cut(self, image: Tensor) -> Tensor:
        """What the network sees of an image "... H W"."""
        return image[..., slice(*self.rows), slice(*self.columns)]

    def own(self, answer: Tensor) -> Tensor:
        """What is taken of its answer "... h w"."""
        (top, left), (up, down), (start, stop) = (self.rows[0], self.columns[0]), self.own_rows, self.own_columns
        return answer[..., up - top : down - top, start - left : stop - left]

    def put(self, whole: Tensor, answer: Tensor) -> None:
        """Writes that into the whole frame's "... H W"."""
        whole[..., slice(*self.own_rows), slice(*self.own_columns)] = self.own(answer)


def bytes_needed(card: ModelCard, pixels: int) -> float:
    """About what encoding and decoding a frame takes on a CPU: at most that, in measurements from 0.3 to 4 megapixels.

    Per modality and pixel the image, its normalised copy, and all stages' maps twice, once fused.
    """
    shape = SHAPES[card.backbone]
    maps = sum(width / (4 * 2**stage) ** 2 for stage, width in enumerate(shape.widths))
    return FIXED + 4 * pixels * len(card.modalities) * (6 + 2 * maps)


def most_pixels(card: ModelCard, memory: float) -> int:
    """The pixels of the largest tile that memory allows.

    Raises:
        ValueError: The memory is less than the smallest tile takes.
    """
    least = bytes_needed(card, SMALLEST_TILE**2)
    if not memory >= least:
        raise ValueError(f"memory must be at least {least / 1e6:.0f} MB for this model, got {memory / 1e6:g} MB")
    each = (bytes_needed(card, 1_000_000) - FIXED) / 1_000_000
    return int((memory - FIXED) / each)


def tiles(size: tuple[int, int], pixels: int) -> list[Tile]:
    """The tiles of a frame, row by row; a single one if it has no more pixels than a tile may have.

    They are as tall as the frame, where that leaves them half as wide as tall; else square. A network knows by height
    where in a scene it is: narrow tiles lose far less than low ones.

    Example:
        >>> [tile.own_columns for tile in tiles((128, 300), 128 * 128)]
        [(0, 112), (112, 208), (208, 300)]
    """
    H, W = size
    if pixels >= H * W:
        return [Tile((0, H), (0, W), (0, H), (0, W))]
    height, width = H, pixels // H // STEP * STEP
    if width < max(2 * STEP, H / 2):
        height = width = max(SMALLEST_TILE, math.isqrt(pixels) // STEP * STEP)
    return [
        Tile(rows, columns, own_rows, own_columns)
        for rows, own_rows in _spans(H, height)
        for columns, own_columns in _spans(W, width)
    ]


def assembled(parts: Iterable[tuple[Tile, Answer]], size: tuple[int, int]) -> Answer:
    """The whole frame's answer from those of all its tiles."""
    whole: Answer | None = None
    for tile, answer in parts:
        whole = whole or _room(answer, size)
        tile.put(whole.labels, answer.labels)
        tile.put(whole.confidence, answer.confidence)
        if whole.probabilities is not None and answer.probabilities is not None:
            tile.put(whole.probabilities, answer.probabilities)
        for sensor, values in answer.worth.items():
            tile.put(whole.worth[sensor], values)
    if whole is None:
        raise ValueError("a frame has at least one tile")
    return whole


def resized_answer(answer: Answer, size: tuple[int, int]) -> Answer:
    """An answer at another size: each label from the nearest pixel, the rest bilinear; as it is at its own."""
    if tuple(answer.labels.shape) == size:
        return answer
    nearest = F.interpolate(answer.labels[None, None], size=size, mode="nearest-exact")[0, 0]
    return Answer(
        nearest,
        _bilinear(answer.confidence[None], size)[0],
        None if answer.probabilities is None else _bilinear(answer.probabilities, size),
        {sensor: _bilinear(values[None], size)[0] for sensor, values in answer.worth.items()},
    )


def _spans(length: int, side: int) -> list[tuple[Span, Span]]:
    """Along one axis, what each tile sees and what is taken of it."""
    if length <= side:
        return [((0, length), (0, length))]
    step = max(STEP, int(side * (1 - LEAST_OVERLAP)) // STEP * STEP)
    starts = [*range(0, length - side, step)]
    starts.append(starts[-1] + step)
    cuts = [0, *(start + (side - step) // 2 for start in starts[1:]), length]
    return [
        ((start, min(start + side, length)), (begin, end))
        for start, begin, end in zip(starts, cuts[:-1], cuts[1:], strict=True)
    ]


def _room(answer: Answer, size: tuple[int, int]) -> Answer:
    """Place for a whole frame's answer of the same kind."""
    return Answer(
        answer.labels.new_empty(size),
        answer.confidence.new_empty(size),
        None if answer.probabilities is None else answer.probabilities.new_empty(len(answer.probabilities), *size),
        {sensor: values.new_empty(size) for sensor, values in answer.worth.items()},
    )


def _bilinear(values: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(values[None], size=size, mode="bilinear", align_corners=False)[0]
