"""One instant of a scene as all sensors see it, with its labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from robustseg.data.world import sensors
from robustseg.data.world.light import sun_pixel
from robustseg.data.world.materials import LABEL
from robustseg.data.world.scene import Scene, generator, pose_at
from robustseg.data.world.surface import view

EVENT_WINDOW = 0.05
"""Seconds over which events are collected, up to the instant."""

GLARE_COLOR = np.array([1.0, 0.85, 0.6], np.float32)
EVENT_GLARE = 0.08
"""Share of the stray light that an event camera's smaller lens suffers from."""


@dataclass(frozen=True)
class Shot:
    """8-bit images "M 3 H W" in the order of `MODALITIES`, and train ids "H W"."""

    images: UInt8[np.ndarray, "M 3 H W"]
    labels: UInt8[np.ndarray, "H W"]


def shoot(scene: Scene, time: float, size: tuple[int, int], window: float = EVENT_WINDOW) -> Shot:
    """Renders one instant; a function of its arguments alone."""
    height, width = size
    raster = (height * sensors.FINER, width * sensors.FINER)
    now = view(scene, time, *raster)
    earlier = view(scene, time - window, *raster, colored=False)
    rngs = [generator(scene.seed, scene.number, 9, round(time * 1e6) + 10**9, sensor) for sensor in range(4)]
    glare = sensors.stray_light(scene, sun_pixel(scene, pose_at(scene, time), *size), *size)
    light = sensors.averaged(now.radiance)
    bright = sensors.luma(light)
    veil = EVENT_GLARE * glare[..., None]
    images = (
        sensors.color_image(scene, light + glare[..., None] * GLARE_COLOR, rngs[0]),
        sensors.depth_image(scene, sensors.sampled(now.depth), bright, glare, rngs[1]),
        sensors.event_image(scene, sensors.averaged(earlier.radiance) + veil, bright + veil, window, rngs[2]),
        sensors.lidar_image(scene, now, rngs[3]),
    )
    return Shot(
        images=np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)),
        labels=LABEL[sensors.sampled(now.material)],
    )
