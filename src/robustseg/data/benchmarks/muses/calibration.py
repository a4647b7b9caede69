"""`calib.json`: where the sensors are and how the cameras see.

Axes: LiDAR and radar x front, y left, z up; cameras x right, y down, z front; metres and pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from robustseg.data.benchmarks.muses.inputs import SIZE
from robustseg.strict import from_plain, load_json

CAMERAS = ("rgb", "event")
TRANSFORMS = ("lidar2rgb", "radar2rgb", "event2rgb", "lidar2gnss", "radar2gnss")

SKEWED = 0.01
"""A rotation whose product with its transpose is further than this from the unit matrix is none."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """The matrices of `calib.json`, checked.

    Attributes:
        cameras: Of each of `CAMERAS`, its matrix, which maps directions to pixels.
        transforms: Of each of `TRANSFORMS`, the matrix that brings points of the first into the axes of the second.
    """

    cameras: dict[str, Float64[np.ndarray, "3 3"]]
    transforms: dict[str, Float64[np.ndarray, "4 4"]]

    @cached_property
    def digest(self) -> str:
        """Eight characters that change with any of the numbers."""
        matrices = [self.cameras[name] for name in CAMERAS] + [self.transforms[name] for name in TRANSFORMS]
        return hashlib.sha256(b"".join(matrix.tobytes() for matrix in matrices)).hexdigest()[:8]

    def camera_at(self, size: tuple[int, int]) -> Float64[np.ndarray, "3 3"]:
        """The frame camera's matrix for images of another height and width than 1080 x 1920."""
        scale = np.array([size[1] / SIZE[1], size[0] / SIZE[0], 1.0])
        return scale[:, None] * self.cameras["rgb"]


def read_calibration(path: Path) -> Calibration:
    """Reads `calib.json`; keys that are not needed here may be anything.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A matrix is missing, has another shape, or can be none: says which.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: copy it from the release, it lies beside meta.json")
    values = load_json(path)
    try:
        cameras = {name: _camera(_entry(values, "intrinsics", name, "K"), f"intrinsics.{name}.K") for name in CAMERAS}
        transforms = {name: _transform(_entry(values, "extrinsics", name), f"extrinsics.{name}") for name in TRANSFORMS}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return Calibration(cameras, transforms)


def _entry(values: Any, *keys: str) -> Any:
    for depth, key in enumerate(keys):
        if not isinstance(values, Mapping) or key not in values:
            raise ValueError(f"{'.'.join(keys[: depth + 1])} is missing")
        values = values[key]
    return values


def _matrix(value: Any, where: str, side: int) -> np.ndarray:
    rows = from_plain(value, tuple[tuple[float, ...], ...], where)
    if len(rows) != side or any(len(row) != side for row in rows):
        raise ValueError(f"{where} must have {side} rows of {side} numbers")
    return np.array(rows, np.float64)


def _camera(value: Any, where: str) -> np.ndarray:
    matrix = _matrix(value, where, 3)
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or matrix[1, 0] != 0 or matrix[2].tolist() != [0, 0, 1]:
        raise ValueError(f"{where} is no camera matrix [fx s cx; 0 fy cy; 0 0 1] with fx and fy above 0")
    return matrix


def _transform(value: Any, where: str) -> np.ndarray:
    matrix = _matrix(value, where, 4)
    rotation = matrix[:3, :3]
    if matrix[3].tolist() != [0, 0, 0, 1]:
        raise ValueError(f"{where} is no rigid motion: its last row is not 0 0 0 1")
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > SKEWED or np.linalg.det(rotation) < 0:
        raise ValueError(f"{where} is no rigid motion: its first three columns are no rotation")
    return matrix
