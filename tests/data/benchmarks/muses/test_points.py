"""Projection against hand-worked numbers and an independent loop."""

import numpy as np
import pytest

from robustseg.data.benchmarks.muses.points import point_image, projected
from robustseg.data.benchmarks.muses.sparse import last_of_each

CAMERA = np.array([[100.0, 0, 20], [0, 100, 15], [0, 0, 1]])
AXES = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0.5], [1, 0, 0, -0.2], [0, 0, 0, 1]])
SIZE = (30, 40)


def slow_image(points, others, transform, camera, size, furthest):
    """One point after the other, as the facts tell it."""
    image = np.zeros((3, *size), np.float32)
    for (x, y, z), more in zip(points, others, strict=True):
        if not np.isfinite([x, y, z]).all():
            continue
        distance = (x * x + y * y + z * z) ** 0.5
        if distance < 1 or distance > furthest:
            continue
        a, b, c = (transform[row] @ (x, y, z, 1) for row in range(3))
        if c <= 0:
            continue
        u = (camera[0, 0] * a + camera[0, 1] * b) / c + camera[0, 2]
        v = camera[1, 1] * b / c + camera[1, 2]
        if 0 < u < size[1] - 1 and 0 < v < size[0] - 1:
            image[:, int(v), int(u)] = (distance, *more)
    return image


def test_a_point_by_hand():
    # 10.2 m ahead is 10 m before the camera; 1 m to the left is 10 pixels left of its centre at f = 100
    ((u, v, depth),) = projected(np.array([[10.2, 1.0, 0.7]]), AXES, CAMERA)
    np.testing.assert_allclose((u, v, depth), (20 - 10, 15 + (0.5 - 0.7) * 10, 10))


@pytest.mark.parametrize(("metres", "seen"), [(0.99, False), (1.0, True), (1e200, False), (np.inf, False)])
def test_what_is_too_near_or_beyond_reason_falls_out(metres, seen):
    points = np.array([[metres, 0.0, 0.0]])
    image = point_image(points, np.ones((1, 1)), transform=AXES, camera=CAMERA, size=(200, 40))
    assert len(image.pixels) == seen


@pytest.mark.parametrize("furthest", [np.inf, 12.0])
def test_equals_a_slow_loop_where_many_points_share_pixels(furthest):
    draw = np.random.default_rng(0)
    points = draw.normal(0, (12, 1, 1), (4000, 3))  # half of them behind the camera
    points[::50] = np.nan
    points[1::50, 1] = np.inf
    others = draw.uniform(-2, 255, (4000, 2))
    image = point_image(points, others, transform=AXES, camera=CAMERA, size=SIZE, furthest=furthest)
    slow = slow_image(points, others, AXES, CAMERA, SIZE, furthest)
    np.testing.assert_allclose(image.dense(), slow, rtol=1e-6)
    assert 100 < len(image.pixels) < 4000


def test_points_behind_the_camera_do_not_appear():
    """Without a test of the depth, a point behind projects into the image as well, upside down."""
    behind = np.array([[-10.0, 0.1, 0.2]])
    seen = (np.append(behind[0], 1) @ AXES[:3].T) @ CAMERA.T
    assert 0 < seen[0] / seen[2] < SIZE[1]
    assert 0 < seen[1] / seen[2] < SIZE[0]
    image = point_image(behind, np.ones((1, 2)), transform=AXES, camera=CAMERA, size=SIZE)
    assert len(image.pixels) == 0
    assert not image.dense().any()


def test_the_last_point_of_a_pixel_wins_even_if_it_is_further_away():
    ahead = np.array([5.0, 9.0, 7.0])
    points = np.column_stack([ahead + 0.2, -0.003 * ahead, 0.5 - 0.003 * ahead])  # column 20.3, row 15.3
    image = point_image(points, np.array([[1.0, 0], [2, 0], [3, 0]]), transform=AXES, camera=CAMERA, size=SIZE)
    assert image.values[:, 1].tolist() == [3]


def test_points_on_the_vehicle_are_left_out():
    points = np.array([[0.99, 0, 0], [1.01, 0.0, 0.5]])
    image = point_image(points, np.ones((2, 2)), transform=AXES, camera=CAMERA, size=SIZE)
    np.testing.assert_allclose(image.values[:, 0], [np.hypot(1.01, 0.5)])


def test_last_of_each_equals_a_loop():
    pixels = np.random.default_rng(1).integers(0, 50, 200)
    last = {}
    for place, pixel in enumerate(pixels.tolist()):
        last[pixel] = place
    assert last_of_each(pixels, 60).tolist() == [last[pixel] for pixel in sorted(last)]
    assert last_of_each(np.empty(0, np.int64), 60).tolist() == []
