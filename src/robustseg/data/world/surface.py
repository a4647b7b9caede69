"""What each pixel of an instant shows: material, depth, radiance. C color channels: 3, or 1 = brightness."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from robustseg.data.world.geometry import FOCAL, Faces, Pose, Raster, rasterise
from robustseg.data.world.layout import CROSSING, has_crossing
from robustseg.data.world.light import atmosphere, lit, sky_radiance
from robustseg.data.world.materials import GRAIN, ROUGH, Material
from robustseg.data.world.scene import CHUNK, LANE, Scene, Street, generator, pose_at
from robustseg.data.world.traffic import faces_at

BRIGHTNESS = np.array([[0.30], [0.59], [0.11]], np.float32)
KERB_HEIGHT = 0.15
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
        facing: Cosine between the viewing ray and the surface's normal, 0..1.
        radiance: Light that arrives, 1 = a white surface under full daylight; air included.
    """

    material: UInt8[np.ndarray, "H W"]
    depth: Float32[np.ndarray, "H W"]
    position: Float32[np.ndarray, "H W 3"]
    facing: Float32[np.ndarray, "H W"]
    radiance: Float32[np.ndarray, "H W C"]


def view(scene: Scene, time: float, height: int, width: int, *, colored: bool = True) -> View:
    """Renders the scene at a time; `colored=False` gives brightness alone."""
    pose = pose_at(scene, time)
    faces = faces_at(scene, time)
    raster = rasterise(faces, pose, height, width)
    material, depth, position = _geometry(scene, pose, faces, raster)
    normal = _normal(faces, raster, material, position, scene.street)
    tint = np.eye(3, dtype=np.float32) if colored else BRIGHTNESS
    texture = _texture(material, depth, position, pose, width)
    albedo = _albedo(faces, raster, material, tint) * texture[..., None]
    radiance = lit(scene, pose, material, position, normal, albedo, tint)
    sky = material == Material.SKY
    radiance[sky] = sky_radiance(scene, pose, raster.directions[sky], tint)
    radiance = atmosphere(scene, radiance, depth, tint)
    directions = raster.directions
    length = np.sqrt(np.einsum("hwc,hwc->hw", directions, directions))
    facing = np.abs(np.einsum("hwc,hwc->hw", directions, normal)) / length
    return View(material, depth, position, facing, radiance)


def _geometry(scene: Scene, pose: Pose, faces: Faces, raster: Raster) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Material, depth and position per pixel, from faces where there are any, else from ground and horizon."""
    directions = raster.directions.reshape(-1, 3)
    face = raster.face.ravel()
    material = np.full(face.size, Material.SKY, np.uint8)
    depth = np.full(face.size, np.inf, np.float32)
    solid = np.flatnonzero(face >= 0)
    material[solid] = faces.material[face[solid]]
    depth[solid] = 1.0 / raster.inverse_depth.ravel()[solid]
    low = np.flatnonzero((face < 0) & (directions[:, 1] < -0.004))
    material[low], depth[low] = _ground(scene, pose, directions[low])
    high = np.flatnonzero((face < 0) & (directions[:, 1] >= -0.004))
    hills = high[directions[high, 1] < _skyline(scene, pose, directions[high])]
    material[hills], depth[hills] = Material.FOLIAGE, HILLS
    finite = np.where(np.isfinite(depth), depth, np.float32(0))
    position = directions * finite[:, None]
    position[:, 1] += np.float32(pose.y)
    position[:, 0] += np.float32(pose.x) - np.float32(pose.curvature / 2) * position[:, 2] ** 2
    shape = raster.face.shape
    return material.reshape(shape), depth.reshape(shape), position.reshape(*shape, 3)


def _ground(scene: Scene, pose: Pose, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays that go down meet road, kerb or sidewalk, and what lies there."""
    street, bend = scene.street, np.float32(pose.curvature / 2)
    down = -directions[:, 1]
    upper, lower = (pose.y - KERB_HEIGHT) / down, pose.y / down
    upper_x, lower_x = (
        np.abs(np.float32(pose.x) + directions[:, 0] * t - bend * (directions[:, 2] * t) ** 2) for t in (upper, lower)
    )
    on_walk, beyond = upper_x >= street.kerb, lower_x >= street.kerb
    share = (street.kerb - upper_x) / np.maximum(lower_x - upper_x, 1e-6)
    depth = np.where(on_walk, upper, np.where(beyond, upper + np.clip(share, 0, 1) * (lower - upper), lower))
    x = pose.x + directions[:, 0] * depth - bend * (directions[:, 2] * depth) ** 2
    material = _markings(scene, x, pose.s + directions[:, 2] * depth)
    material[beyond] = Material.KERB
    material[on_walk] = np.where(upper_x[on_walk] < street.edge, Material.PAVING, Material.GRASS)
    return material, np.minimum(depth, 400.0).astype(np.float32)


