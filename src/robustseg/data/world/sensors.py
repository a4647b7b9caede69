"""The four sensors: each turns what an instant shows into the 8-bit image the model reads. H W = image size.

The raster of a `View` is twice as fine as the images: light is averaged over it, geometry is read at one point.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from robustseg.data.world.geometry import FOCAL, HORIZON, pixel_rays
from robustseg.data.world.materials import REFLECTIVITY, SPECULAR, Material
from robustseg.data.world.scene import Scene
from robustseg.data.world.surface import BRIGHTNESS, View

FINER = 2

MOUNT = np.float32(1.6)
"""Height of the sensors over the road, in metres."""

HEIGHT_ZERO, HEIGHT_STEP = 40.0, 32.0
"""Counts of height 0 and counts per metre, in the images of depth and LiDAR."""

DISPARITY_COUNTS = 1000.0
"""Counts = this / depth in metres."""
DISPARITY_NOISE = 0.0022
"""Standard deviation of 1 / depth; in depth it grows with depth squared."""

EVENT_THRESHOLD = 0.14
EVENT_COUNTS = 50.0

RANGE_COUNTS = 4.0
RINGS = np.radians(np.linspace(-20.0, 6.0, 9))
AZIMUTH_STEP = float(np.radians(1.6))
SEEN_AT = 30.0
"""Range in metres at which a surface of reflectivity 0.1, seen head-on in clear air, returns half of the pulses."""


def averaged(radiance: np.ndarray) -> np.ndarray:
    """Means over each pixel's part of the raster; "C H W" becomes "H W C"."""
    height, width = radiance.shape[1] // FINER, radiance.shape[2] // FINER
    return np.dstack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA) for plane in radiance])


