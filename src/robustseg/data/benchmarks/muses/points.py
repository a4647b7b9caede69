"""Points in space to pixels of the frame camera, for LiDAR and radar alike.

Letters: `N` points, `n` pixels that hold one, `C` channels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

from robustseg.data.benchmarks.muses.sparse import SparseImage, last_of_each

NEAREST = 1.0
"""Points closer to their sensor, in m, show the vehicle itself."""


def seen(
    points: Float64[np.ndarray, "N 3"],
    transform: Float64[np.ndarray, "4 4"],
    camera: Float64[np.ndarray, "3 3"],
) -> Float64[np.ndarray, "N 3"]:
    """Column and row, both times depth, and depth in m of each point."""
    return (points @ transform[:3, :3].T + transform[:3, 3]) @ camera.T  # the camera's last row is 0 0 1


def projected(
    points: Float64[np.ndarray, "N 3"],
    transform: Float64[np.ndarray, "4 4"],
    camera: Float64[np.ndarray, "3 3"],
) -> Float64[np.ndarray, "N 3"]:
    """Column, row and depth in m of each point; column and row are NaN unless it lies before the camera."""
    places = seen(points, transform, camera)
    depth = places[:, 2:]
    places[:, :2] /= np.where(depth > 0, depth, np.nan)
    return places


def inside(columns_rows: Float64[np.ndarray, "N _"], size: tuple[int, int]) -> Bool[np.ndarray, " N"]:
    """Which points fall into the image, strictly between the centres of its outermost pixels, as in the SDK."""
    column, row = columns_rows[:, 0], columns_rows[:, 1]
    return (column > 0) & (column < size[1] - 1) & (row > 0) & (row < size[0] - 1)


def point_image(
    points: Float64[np.ndarray, "N 3"],
    others: Float64[np.ndarray, "N _"],
    *,
    transform: Float64[np.ndarray, "4 4"],
    camera: Float64[np.ndarray, "3 3"],
    size: tuple[int, int],
    furthest: float = np.inf,
) -> SparseImage:
    """An image of the points' distances from their sensor in m and of what else is known of them.

    Kept are points from 1 m to `furthest` that lie before the camera (the SDK forgets this) and inside the image. A
    pixel shows the last of its points, in the order of the file. Points with a coordinate that is not finite are no
    echoes and fall out.

    Args:
        points: In the sensor's axes.
        others: The channels after distance.
        transform: From the sensor's axes to the camera's.
        camera: The camera's matrix for images of this `size`.
        size: Height and width of the image.
        furthest: In m.
    """
    with np.errstate(over="ignore"):  # beyond all reason, so infinite, which falls out
        distance = np.sqrt(np.square(points).sum(axis=1))
    near = np.flatnonzero((distance >= NEAREST) & (distance <= furthest))  # NaN and infinity are in neither
    near = near[np.isfinite(distance[near])]
    places = projected(points[near], transform, camera)
    hit = inside(places, size)
    near, cells = near[hit], places[hit, :2].astype(np.int64)
    pixels = cells[:, 1] * size[1] + cells[:, 0]
    last = last_of_each(pixels, size[0] * size[1])
    values = np.column_stack([distance[near[last]], others[near[last]]]).astype(np.float32)
    return SparseImage(size, pixels[last].astype(np.int32), values)