def _markings(scene: Scene, x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Asphalt and paint: centre line, lane lines, edge lines and zebra crossings."""
    street = scene.street
    aside = np.abs(x)
    dashed = (s % 9.0) < 4.5
    centre = (aside < 0.14) & (dashed | (scene.number % 3 == 0))
    between = (np.abs(aside - LANE) < 0.13) & dashed & (street.lanes > 1)
    edge = np.abs(aside - (street.lanes * LANE - (0.35 if street.parking == 0 else 0.0))) < 0.13
    chunk = np.floor(s / CHUNK).astype(np.int64)
    first, last = int(chunk.min(initial=0)), int(chunk.max(initial=0))
    crossings = np.array([has_crossing(scene.seed, scene.number, c) for c in range(first, min(last, first + 12) + 1)])
    there = crossings[np.minimum(chunk - first, len(crossings) - 1)]
    within = s - chunk * CHUNK
    zone = there & (within > CROSSING[0] - 2.0) & (within < CROSSING[1] + 2.0)
    stripes = there & (within > CROSSING[0]) & (within < CROSSING[1]) & ((x % 1.1) < 0.55)
    painted = (((centre | between | edge) & ~zone) | stripes) & (aside < street.kerb)
    return np.where(painted, Material.PAINT, Material.ASPHALT).astype(np.uint8)


def _skyline(scene: Scene, pose: Pose, directions: np.ndarray) -> np.ndarray:
    """Height of the horizon's trees over each ray's direction, as a slope."""
    column = ((np.arctan2(directions[:, 0], directions[:, 2]) * 60.0).astype(np.int64) + 17 * scene.number) & 255
    return 0.012 + 0.03 * (_noise()[scene.number & 255, column] + 0.5)


def _normal(faces: Faces, raster: Raster, material: np.ndarray, position: np.ndarray, street: Street) -> np.ndarray:
    """Outward normals: of faces, up for the ground, towards the road for kerbs."""
    corners = faces.corners
    table = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    table = np.concatenate([table, np.array([[0, 1, 0]], np.float32)])  # place -1 = ground
    normal = table[raster.face]
    kerb = material == Material.KERB
    normal[kerb] = np.sign(position[kerb, :1]) * np.array([-1, 0, 0], np.float32)
    return normal


def _albedo(faces: Faces, raster: Raster, material: np.ndarray, tint: np.ndarray) -> np.ndarray:
    ground = np.zeros((len(Material), 3), np.float32)
    for entry, color in GROUND.items():
        ground[entry] = color
    table = np.concatenate([faces.color, ground]) @ tint
    row = np.where(raster.face >= 0, raster.face, len(faces.color) + material.astype(np.int32))
    return table[row]


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
    along = position[..., 2] + np.float32(pose.s)
    across, up = position[..., 0], position[..., 1]
    grain = GRAIN[material]
    cells = depth * grain / (FOCAL * width)
    amplitude = ROUGH[material] / (1 + cells * cells)
    column = (grain * (across + up)).astype(np.int32) & 255
    row = (grain * (along + up)).astype(np.int32) & 255
    factor = 1 + 2 * amplitude * _noise()[row, column]
    wall = np.flatnonzero(material.ravel() == Material.FACADE)
    u, v = (along + across).ravel()[wall] / 2.9, up.ravel()[wall] / 3.1
    window = (np.abs(u % 1.0 - 0.5) < 0.24) & (np.abs(v % 1.0 - 0.55) < 0.26)
    factor.ravel()[wall[window]] *= 0.3
    return np.maximum(factor, 0.05)
