"""Projected images on disk: before dilation, so that one file serves every dilation, and small.

A file lies below a folder whose name says what it depends on: the sensor, the size, whether points were moved, the
version of the projection and the calibration's numbers. Other settings read other folders, never a stale file.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from robustseg.data.benchmarks.muses.sparse import SparseImage
from robustseg.data.reading import MAX_BYTES
from robustseg.files import write_atomically

PROJECTION_VERSION = 1
"""To be raised whenever the same files and settings give other images."""


def cache_folder(root: Path, modality: str, *, size: tuple[int, int], motion: bool, digest: str) -> Path:
    """Where the images of one modality and setting lie.

    Example:
        >>> cache_folder(Path("c"), "lidar", size=(1080, 1920), motion=True, digest="0123abcd").name
        'lidar-1080x1920-moved-v1-0123abcd'
    """
    moved = "moved" if motion and modality != "event" else "still"
    return root / f"{modality}-{size[0]}x{size[1]}-{moved}-v{PROJECTION_VERSION}-{digest}"


def load_projection(path: Path, size: tuple[int, int], source_bytes: int) -> SparseImage | None:
    """The image in a file; None if there is none, it is damaged, or it was made from a file of another length."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                return None
        with np.load(path, allow_pickle=False) as arrays:
            made_of, pixels, values = arrays["source_bytes"], arrays["pixels"], arrays["values"]
    except Exception:  # a damaged zip or header raises nearly anything
        return None
    good = made_of.shape == () and made_of == source_bytes and pixels.dtype == np.int32 and pixels.ndim == 1
    good = good and values.shape in [(len(pixels), channels) for channels in (1, 2, 3)]
    good = good and values.dtype in (np.uint8, np.float32)
    if not good or not _rising_below(pixels, size[0] * size[1]):
        return None
    return SparseImage(size, pixels, values)


def save_projection(path: Path, image: SparseImage, source_bytes: int) -> None:
    """Writes the image; a reader finds all of it or nothing."""
    arrays = {"source_bytes": np.int64(source_bytes), "pixels": image.pixels, "values": image.values}
    write_atomically(path, lambda temporary: np.savez_compressed(temporary, **arrays))


def _rising_below(pixels: np.ndarray, count: int) -> bool:
    return not len(pixels) or bool(pixels[0] >= 0 and pixels[-1] < count and (np.diff(pixels) > 0).all())
