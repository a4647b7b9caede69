"""Label maps of random shapes, and the pictures that sensors take of them. Letters: `H W` size, `K` classes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Shaped, UInt8

from robustseg.recipe import LARGEST, SMALLEST

SHAPES = 14
"""Shapes of a label map, on a background of bands."""


def start(out: Path, frames: int, size: tuple[int, int], *, dropped: int = 0) -> None:
    """Makes a folder for a fake benchmark of so many frames, of a size of which some columns will be dropped.

    Raises:
        FileExistsError: It holds something already.
        ValueError: No recipe could use such frames.
    """
    if frames < 1:
        raise ValueError(f"frames must be 1 or more, got {frames}")
    if not (SMALLEST <= size[0] <= LARGEST and SMALLEST + dropped <= size[1] <= LARGEST):
        raise ValueError(
            f"size must lie in {SMALLEST}..{LARGEST} high and {SMALLEST + dropped}..{LARGEST} wide, got {size}"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is not empty: name a new folder")
    out.mkdir(parents=True, exist_ok=True)


def label_map(size: tuple[int, int], classes: int, index: int, draw: np.random.Generator) -> UInt8[np.ndarray, "H W"]:
    """Train ids: bands from top to bottom, with boxes and ellipses over them; neighbours in `index` share few classes.

    Args:
        size: Height and width.
        classes: Ids are 0..classes-1.
        index: Which classes come first, so that a few frames show all of them.
        draw: Where and how large the shapes are.
    """
    height, width = size
    order = (np.arange(SHAPES + 3) + index * SHAPES) % classes
    labels = np.empty(size, np.uint8)
    edges = [0, *(height * draw.uniform((0.25, 0.5), (0.45, 0.7))).astype(int), height]
    for band, (top, bottom) in enumerate(pairwise(edges)):
        labels[top:bottom] = order[band]
    for shape in range(SHAPES):
        value = int(order[3 + shape])
        x, y = (int(place) for place in draw.uniform(0, (width, height)))
        half = [max(1, int(side)) for side in draw.uniform(0.04, 0.14, 2) * (width, height)]
        if shape % 2:
            cv2.ellipse(labels, (x, y), half, float(draw.uniform(0, 180)), 0, 360, value, -1)
        else:
            cv2.rectangle(labels, (x - half[0], y - half[1]), (x + half[0], y + half[1]), value, -1)
    return labels


def looks(classes: int, which: int) -> Float32[np.ndarray, "K 3"]:
    """A value in 0..1 for every class and channel: how one modality sees the classes, whatever the frame.

    Evenly spread, so that no two classes are alike.
    """
    draw = np.random.default_rng(which)
    ranks = np.stack([draw.permutation(classes) for _ in range(3)], axis=1)
    return ((ranks + 0.5) / classes).astype(np.float32)


def painted(
    labels: UInt8[np.ndarray, "H W"], table: Shaped[np.ndarray, "K 3"], draw: np.random.Generator, noise: float = 8.0
) -> UInt8[np.ndarray, "H W 3"]:
    """Each pixel in its class's colour of `table` (0..255), with noise of that standard deviation."""
    return np.clip(table[labels] + grain(labels.shape, draw, noise)[..., None], 0, 255).astype(np.uint8)


def grain(size: tuple[int, ...], draw: np.random.Generator, std: float) -> Float32[np.ndarray, "H W"]:
    """Gaussian noise, made once for a tile that is repeated: it only has to look rough, and fast."""
    tile = draw.normal(0, std, (min(size[0], 128), min(size[1], 128))).astype(np.float32)
    return np.tile(tile, [-(-side // part) for side, part in zip(size, tile.shape, strict=True)])[: size[0], : size[1]]


def borders(labels: UInt8[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Pixels whose left or upper neighbour is of another class."""
    found = np.zeros(labels.shape, bool)
    found[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    found[1:] |= labels[1:] != labels[:-1]
    return found


def write_png(path: Path, image: Shaped[np.ndarray, "H W"] | Shaped[np.ndarray, "H W C"]) -> None:
    """Writes grey (one channel), red green blue, or red green blue alpha, of 8 or 16 bits; fast rather than small.

    Raises:
        OSError: It could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if image.ndim == 3 and image.shape[2] > 1:
        image = image[..., [2, 1, 0, 3][: image.shape[2]]]
    if not cv2.imwrite(str(path), np.ascontiguousarray(image), [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise OSError(f"could not write {path}")


def with_alpha(image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 4"]:
    """The image with a fourth, opaque channel."""
    return np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
