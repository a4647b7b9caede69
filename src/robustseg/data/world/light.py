"""Light: sun, sky, headlights and street lamps on surfaces, the sky itself, and the air in between."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Int64

from robustseg.data.world.geometry import FOCAL, HORIZON, Pose, Raster, rotation
from robustseg.data.world.materials import GLOW, Material
from robustseg.data.world.scene import Scene

WINDOW_GLOW = 0.05
WARM = np.array([1.0, 0.86, 0.62], np.float32)
SUNLIGHT = np.array([1.5, 1.3, 0.9], np.float32)
AIR = 400.0
"""Metres of air before the sky."""


def remainder(values: Float32[np.ndarray, "*any"], period: float) -> Float32[np.ndarray, "*any"]:
    """Values modulo period; numpy's own operator is many times slower."""
    return values - np.float32(period) * np.floor(values * np.float32(1 / period))


def windows(
    along: Float32[np.ndarray, " P"], up: Float32[np.ndarray, " P"]
) -> tuple[Bool[np.ndarray, " P"], Int64[np.ndarray, " P"], Int64[np.ndarray, " P"]]:
    """Whether points of a facade lie in a window, and which column and storey they belong to."""
    u, v = along * np.float32(1 / 2.9), up * np.float32(1 / 3.1)
    column, storey = np.floor(u), np.floor(v)
    inside = (np.abs(u - column - 0.5) < 0.24) & (np.abs(v - storey - 0.55) < 0.26)
    return inside, column.astype(np.int64), storey.astype(np.int64)


def lit(
    scene: Scene,
    pose: Pose,
    material: Int64[np.ndarray, "H W"],
    position: Float32[np.ndarray, "3 H W"],
    raster: Raster,
    albedo: Float32[np.ndarray, "C H W"],
    tint: Float32[np.ndarray, "3 C"],
) -> Float32[np.ndarray, "C H W"]:
    """Light that leaves the surfaces towards the viewer."""
    weather = scene.weather
    light = np.float32(weather.ambient)
    if weather.sun > 0:
        direct = np.array(weather.sun_direction, np.float32) @ raster.normals
        light = light + (np.float32(weather.sun) * np.maximum(direct, 0))[raster.face]
    radiance = albedo * light
    if weather.kind.headlights > 0:
        warm = (WARM @ tint)[:, None, None]
        radiance += albedo * (_lamps(scene, pose, position) * warm)
        radiance += albedo * (GLOW * np.float32(weather.kind.headlights))[material]
        radiance += _lit_windows(material, position, pose) * (np.float32(WINDOW_GLOW) * warm)
    return radiance


def _lamps(scene: Scene, pose: Pose, position: np.ndarray) -> np.ndarray:
    """Own headlights, a cone that hardly reaches above 1.5 m, and the pools of light below street lamps."""
    x, y, s = position
    ahead = np.maximum(s, 2.0)
    aside = (x - np.float32(pose.x)) / ahead
    cone = np.exp(-((aside / 0.32) ** 2)) / (1 + np.exp(4 * (y - 1.4)))
    head = np.float32(scene.weather.kind.headlights) * np.minimum((10.0 / ahead) ** 2, 2.5) * cone
    spacing = scene.street.lamp_spacing / 2
    along = (s + np.float32(pose.s)) / spacing
    off = (along - np.rint(along)) * spacing
    pool = np.exp(-((off / 4.0) ** 2) - ((np.abs(x) - scene.street.kerb) / 5.0) ** 2)
    return head + 0.02 * pool * (y < 6.2)


def _lit_windows(material: np.ndarray, position: np.ndarray, pose: Pose) -> np.ndarray:
    """1 where a window of a house has its light on."""
    glow = np.zeros(material.size, np.float32)
    wall = np.flatnonzero(material.ravel() == Material.FACADE)
    x, y, s = position.reshape(3, -1)[:, wall]
    pane, column, storey = windows(s + np.float32(pose.s) + x, y)
    cell = column * 7919 + storey * 104729
    glow[wall] = pane & ((cell ^ (cell >> 3)) % 5 == 0)
    return glow.reshape(material.shape)


def sky_radiance(
    scene: Scene, directions: Float32[np.ndarray, "3 P"], tint: Float32[np.ndarray, "3 C"]
) -> Float32[np.ndarray, "C P"]:
    """From the horizon's color to the zenith's, brighter around the sun where it stands ahead."""
    horizon, zenith = ((np.array(color, np.float32) @ tint)[:, None] for color in scene.weather.kind.sky)
    length = np.sqrt((directions * directions).sum(0))
    height = np.sqrt(np.clip(directions[1] / length / 0.45, 0, 1))
    radiance = horizon + (zenith - horizon) * height
    if scene.weather.kind.ahead:
        towards = np.array(scene.weather.sun_direction, np.float32) @ directions / length
        halo = np.exp((towards - 1) / 0.02) + np.float32(12) * (towards > 0.9994)
        radiance = radiance + halo * (SUNLIGHT @ tint)[:, None]
    return radiance


def atmosphere(
    scene: Scene,
    radiance: Float32[np.ndarray, "C H W"],
    depth: Float32[np.ndarray, "H W"],
    tint: Float32[np.ndarray, "3 C"],
) -> Float32[np.ndarray, "C H W"]:
    """Koschmieder's law: radiance fades with depth into the color of the air."""
    air = (np.array(scene.weather.kind.sky[0], np.float32) @ tint)[:, None, None]
    through = np.exp(-np.float32(scene.weather.extinction) * np.minimum(depth, np.float32(AIR)))
    return air + (radiance - air) * through


def sun_pixel(scene: Scene, pose: Pose, height: int, width: int) -> tuple[float, float]:
    """Column and row of the sun in the image, wherever it is."""
    right, up, forward = np.array(scene.weather.sun_direction) @ rotation(pose)
    focal = FOCAL * width
    ahead = max(float(forward), 1e-3)
    return width / 2 + focal * float(right) / ahead, HORIZON * height - focal * float(up) / ahead
