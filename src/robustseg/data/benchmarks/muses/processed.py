"""Projections that others made: the development kit's files, and the PNGs of the published missing-modality numbers."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float32, UInt16

from robustseg.data.reading import read_image
from robustseg.recipe import Habit

MADE = {"sdk": "projected_to_rgb", "published": "multimodal"}
"""Folder below the root, by `data.muses.source`."""

SUFFIXES = (".npz", ".npy", ".png")
"""What the development kit can write, exact values first."""

SHIFT, FACTOR = 100.0, 150.0
"""A 16-bit PNG of the development kit holds (value + SHIFT) * FACTOR, so that heights below 0 fit."""


def sdk_path(relative: str) -> tuple[str, ...]:
    """Where the development kit may have put the projection of a sensor's file, in the order to look in.

    Example:
        >>> sdk_path("lidar/train/rain/day/REC0006_frame_043620_lidar.bin")[0]
        'projected_to_rgb/lidar/train/rain/day/REC0006_frame_043620_lidar.npz'
    """
    return tuple(str(PurePosixPath(MADE["sdk"], relative).with_suffix(suffix)) for suffix in SUFFIXES)


def published_path(relative: str) -> str:
    """Where the published code looks for a sensor's image.

    Example:
        >>> published_path("lidar/train/rain/day/REC0006_frame_043620_lidar.bin")
        'multimodal/lidar/train/rain/day/REC0006_frame_043620_lidar.png'
    """
    return str(PurePosixPath(MADE["published"], relative).with_suffix(".png"))


def read_processed(path: Path, modality: str, habits: frozenset[Habit]) -> Float32[np.ndarray, "3 H W"]:
    """An image of events, LiDAR or radar, in the order positive, negative, 0, or range, intensity, height.

    PNGs were written by OpenCV from arrays in that order, which it takes for blue, green, red: they are read backwards.
    (The published code reads red first, so that its first channel is the height; this order is kept by no habit.)

    Args:
        path: An NPZ or NPY file, or a PNG.
        modality: "event", "lidar" or "radar".
        habits: See `habitual`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read, has not three channels or values that cannot be.
    """
    stored = read_image(path)
    if stored.shape[2] != 3:
        raise ValueError(f"{path} must have 3 channels, got {stored.shape[2]}")
    floats = stored.dtype.kind == "f"
    if floats and not np.isfinite(stored).all():
        raise ValueError(f"{path}: {np.count_nonzero(~np.isfinite(stored))} values are not finite")
    if _is_png(path):
        stored = stored[..., ::-1]
    image = np.ascontiguousarray(stored.transpose(2, 0, 1))
    if modality == "event":
        if image.dtype != np.uint8:
            raise ValueError(f"{path}: events must be counts of 8 bits, got {image.dtype}")
        return image.astype(np.float32)
    if image.dtype == np.uint16:
        values = (image >> 8).astype(np.float32) if "high_byte" in habits else decoded(image)
        return stretched(values) if "min_max" in habits else values
    if floats:
        return habitual(image.astype(np.float32), habits)
    if image.dtype == np.uint8 and habits & {"high_byte", "min_max"}:
        return stretched(image.astype(np.float32)) if "min_max" in habits else image.astype(np.float32)
    raise ValueError(
        f"{path}: values of {image.dtype} have no known unit; 16-bit PNGs and float arrays have. "
        "To read 8-bit values as they are, switch on the habit high_byte or min_max"
    )


def decoded(stored: UInt16[np.ndarray, "3 H W"]) -> Float32[np.ndarray, "3 H W"]:
    """A 16-bit PNG's values in their units; exact to 1/150."""
    return stored.astype(np.float32) / np.float32(FACTOR) - np.float32(SHIFT)


def encoded(values: Float32[np.ndarray, "A B C"]) -> UInt16[np.ndarray, "A B C"]:
    """What the development kit puts into a PNG for values of -100 to 336.9; larger ones become the largest."""
    return np.clip((values.astype(np.float64) + SHIFT) * FACTOR, 0, 65535).astype(np.uint16)


def habitual(image: Float32[np.ndarray, "3 H W"], habits: frozenset[Habit]) -> Float32[np.ndarray, "3 H W"]:
    """A LiDAR or radar image in its own units as the published code sees it, with the habits that are on.

    high_byte: the upper 8 of the 16 bits that the development kit would have written: steps of 1.7 m, empty pixels 58.
    min_max: stretched so that the image's smallest value is 0 and its largest 255; an image of one value becomes 0.
    """
    if "high_byte" in habits:
        image = (encoded(image) >> 8).astype(np.float32)
    return stretched(image) if "min_max" in habits else image


def stretched(image: Float32[np.ndarray, "3 H W"]) -> Float32[np.ndarray, "3 H W"]:
    """The image with its smallest value at 0 and its largest at 255; all 0 if they are the same."""
    lowest, highest = image.min(), image.max()
    if highest == lowest:
        return np.zeros_like(image)
    return (image - lowest) / (highest - lowest) * np.float32(255)


def _is_png(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(8) == b"\x89PNG\r\n\x1a\n"
