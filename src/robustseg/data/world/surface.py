"""What each pixel of an instant shows: material, depth, radiance. C color channels: 3, or 1 = brightness."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, Int64

from robustseg.data.world.geometry import FOCAL, Faces, Pose, Raster, rasterise
from robustseg.data.world.layout import CROSSING, has_crossing
from robustseg.data.world.light import atmosphere, lit, remainder, sky_radiance, windows
from robustseg.data.world.materials import GRAIN, ROUGH, Material
from robustseg.data.world.scene import CHUNK, LANE, Scene, generator, pose_at
from robustseg.data.world.traffic import faces_at

BRIGHTNESS = np.array([[0.30], [0.59], [0.11]], np.float32)
KERB_HEIGHT = 0.15
PAINT_SEEN = 45.0
"""Depth in metres beyond which lane markings, narrower than a pixel, are left out."""
HILLS = 170.0
"""Depth of the line of trees at the horizon, in metres."""

GROUND: dict[Material, tuple[float, float, float]] = {
    Material.ASPHALT: (0.105, 0.105, 0.110),
    Material.PAINT: (0.62, 0.62, 0.60),
    Material.PAVING: (0.20, 0.19, 0.18),
    Material.KERB: (0.26, 0.26, 0.25),
    Material.GRASS: (0.09, 0.16, 0.05),
    Material.FOLIAGE: (0.07, 0.12, 0.05),
    Material.SKY: (0.0, 0.0, 0.0),
}


@dataclass(frozen=True)
class View:
    """An instant seen without a sensor.

    Attributes:
        material: Of each pixel, a `Material`.
        depth: Metres along the optical axis; infinite for the sky.
        position: x, y, s of what is seen, in metres, s counted from the viewer.
        radiance: Light that arrives, 1 = a white surface under full daylight; air included.
        raster: Faces, viewing rays and normals.
    """

    material: Int64[np.ndarray, "H W"]
    depth: Float32[np.ndarray, "H W"]
    position: Float32[np.ndarray, "3 H W"]
    radiance: Float32[np.ndarray, "C H W"]
    raster: Raster


def view(scene: Scene, time: float, height: int, width: int, *, colored: bool = True) -> View:
    """Renders the scene at a time; `colored=False` gives brightness alone."""
    pose = pose_at(scene, time)
    faces = faces_at(scene, time)
    raster = rasterise(faces, pose, height, width)
    material, depth, position = _geometry(scene, pose, faces, raster)
    tint = np.eye(3, dtype=np.float32) if colored else BRIGHTNESS
    albedo = _albedo(faces, raster, material, tint) * _texture(material, depth, position, pose, width)
    radiance = lit(scene, pose, material, position, raster, albedo, tint)
    sky = material == Material.SKY
    radiance[:, sky] = sky_radiance(scene, raster.directions[:, sky], tint)
    return View(material, depth, position, atmosphere(scene, radiance, depth, tint), raster)


def _geometry(scene: Scene, pose: Pose, faces: Faces, raster: Raster) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Material, depth and position per pixel, from faces where there are any, else from ground and horizon."""
    face, directions = raster.face.ravel(), raster.directions.reshape(3, -1)
    material = np.append(faces.material, np.int32(Material.SKY)).astype(np.int64)[face]  # place -1: the sky
    with np.errstate(divide="ignore"):
        depth = np.float32(1) / raster.inverse_depth.ravel()
    empty, down = face < 0, directions[1] < -0.004
    low = np.flatnonzero(empty & down)
    material[low], depth[low] = _ground(scene, pose, np.take(directions, low, axis=1))
    high = np.flatnonzero(empty & ~down)
    hills = high[directions[1, high] < _skyline(scene, np.take(directions, high, axis=1))]
    material[hills], depth[hills] = Material.FOLIAGE, HILLS
    position = directions * np.where(np.isinf(depth), np.float32(0), depth)
    position[1] += np.float32(pose.y)
    position[0] += np.float32(pose.x) - np.float32(pose.curvature / 2) * position[2] * position[2]
    shape = raster.face.shape
    return material.reshape(shape), depth.reshape(shape), position.reshape(3, *shape)