def sampled(values: np.ndarray) -> np.ndarray:
    """The raster at one point of each pixel."""
    return values[FINER // 2 :: FINER, FINER // 2 :: FINER]


def stray_light(scene: Scene, sun: tuple[float, float], height: int, width: int) -> Float32[np.ndarray, "H W"]:
    """Veiling glare of the sun in a lens, 1 = a white surface under full daylight."""
    if scene.weather.glare == 0:
        return np.zeros((height, width), np.float32)
    column = (np.arange(width, dtype=np.float32) + 0.5 - sun[0])[None, :] / width
    row = (np.arange(height, dtype=np.float32) + 0.5 - sun[1])[:, None] / width
    distance = np.sqrt(column * column + row * row)
    veil = 0.9 * np.exp(-distance / 0.30) + 2.5 * np.exp(-distance / 0.05)
    return np.float32(scene.weather.glare) * veil.astype(np.float32)


def color_image(
    scene: Scene, light: Float32[np.ndarray, "H W 3"], rng: np.random.Generator
) -> UInt8[np.ndarray, "H W 3"]:
    """A colour camera: fixed exposure, bloom, shot and dark noise, clipping, gamma. `light` includes glare."""
    kind = scene.weather.kind
    exposed = light * (np.float32(kind.exposure) * np.array(scene.weather.gains, np.float32))
    exposed += 0.25 * cv2.GaussianBlur(np.maximum(exposed - 1, 0), (0, 0), 0.03 * light.shape[1])
    if scene.weather.rain > 0:
        exposed = _rain(exposed, scene.weather.rain, rng)
    spread = np.sqrt(kind.noise**2 + 0.0006 * kind.exposure * np.maximum(exposed, 0))
    exposed += spread * rng.standard_normal(light.shape, np.float32)
    return np.rint(255 * np.clip(exposed, 0, 1) ** np.float32(1 / 2.2)).astype(np.uint8)


def _rain(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Slanted streaks and drops on the lens, which blur what is behind them."""
    height, width = image.shape[:2]
    streaks, drops = np.zeros((2, height, width), np.float32)
    for x, y, length in rng.uniform(0, 1, (int(110 * strength), 3)):
        start = (int(x * width), int(y * height))
        end = (start[0] + int(2 * length), start[1] + int((0.03 + 0.08 * length) * height))
        cv2.line(streaks, start, end, 0.12, 1)
    for x, y, radius in rng.uniform(0, 1, (int(40 * strength), 3)):
        size = max(2, round((0.015 + 0.035 * radius) * width))
        cv2.circle(drops, (int(x * width), int(y * height)), size, 1.0, -1)
    blurred = cv2.GaussianBlur(image, (0, 0), 0.025 * width)
    soft = cv2.GaussianBlur(drops, (0, 0), 1.0)[..., None]
    return image * (1 - soft) + blurred * soft + streaks[..., None]


def smooth_noise(rng: np.random.Generator, height: int, width: int, cell: int) -> Float32[np.ndarray, "H W"]:
    """Unit-variance noise whose grains are about `cell` pixels."""
    coarse = rng.standard_normal((height // cell + 2, width // cell + 2), np.float32)
    return 1.3 * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def depth_image(
    scene: Scene,
    depth: Float32[np.ndarray, "H W"],
    light: Float32[np.ndarray, "H W 1"],
    glare: Float32[np.ndarray, "H W"],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "H W 3"]:
    """Stereo: disparity, logarithm of depth, height over a level road; 0 where matching failed.

    Matching needs light in neither too small nor too large amounts, contrast (which air and glare take), and texture;
    near things grow at their outlines; noise and failures come in patches.
    """
    height, width = depth.shape
    inverse = cv2.dilate(np.float32(1) / depth, np.ones((3, 3), np.uint8))
    rough = 0.7 * smooth_noise(rng, height, width, 6) + 0.7 * rng.standard_normal((height, width), np.float32)
    quality = _match_quality(scene, inverse, light[..., 0], glare)
    noisy = inverse + np.float32(DISPARITY_NOISE) * rough * (1 + 3 * (1 - quality))
    chance = 0.5 + 0.22 * smooth_noise(rng, height, width, 5) + 0.12 * rng.standard_normal((height, width), np.float32)
    seen = (chance < 1.25 * quality - 0.12) & (noisy > 1 / 90.0)
    metres = np.float32(1) / np.maximum(noisy, np.float32(1 / 90.0))
    up = MOUNT + metres * pixel_rays(height, width)[1]
    planes = [
        DISPARITY_COUNTS * noisy,
        60 * np.log2(np.maximum(metres, 1.0) / 2 + 1) - 20,
        HEIGHT_ZERO + HEIGHT_STEP * up,
    ]
    image = np.clip(np.rint(np.stack(planes, -1)), 1, 255)
    return (image * seen[..., None]).astype(np.uint8)


def _match_quality(scene: Scene, inverse: np.ndarray, light: np.ndarray, glare: np.ndarray) -> np.ndarray:
    """0 = no match possible, 1 = good conditions."""
    kind = scene.weather.kind
    exposed = light * kind.exposure
    enough = np.clip((exposed - 0.5 * kind.noise) / (1.5 * kind.noise), 0, 1)
    bearable = np.clip((1.25 - exposed) / 0.35, 0, 1)
    clear = np.clip(np.exp(-scene.weather.extinction / np.maximum(inverse, 1e-3)) * 2.5 - 0.2, 0, 1)
    contrast = np.clip(1.4 * light / (light + 0.7 * glare + 1e-6) - 0.3, 0, 1)
    wet = 1 - 0.08 * scene.weather.rain
    return (enough * bearable * clear * contrast * wet).astype(np.float32)


def event_image(
    scene: Scene,
    before: Float32[np.ndarray, "H W 1"],
    after: Float32[np.ndarray, "H W 1"],
    window: float,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "H W 3"]:
    """An event camera: counts of brighter and of darker events in the window, and their local density.

    A pixel fires once per threshold of log brightness; thresholds differ from pixel to pixel; leak and shot noise fire
    at a rate that grows in the dark. No time, no events.
    """
    height, width = after.shape[:2]
    dark = np.float32(0.004)
    change = np.log(after[..., 0] + dark) - np.log(before[..., 0] + dark)
    threshold = EVENT_THRESHOLD * np.clip(1 + 0.15 * rng.standard_normal((height, width), np.float32), 0.5, 2)
    rate = 0.3 + 0.012 / (after[..., 0] + 0.003) + 1.5 * scene.weather.rain  # per second
    noise = (rng.random((2, height, width), np.float32) < np.minimum(rate * window, 0.5)).astype(np.float32)
    up = np.floor(np.maximum(change, 0) / threshold) + noise[0]
    down = np.floor(np.maximum(-change, 0) / threshold) + noise[1]
    density = cv2.boxFilter(up + down, -1, (5, 5))
    image = np.stack([up, down, 2 * density], -1) * EVENT_COUNTS
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def lidar_image(scene: Scene, view: View, rng: np.random.Generator) -> UInt8[np.ndarray, "H W 3"]:
    """A spinning LiDAR: range, reflectivity, height over a level road on sparse rings; 0 elsewhere and where lost."""
    height, width = view.depth.shape[0] // FINER, view.depth.shape[1] // FINER
    row, column = _beams(height, width, float(rng.random()))
    point = (FINER * row + FINER // 2, FINER * column + FINER // 2)
    depth, material = view.depth[point], view.material[point]
    ray = view.raster.directions[:, *point]
    length = np.sqrt((ray * ray).sum(0))
    distance = depth * length
    seen, reflectivity = _returns(scene, distance, material, _facing(view, point, ray) / length, rng)
    measured = distance + 0.03 * rng.standard_normal(len(row))
    droplet = rng.random(len(row)) < scene.weather.kind.backscatter
    near = rng.uniform(1.0, 9.0, len(row))
    blocked = droplet & (near < distance)
    measured = np.where(blocked, near, measured)
    reflectivity = np.where(blocked, 0.05, reflectivity)
    beam = pixel_rays(*view.depth.shape)[1][point] / length  # how the sensors are tilted is not known to them
    up = MOUNT + measured * beam
    kept = (seen | blocked) & (measured < 255 / RANGE_COUNTS)
    planes = np.stack([RANGE_COUNTS * measured, 255 * np.sqrt(reflectivity), HEIGHT_ZERO + HEIGHT_STEP * up], -1)
    image = np.zeros((height, width, 3), np.uint8)
    image[row[kept], column[kept]] = np.clip(np.rint(planes[kept]), 1, 255).astype(np.uint8)
    return image


def _beams(height: int, width: int, phase: float) -> tuple[np.ndarray, np.ndarray]:
    """Pixels that a beam hits, for a turn that starts at a random fraction of a step."""
    half = float(np.arctan(0.5 / FOCAL))
    azimuth = np.arange(-half, half, AZIMUTH_STEP) + phase * AZIMUTH_STEP
    focal = FOCAL * width
    u = width / 2 + focal * np.tan(azimuth)[None, :] + 0 * RINGS[:, None]
    v = HORIZON * height - focal * np.tan(RINGS)[:, None] / np.cos(azimuth)[None, :]
    row, column = np.floor(v).astype(np.int64).ravel(), np.floor(u).astype(np.int64).ravel()
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return row[inside], column[inside]


def _facing(view: View, point: tuple[np.ndarray, np.ndarray], ray: np.ndarray) -> np.ndarray:
    """Cosine between rays and the normals of what they hit, times the rays' length; kerbs stand across the road."""
    normal = view.raster.normals[:, view.raster.face[point]]
    kerb = view.material[point] == Material.KERB
    return np.abs(np.where(kerb, ray[0], (normal * ray).sum(0)))


def _returns(
    scene: Scene, distance: np.ndarray, material: np.ndarray, facing: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Which pulses come back, and the reflectivity they report."""
    true = REFLECTIVITY[material]
    retro = (material == Material.PLATE) | (material == Material.TAILLIGHT)
    lambert = np.where(retro, 1.0, facing**0.7)
    power = true / 0.1 * lambert * (SEEN_AT / distance) ** 2 * np.exp(-2 * scene.weather.extinction * distance)
    chance = power / (1 + power) * (1 - scene.weather.kind.laser_loss) * (1 - SPECULAR[material])
    wet = 1 - 0.5 * scene.weather.rain * (material == Material.ASPHALT)
    seen = rng.random(len(distance)) < chance * wet
    reported = true * np.exp(0.35 * rng.standard_normal(len(distance)))
    return seen, np.clip(reported, 0.005, 1)


def luma(light: Float32[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "H W 1"]:
    """Brightness of linear colours."""
    return light @ BRIGHTNESS
