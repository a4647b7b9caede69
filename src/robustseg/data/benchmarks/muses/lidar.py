"""LiDAR scans: six little-endian doubles a point: x, y, z in m, intensity, ring, time in s."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from robustseg.data.reading import MAX_BYTES

FIELDS = 6
POINT_BYTES = 8 * FIELDS


@dataclass(frozen=True, eq=False)
class Scan:
    """The echoes of one turn, in the order of the file.

    Attributes:
        points: x front, y left, z up in m, in the sensor's axes.
        intensity: As stored.
        seconds: When each was measured.
    """

    points: Float64[np.ndarray, "N 3"]
    intensity: Float64[np.ndarray, " N"]
    seconds: Float64[np.ndarray, " N"]


def read_lidar(path: Path) -> Scan:
    """Reads a scan. An empty file is a scan without echoes; points with a coordinate that is not finite are dropped.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Its size is no number of points or beyond all reason, or an echo's intensity or time is not finite.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    size = path.stat().st_size
    if size % POINT_BYTES or size > MAX_BYTES:
        raise ValueError(
            f"{path} is no LiDAR scan: {size} bytes are "
            + ("too many" if size > MAX_BYTES else f"no multiple of {POINT_BYTES}, so it is cut off or of another sort")
        )
    values = np.fromfile(path, "<f8").astype(np.float64, copy=False).reshape(-1, FIELDS)
    values = values[np.isfinite(values[:, :3]).all(axis=1)]
    broken = np.count_nonzero(~np.isfinite(values[:, [3, 5]]).all(axis=1))
    if broken:
        raise ValueError(f"{path}: {broken} of {len(values)} points have an intensity or a time that is not finite")
    return Scan(values[:, :3], values[:, 3], values[:, 5])
