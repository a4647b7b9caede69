"""The made-up street: upright rectangles on flat ground, as camera, LiDAR and radar of MUSES would see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Integer, UInt8

from robustseg.data.benchmarks.muses.calibration import Calibration
from robustseg.data.benchmarks.muses.inputs import CLASSES
from robustseg.data.benchmarks.muses.radar import BEARINGS, BIN, DIRECTIONS, HEADER, VALID_ROW
from robustseg.labels import IGNORE

BINS = 7536
HEIGHT = 1.8
"""Of LiDAR and camera over the road, in m."""
ROAD, SIDEWALK, BUILDING, VEGETATION, TERRAIN, SKY = (
    [entry.name for entry in CLASSES].index(name)
    for name in ("road", "sidewalk", "building", "vegetation", "terrain", "sky")
)
THINGS = tuple(place for place in range(len(CLASSES)) if place not in (ROAD, SIDEWALK, TERRAIN, SKY))


@dataclass(frozen=True)
class Board:
    """An upright rectangle that faces the sensors: distance ahead, left and right edge, foot and top, in m."""

    label: int
    ahead: float
    left: float
    right: float
    foot: float
    top: float


def street(rng: np.random.Generator, index: int) -> list[Board]:
    """Buildings and trees far away, and nine things nearer, far first; two neighbouring scenes show all classes."""
    boards = [
        Board(BUILDING, 70.0, 60.0, 9.0, -HEIGHT, 16.0),
        Board(VEGETATION, 75.0, -8.0, -60.0, -HEIGHT, 9.0),
    ]
    lanes = rng.permutation(np.linspace(-0.5, 0.5, 9))  # side by side, so that none hides another whole
    for place, ahead in enumerate(np.sort(rng.uniform(7, 50, 9))[::-1]):
        label = THINGS[(9 * index + place) % len(THINGS)]
        middle, wide = lanes[place] * ahead, rng.uniform(0.5, 2.2)
        boards.append(Board(label, ahead, middle + wide, middle - wide, -HEIGHT, rng.uniform(0.2, 1.5)))
    return boards


def _ground(left: np.ndarray) -> np.ndarray:
    """The class of flat ground by its distance to the left or right in m."""
    side = np.abs(left)
    return np.where(side < 4, ROAD, np.where(side < 7, SIDEWALK, TERRAIN)).astype(np.uint8)


def labels_seen(boards: Sequence[Board], calibration: Calibration, size: tuple[int, int]) -> UInt8[np.ndarray, "H W"]:
    """What the camera sees, painted from far to near; the bonnet and the outermost columns are void."""
    height, width = size
    camera = calibration.camera_at(size)
    rays = np.linalg.inv(camera) @ np.stack([*np.meshgrid(np.arange(width), np.arange(height)), np.ones(size)]).reshape(
        3, -1
    )
    shift = calibration.transforms["lidar2rgb"][:3, 3]
    depth = (HEIGHT + shift[1]) / np.maximum(rays[1], 1e-6)  # at which a ray meets the ground
    ground = _ground(shift[0] - rays[0] * depth)
    labels = np.where(rays[1] > 1e-6, ground, SKY).reshape(height, width).astype(np.uint8)
    for board in boards:
        depth = board.ahead + shift[2]
        corners = np.array([[-board.left, -board.top, depth], [-board.right, -board.foot, depth]])
        corners[:, :2] += shift[:2]
        (left, top), (right, foot) = np.rint((corners @ camera.T)[:, :2] / depth).astype(int)
        labels[max(top, 0) : max(foot, 0), max(left, 0) : max(right, 0)] = board.label
    labels[-max(1, height // 20) :] = IGNORE
    labels[:, 0] = labels[:, -1] = IGNORE
    return labels


def scan(boards: Sequence[Board], second: float, rng: np.random.Generator) -> Float64[np.ndarray, "N 6"]:
    """A turn of 48 rings, also behind the vehicle; rays that meet nothing give no point."""
    rings, bearings = np.radians(np.linspace(-20, 6, 48)), np.radians(np.arange(-180, 180, 0.75))
    elevation, bearing = (grid.ravel() for grid in np.meshgrid(rings, bearings, indexing="ij"))
    rays = np.column_stack(
        [np.cos(elevation) * np.cos(bearing), np.cos(elevation) * np.sin(bearing), np.sin(elevation)]
    )
    with np.errstate(divide="ignore"):
        reach = np.where(rays[:, 2] < 0, -HEIGHT / rays[:, 2], np.inf)
    label = _ground(np.where(np.isfinite(reach), reach, 0) * rays[:, 1])
    for board in boards:
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.where(rays[:, 0] > 0, board.ahead / rays[:, 0], np.inf)
            across, up = distance * rays[:, 1], distance * rays[:, 2]
            hit = (across < board.left) & (across > board.right) & (up > board.foot) & (up < board.top)
        hit &= distance < reach
        reach, label = np.where(hit, distance, reach), np.where(hit, board.label, label)
    kept = (reach < 120) & (rng.uniform(0, 1, len(reach)) < 0.95)
    ring = np.repeat(np.arange(48), len(bearings))
    points = rays[kept] * reach[kept, None]
    seconds = second + 0.1 * (bearing[kept] / (2 * np.pi))
    return np.column_stack([points, 10.0 * label[kept] + 5, ring[kept], seconds])


def polar(boards: Sequence[Board], second: float) -> Integer[np.ndarray, "7547 400"]:
    """A turn of the radar: an echo of some bins at each thing's distance, nothing elsewhere."""
    polar = np.zeros((HEADER + BINS, DIRECTIONS), np.uint8)
    seconds = second + 0.25 * (np.arange(DIRECTIONS) / DIRECTIONS - 0.5)
    stamps = np.column_stack([np.floor(seconds), 1e9 * (seconds % 1)]).astype("<u4")
    polar[:8] = stamps.view(np.uint8).T
    polar[VALID_ROW] = 255
    for board in boards:
        with np.errstate(divide="ignore"):
            distance = np.where(np.cos(BEARINGS) > 0.1, board.ahead / np.cos(BEARINGS), np.inf)
        across = np.where(np.isfinite(distance), distance, 0) * np.sin(BEARINGS)
        for column in np.flatnonzero((across < board.left) & (across > board.right) & np.isfinite(distance)):
            place = HEADER + int(distance[column] / BIN)
            polar[place : place + 8, column] = 120
    return polar
