import numpy as np
import pytest

from robustseg.data.world.geometry import Pose, figure, pixel_rays, rasterise, rotation
from robustseg.data.world.materials import Material
from robustseg.data.world.scene import pose_at, scene_of
from robustseg.data.world.shapes import block, rectangle, upright
from robustseg.data.world.surface import view
from robustseg.data.world.traffic import faces_at

HERE = Pose(x=0.0, y=1.6, s=0.0, yaw=0.05, pitch=-0.02, curvature=0.0)


def nearest_hit(polygons, origin, direction):
    """Slow reference: the smallest t at which origin + t * direction meets one of the convex polygons."""
    best = np.inf
    for corners in polygons:
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        slope = normal @ direction
        if abs(slope) < 1e-9:
            continue
        t = normal @ (corners[0] - origin) / slope
        point = origin + t * direction
        edges = np.roll(corners, -1, axis=0) - corners
        sides = [np.cross(edge, point - corner) @ normal for edge, corner in zip(edges, corners, strict=True)]
        if t > 0 and (min(sides) >= 0 or max(sides) <= 0):
            best = min(best, t)
    return best


def test_depth_equals_ray_casting():
    box = block((-1.0, 2.0), (0.0, 2.5), (8.0, 12.0), Material.BODY, (0.5, 0.5, 0.5))
    board = [upright(rectangle(-0.5, 0.5, 0.5, 3.0), 5.0, Material.PLATE, (0.5, 0.5, 0.5))]
    faces = [figure(box, inner=True, solid=True), figure(board, inner=True, solid=False)]
    from robustseg.data.world.geometry import concatenate

    raster = rasterise(concatenate(faces), HERE, 96, 128)
    polygons = [corners.astype(float) for corners, _, _ in box + board]
    turn, rays = rotation(HERE).astype(float), pixel_rays(96, 128).astype(float)
    rng = np.random.default_rng(0)
    agree = 0
    for row, column in rng.integers(0, (96, 128), (400, 2)):
        expected = nearest_hit(polygons, np.array([0.0, 1.6, 0.0]), turn @ rays[:, row, column])
        found = raster.inverse_depth[row, column]
        agree += np.isclose(found, 1 / expected, rtol=1e-3, atol=1e-6)
    assert agree >= 392  # outlines may differ by a pixel


def test_faces_that_reach_behind_the_viewer_are_cut_not_lost():
    wall = figure(
        block((3.0, 5.0), (0.0, 6.0), (-20.0, 30.0), Material.FACADE, (0.4, 0.4, 0.4)), inner=False, solid=True
    )
    raster = rasterise(wall, HERE, 96, 128)
    assert raster.face[40, 126] >= 0
    assert raster.face[40, 10] == -1


@pytest.mark.parametrize("scene", [0, 1, 2])
def test_the_viewer_moves_as_it_says(scene):
    place = scene_of(0, scene)
    assert pose_at(place, 3.0).s - pose_at(place, 1.0).s == pytest.approx(2 * place.speed)


def test_cars_and_people_move():
    place = scene_of(0, 1)
    now, later = faces_at(place, 2.0), faces_at(place, 2.5)
    moving = (Material.BODY, Material.CLOTH)
    for material in moving:
        before, after = now.corners[now.material == material], later.corners[later.material == material]
        assert before.shape != after.shape or not np.allclose(before, after)


def test_a_view_is_consistent():
    seen = view(scene_of(0, 3), 4.0, 96, 128)
    assert (np.isinf(seen.depth) == (seen.material == Material.SKY)).all()
    assert (seen.depth > 0).all()
    assert np.isfinite(seen.radiance).all()
    assert (seen.radiance >= 0).all()
    road = (seen.material == Material.ASPHALT) & (seen.depth < 100)
    assert np.abs(seen.position[1][road]).max() < 0.02


def test_static_scenery_does_not_depend_on_the_condition():
    day, night = (view(scene_of(0, 3, name), 4.0, 48, 64) for name in ("day", "night"))
    assert (day.material == night.material).all()
    assert (day.depth == night.depth).all()
