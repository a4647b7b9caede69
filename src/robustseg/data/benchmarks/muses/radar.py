"""Radar turns: a polar image of 400 directions, with each one's time, validity and echo power by distance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from robustseg.data.benchmarks.muses.points import seen
from robustseg.data.reading import read_image

DIRECTIONS = 400
BIN = 0.0438
"""Length of a distance bin in m; the first one ends the first bin."""
HEADER = 11
"""Rows before the echoes: seconds (4), nanoseconds (4), two of unknown meaning, the valid flag."""
VALID_ROW = 10
GROUND = -1.62
"""Where echoes are put, which have no height: on the road, in m under the sensor."""
FURTHEST = 150.0
"""Echoes further away than this, in m, are not shown."""
BEARINGS = np.radians(179.1 - 0.9 * np.arange(DIRECTIONS))
"""Of each column: the angle from the front to the left."""


@dataclass(frozen=True, eq=False)
class Turn:
    """One turn of the radar.

    Attributes:
        power: Echo power by distance bin and direction.
        valid: Which directions were measured.
        seconds: When each was.
    """

    power: UInt8[np.ndarray, "bins 400"]
    valid: Bool[np.ndarray, " 400"]
    seconds: Float64[np.ndarray, " 400"]


def read_radar(path: Path) -> Turn:
    """Reads a turn; of a colour image the channel that OpenCV calls the first, blue, as the SDK does.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read or is no polar image.
    """
    image = read_image(path)
    if image.dtype != np.uint8 or image.shape[1] != DIRECTIONS or image.shape[0] <= HEADER:
        raise ValueError(
            f"{path} is no polar radar image: {image.shape[0]}x{image.shape[1]} of {image.dtype}, "
            f"not 8-bit with {DIRECTIONS} columns and more than {HEADER} rows"
        )
    polar = image[..., 2 if image.shape[2] >= 3 else 0]
    stamps = np.ascontiguousarray(polar[:8].T).view("<u4").astype(np.float64)  # 400 2
    return Turn(
        power=np.ascontiguousarray(polar[HEADER:]),
        valid=polar[VALID_ROW] > 0,
        seconds=stamps[:, 0] + 1e-9 * stamps[:, 1],
    )


@dataclass(frozen=True, eq=False)
class Echoes:
    """Distance bins as points on the ground, direction by direction, each from near to far.

    Attributes:
        points: x front, y left, z up in m, in the sensor's axes.
        power: 0..255; bins without power are echoes of 0, as in the SDK.
        seconds: When each was measured.
    """

    points: Float64[np.ndarray, "N 3"]
    power: Float64[np.ndarray, " N"]
    seconds: Float64[np.ndarray, " N"]


def echoes(turn: Turn, directions: Bool[np.ndarray, " 400"], furthest: float = FURTHEST) -> Echoes:
    """The bins of the valid ones of some directions, up to a distance along the ground in m."""
    chosen = np.flatnonzero(directions & turn.valid)
    distance = BIN * np.arange(1, 1 + min(len(turn.power), int(furthest / BIN)))
    points = np.empty((len(chosen), len(distance), 3))
    points[..., 0] = np.cos(BEARINGS[chosen])[:, None] * distance
    points[..., 1] = np.sin(BEARINGS[chosen])[:, None] * distance
    points[..., 2] = GROUND
    power = turn.power[: len(distance), chosen].T.astype(np.float64)
    return Echoes(points.reshape(-1, 3), power.ravel(), np.repeat(turn.seconds[chosen], len(distance)))


def direction_ends() -> Float64[np.ndarray, "2 400 3"]:
    """Of each direction, the point of the ground under the radar and one further away than any echo that is shown."""
    distance = np.array([0.0, 2 * FURTHEST])[:, None]
    along = [distance * np.cos(BEARINGS), distance * np.sin(BEARINGS)]
    return np.stack([*along, np.full((2, DIRECTIONS), GROUND)], axis=-1)


def in_view(
    ends: Float64[np.ndarray, "2 400 3"],
    transform: Float64[np.ndarray, "4 4"],
    camera: Float64[np.ndarray, "3 3"],
    width: int,
) -> Bool[np.ndarray, " 400"]:
    """Directions of which some point may be seen: the others need no projection.

    A direction's points lie on a straight line: if depth, distance from the left edge or distance from the right edge
    (times depth, so that they are linear) have the wrong sign at both ends, they have it in between.
    """
    near, far = (seen(points, transform, camera) for points in ends)
    behind = (near[:, 2] <= 0) & (far[:, 2] <= 0)
    left = (near[:, 0] <= 0) & (far[:, 0] <= 0)
    right = np.logical_and(*(end[:, 0] >= (width - 1) * end[:, 2] for end in (near, far)))
    return ~(behind | left | right)
