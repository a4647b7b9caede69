"""Light: sun, sky, headlights and street lamps on surfaces, the sky itself, and the air in between."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8

from robustseg.data.world.geometry import FOCAL, HORIZON, Pose, rotation
from robustseg.data.world.materials import GLOW, Material
from robustseg.data.world.scene import Scene

WINDOW_GLOW = 0.05
AIR = 400.0
"""Metres of air before the sky."""


def lit(
    scene: Scene,
    pose: Pose,
    material: UInt8[np.ndarray, "H W"],
    position: Float32[np.ndarray, "H W 3"],
    normal: Float32[np.ndarray, "H W 3"],
    albedo: Float32[np.ndarray, "H W C"],
    tint: Float32[np.ndarray, "3 C"],
) -> Float32[np.ndarray, "H W C"]:
    """Light that leaves the surfaces towards the viewer."""
    weather = scene.weather
    light = np.full(material.shape, weather.ambient, np.float32)
    if weather.sun > 0:
        direct = normal @ np.array(weather.sun_direction, np.float32)
        light += np.float32(weather.sun) * np.maximum(direct, 0)
    radiance = albedo * light[..., None]
    if weather.kind.headlights > 0:
        lamps, warm = _lamps(scene, pose, position), np.array([1.0, 0.86, 0.62], np.float32) @ tint
        radiance += albedo * (lamps[..., None] * warm)
        radiance += albedo * (GLOW[material] * weather.kind.headlights)[..., None]
        radiance += (_lit_windows(material, position, pose) * np.float32(WINDOW_GLOW))[..., None] * warm
    return radiance


def _lamps(scene: Scene, pose: Pose, position: np.ndarray) -> np.ndarray:
    """Own headlights, a cone that hardly reaches above 1.5 m, and the pools of light below street lamps."""
    ahead = np.maximum(position[..., 2], 2.0)
    aside = (position[..., 0] - np.float32(pose.x)) / ahead
    cone = np.exp(-((aside / 0.32) ** 2)) / (1 + np.exp(4 * (position[..., 1] - 1.4)))
    head = np.float32(scene.weather.kind.headlights) * np.minimum((10.0 / ahead) ** 2, 2.5) * cone
    spacing = scene.street.lamp_spacing / 2
    along = (position[..., 2] + np.float32(pose.s)) / spacing
    off = (along - np.rint(along)) * spacing
    pool = np.exp(-((off / 4.0) ** 2) - ((np.abs(position[..., 0]) - scene.street.kerb) / 5.0) ** 2)
    return head + 0.06 * pool * (position[..., 1] < 6.2)


def _lit_windows(material: np.ndarray, position: np.ndarray, pose: Pose) -> np.ndarray:
    """1 where a window of a house has its light on."""
    glow = np.zeros(material.size, np.float32)
    wall = np.flatnonzero(material.ravel() == Material.FACADE)
    x, y, s = position.reshape(-1, 3)[wall].T
    u, v = (s + np.float32(pose.s) + x) / 2.9, y / 3.1
    window = (np.abs(u % 1.0 - 0.5) < 0.24) & (np.abs(v % 1.0 - 0.55) < 0.26)
    cell = np.floor(u).astype(np.int64) * 7919 + np.floor(v).astype(np.int64) * 104729
    glow[wall] = window & ((cell ^ (cell >> 3)) % 5 == 0)
    return glow.reshape(material.shape)


def sky_radiance(
    scene: Scene, pose: Pose, directions: Float32[np.ndarray, "P 3"], tint: Float32[np.ndarray, "3 C"]
) -> Float32[np.ndarray, "P C"]:
    """From the horizon's color to the zenith's, brighter around the sun where it stands ahead."""
    horizon, zenith = (np.array(color, np.float32) @ tint for color in scene.weather.kind.sky)
    length = np.sqrt(np.einsum("pc,pc->p", directions, directions))
    height = np.clip(directions[:, 1] / length / 0.45, 0, 1)[:, None] ** np.float32(0.6)
    radiance = horizon + (zenith - horizon) * height
    if scene.weather.kind.ahead:
        towards = directions @ np.array(scene.weather.sun_direction, np.float32) / length
        halo = np.exp((towards - 1) / 0.02) + 12 * (towards > 0.9994)
        radiance = radiance + halo[:, None] * (np.array([1.5, 1.3, 0.9], np.float32) @ tint)
    return radiance


def atmosphere(
    scene: Scene,
    radiance: Float32[np.ndarray, "H W C"],
    depth: Float32[np.ndarray, "H W"],
    tint: Float32[np.ndarray, "3 C"],
) -> Float32[np.ndarray, "H W C"]:
    """Koschmieder's law: radiance fades with depth into the color of the air."""
    air = np.array(scene.weather.kind.sky[0], np.float32) @ tint
    through = np.exp(-np.float32(scene.weather.extinction) * np.minimum(depth, AIR))[..., None]
    return radiance * through + air * (1 - through)


def sun_pixel(scene: Scene, pose: Pose, height: int, width: int) -> tuple[float, float]:
    """Column and row of the sun in the image, wherever it is."""
    right, up, forward = np.array(scene.weather.sun_direction) @ rotation(pose)
    focal = FOCAL * width
    ahead = max(float(forward), 1e-3)
    return width / 2 + focal * float(right) / ahead, HORIZON * height - focal * float(up) / ahead
