import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from robustseg.deploy.sources.clouds import View, cloud_image, cloud_points
from robustseg.deploy.sources.rig import Camera, CloudTopic

TO_CAMERA = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.float64)
"""From x front, y left, z up to x right, y down, z front."""

MATRIX = np.array([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]])
SIZE = (48, 64)
VIEW = View(MATRIX, SIZE, TO_CAMERA)
POINT = np.dtype({"names": ["x", "y", "z", "intensity", "ring"], "formats": ["f4", "f4", "f4", "f4", "u2"]})
EMPTY = (0.0, 0.0, 0.0)


def cloud(*points: tuple[float, ...]) -> np.ndarray:
    return np.array([point + (0,) * (5 - len(point)) for point in points], POINT)


def topic(*channels: str, **others: Any) -> CloudTopic:
    names = channels or ("range", "intensity", "height")
    return CloudTopic("/p", Camera(topic="/c"), names, camera_frame="camera", **others)  # pyright: ignore


def test_a_point_falls_on_the_pixel_worked_out_by_hand() -> None:
    """10 m in front, 1 m left, 0.5 m up: column 32 - 100 * 1 / 10 = 22, row 24 - 100 * 0.5 / 10 = 19."""
    image = cloud_image(cloud((10, 1, 0.5, 7)), VIEW, topic(), EMPTY)
    assert image.shape == (48, 64, 3)
    assert np.argwhere(image.any(2)).tolist() == [[19, 22]]
    np.testing.assert_allclose(image[19, 22], [math.sqrt(101.25), 7, 0.5], rtol=1e-6)


def test_channels_scale_and_empty_pixels() -> None:
    points = cloud((10, 1, 0.5, 7, 3))
    channels = topic("depth", "ring", "y", scale=(10, 2, -1))
    image = cloud_image(points, VIEW, channels, (5.0, 6.0, -7.0))
    np.testing.assert_allclose(image[19, 22], [100, 6, -1])
    assert image[0, 0].tolist() == [5, 6, -7]
    with pytest.raises(ValueError, match="no 'reflectivity'; channels are range, height, depth, and the fields x, y"):
        cloud_image(points, VIEW, topic("range", "reflectivity", "x"), EMPTY)


def naive(points: np.ndarray, side: int) -> np.ndarray:
    """Depth and intensity, point by point and pixel by pixel."""
    image, depths = np.zeros((*SIZE, 2)), np.full(SIZE, np.inf)
    for x, y, z, intensity, _ in points.tolist():
        if x <= 0:
            continue
        column, row = math.floor(32 - 100 * y / x + 0.5), math.floor(24 - 100 * z / x + 0.5)
        if not (0 <= column < 64 and 0 <= row < 48):
            continue
        for i in range(row - (side - 1) // 2, row + side // 2 + 1):
            for j in range(column - (side - 1) // 2, column + side // 2 + 1):
                if 0 <= i < 48 and 0 <= j < 64 and x < depths[i, j]:
                    depths[i, j] = x
                    image[i, j] = x, intensity
    return image


@pytest.mark.parametrize("side", [1, 2, 3])
def test_nearer_points_cover_those_behind_them(side: int) -> None:
    random = np.random.default_rng(side)
    places = random.uniform((-5, -8, -6), (30, 8, 6), (3000, 3))
    points = cloud(*((*place, number + 1.0) for number, place in enumerate(places.tolist())))
    image = cloud_image(points, VIEW, topic("depth", "intensity", "intensity", dilation=side), EMPTY)
    np.testing.assert_allclose(image[..., :2], naive(points, side), rtol=1e-6)


def test_what_falls_out() -> None:
    points = cloud(
        (0.5, 0, 0, 1),
        (-10, 0, 0, 2),
        (math.nan, 0, 0, 3),
        (math.inf, 0, 0, 4),
        (200, 0, 0, 5),
        (10, 0, 0, math.nan),
        (20, 0, 0, 6),
    )
    image = cloud_image(points, VIEW, topic(closest=1, furthest=100), EMPTY)
    assert image[24, 32].tolist() == [20, 6, 0]
    assert np.count_nonzero(image.any(2)) == 1
    assert not cloud_image(points[:0], VIEW, topic(), EMPTY).any()


def test_too_large_a_dilation_is_refused() -> None:
    points = np.zeros(20_000, POINT)
    points["x"] = 5
    with pytest.raises(ValueError, match="20000 points with a dilation of 64 are too many"):
        cloud_image(points, VIEW, topic(dilation=64), EMPTY)


def test_points_of_a_message(ros2) -> None:
    points = cloud((1, 2, 3, 4, 5), (6, 7, 8, 9, 10))
    message = ros2.cloud(points)
    read = cloud_points(message)
    for name in POINT.names:
        np.testing.assert_array_equal(read[name], points[name])
    wide = SimpleNamespace(**(vars(message) | {"height": 2, "width": 1, "row_step": POINT.itemsize}))
    np.testing.assert_array_equal(cloud_points(wide)["ring"], [5, 10])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fields": []}, "no x, y, z"),
        ({"width": 3}, "more than the message holds"),
        ({"point_step": 8}, "do not fit"),
        ({"width": 2**30, "row_step": 2**40}, "points are more than"),
    ],
)
def test_bad_points(ros2, changes: dict[str, Any], said: str) -> None:
    message = SimpleNamespace(**(vars(ros2.cloud(cloud((1, 2, 3), (4, 5, 6)))) | changes))
    if "width" in changes and "row_step" not in changes:
        message.row_step = 3 * POINT.itemsize
    with pytest.raises(ValueError, match=said):
        cloud_points(message)