def _ground(scene: Scene, pose: Pose, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays that go down meet road, kerb or sidewalk, and what lies there."""
    street = scene.street
    right, up, forward = directions
    upper, lower = np.float32(KERB_HEIGHT - pose.y) / up, np.float32(-pose.y) / up
    upper_x, lower_x = (np.abs(_across(pose, right * t, forward * t)) for t in (upper, lower))
    on_walk, beyond = upper_x >= street.kerb, lower_x >= street.kerb
    share = np.clip((street.kerb - upper_x) / np.maximum(lower_x - upper_x, np.float32(1e-6)), 0, 1)
    depth = np.where(on_walk, upper, np.where(beyond, upper + share * (lower - upper), lower))
    material = _markings(scene, _across(pose, right * depth, forward * depth), np.float32(pose.s) + forward * depth)
    material[depth > PAINT_SEEN] = Material.ASPHALT
    material[beyond] = Material.KERB
    material[on_walk] = np.where(upper_x[on_walk] < street.edge, Material.PAVING, Material.GRASS)
    return material, np.minimum(depth, np.float32(400))


def _across(pose: Pose, right: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Road coordinate x of points given from the viewer."""
    return np.float32(pose.x) + right - np.float32(pose.curvature / 2) * forward * forward


def _markings(scene: Scene, x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Asphalt and paint: centre line, lane lines, edge lines and zebra crossings."""
    street = scene.street
    aside = np.abs(x)
    dashed = remainder(s, 9.0) < 4.5
    centre = (aside < 0.19) & (dashed | (scene.number % 3 == 0))
    between = (np.abs(aside - LANE) < 0.17) & dashed & (street.lanes > 1)
    edge = np.abs(aside - (street.lanes * LANE - (0.40 if street.parking == 0 else 0.0))) < 0.17
    chunk = np.floor(s * np.float32(1 / CHUNK)).astype(np.int64)
    first = int(chunk.min(initial=0))
    last = min(int(chunk.max(initial=0)), first + 12)
    crossings = np.array([has_crossing(scene.seed, scene.number, place) for place in range(first, last + 1)])
    there = crossings[np.minimum(chunk - first, len(crossings) - 1)]
    within = s - np.float32(CHUNK) * chunk.astype(np.float32)
    zone = there & (within > CROSSING[0] - 2.0) & (within < CROSSING[1] + 2.0)
    stripes = there & (within > CROSSING[0]) & (within < CROSSING[1]) & (remainder(x, 1.1) < 0.55)
    painted = (((centre | between | edge) & ~zone) | stripes) & (aside < street.kerb)
    return np.where(painted, Material.PAINT, Material.ASPHALT)


def _skyline(scene: Scene, directions: np.ndarray) -> np.ndarray:
    """Height of the horizon's trees over each ray's direction, as a slope."""
    column = ((directions[0] / directions[2] * 60.0).astype(np.int64) + 17 * scene.number) & 255
    return 0.012 + 0.03 * (_noise()[scene.number & 255, column] + 0.5)


def _albedo(faces: Faces, raster: Raster, material: np.ndarray, tint: np.ndarray) -> np.ndarray:
    ground = np.zeros((len(Material), 3), np.float32)
    for entry, color in GROUND.items():
        ground[entry] = color
    table = np.concatenate([faces.color, ground]) @ tint
    row = np.where(raster.face >= 0, raster.face, len(faces.color) + material)
    return np.stack([column[row] for column in table.T])


@lru_cache(maxsize=1)
def _noise() -> Float32[np.ndarray, "256 256"]:
    """A tile of smooth noise in two octaves, zero mean, mostly within -0.5..0.5."""
    rng = generator(2718)
    octaves = []
    for sigma in (0.8, 2.5):
        tile = np.tile(rng.standard_normal((256, 256)).astype(np.float32), (3, 3))
        smooth = cv2.GaussianBlur(tile, (0, 0), sigma)[256:512, 256:512]
        octaves.append(smooth / smooth.std())
    return (0.17 * octaves[0] + 0.17 * octaves[1]).astype(np.float32)


def _texture(material: np.ndarray, depth: np.ndarray, position: np.ndarray, pose: Pose, width: int) -> np.ndarray:
    """Brightness factor: noise fixed to the world, fading where its grains are smaller than pixels, and windows."""
    across, up, ahead = position
    along = ahead + np.float32(pose.s)
    grain = GRAIN[material]
    cells = depth * grain * np.float32(1 / (FOCAL * width))
    amplitude = ROUGH[material] / (1 + cells * cells)
    column = (grain * (across + up)).astype(np.int64) & 255
    row = (grain * (along + up)).astype(np.int64) & 255
    factor = 1 + 2 * amplitude * _noise().ravel()[(row << 8) | column]
    wall = np.flatnonzero(material.ravel() == Material.FACADE)
    pane, _, _ = windows((along + across).ravel()[wall], up.ravel()[wall])
    factor.ravel()[wall[pane]] *= 0.3
    return np.maximum(factor, np.float32(0.05))
