"""Faults of cameras and of whatever looks through a lens: exposure, motion blur, dirt.

Cameras' values are taken as gamma-encoded: light is value^2.2, with 1 = the highest value that the modality can hold.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float32
from torch import Generator

from robustseg.failures.pixels import Image, emptied, limits, normal, seen, settled, uniform
from robustseg.modalities import Modality

GAMMA = 2.2

DARK_NOISE = 0.002
"""Standard deviation of a camera's noise without light; 1 = the light that is just white."""

SPOTS = 60
"""Spots of dirt on a lens, of random places and sizes."""
DIRT = (0.30, 0.25, 0.20)
"""Light that comes through dirt on a colour camera's lens, as shares of the frame's mean light; brown."""
SOFT = 0.35
"""Width of a spot's blurred edge, as a share of its radius."""
COARSE = 160
"""Spots are drawn on an image of at most this width and then enlarged: they have no fine detail."""


def exposed(image: Image, modality: Modality, stops: float, generator: Generator) -> Image:
    """The frame with 2^stops times the light; fewer stops than 0 leave the camera's own dark noise."""
    top = limits(image, modality)[1] or 1.0
    lit = image * np.float32(2 ** (stops / GAMMA) / top)
    if stops < 0:
        light = np.maximum(lit, 0) ** np.float32(GAMMA)
        lit = np.maximum(light + DARK_NOISE * normal(generator, *image.shape), 0) ** np.float32(1 / GAMMA)
    changed = np.minimum(lit, 1) * np.float32(top)
    if modality.unit == "counts":
        changed = np.rint(changed)  # what is too dark for the camera's steps is lost
    return settled(changed, image, modality)


def motion_blur(image: Image, modality: Modality, share: float, generator: Generator) -> Image:
    """The mean along a line of `share` of the width in a random direction; missing pixels are left out of it."""
    kernel = _line(share * image.shape[2], math.pi * float(uniform(generator)))
    here = seen(image, modality)
    light = _light(image, modality)
    if here.all():
        return settled(_values(_filtered(light, kernel), image, modality), image, modality)
    weight = np.maximum(cv2.filter2D(here.astype(np.float32), -1, kernel, borderType=cv2.BORDER_REPLICATE), 1e-6)
    mean = _filtered(light * here, kernel) / weight
    return settled(_values(mean, image, modality), image, modality)


def _filtered(planes: Image, kernel: np.ndarray) -> Image:
    return np.stack([cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REPLICATE) for plane in planes])


def _line(length: float, angle: float) -> Float32[np.ndarray, "_K _K"]:
    """A line of `length` pixels through the middle of a square as small as holds it; its sum is 1."""
    middle = math.ceil(length / 2) + 1
    steps = np.linspace(-length / 2, length / 2, 4 * math.ceil(length) + 1)
    x, y = middle + steps * math.cos(angle), middle + steps * math.sin(angle)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = x - left, y - top
    kernel = np.zeros((2 * middle + 1, 2 * middle + 1), np.float32)
    for rows, columns, part in (
        (top, left, (1 - down) * (1 - right)),
        (top, left + 1, (1 - down) * right),
        (top + 1, left, down * (1 - right)),
        (top + 1, left + 1, down * right),
    ):
        np.add.at(kernel, (rows, columns), part.astype(np.float32))
    return kernel / kernel.sum()


def lens_dirt(image: Image, modality: Modality, share: float, generator: Generator) -> Image:
    """Spots that cover `share` of the lens; a higher share makes the same spots grow.

    Cameras and polarisation see dirt there, mixed in along the spots' soft edges; all others see nothing.
    """
    cover = _spots(image.shape[1], image.shape[2], share, generator)
    here = seen(image, modality)
    if modality.sort not in ("camera", "polarisation"):
        return emptied(image, cover > 0.5, modality)
    light = _light(image, modality)
    mean = light[:, here].mean(axis=1) if here.any() else np.zeros(3, np.float32)
    dirt = (mean * np.array(DIRT, np.float32) if modality.sort == "camera" else mean)[:, None, None]  # 3 1 1
    return settled(_values(light + (dirt - light) * cover, image, modality), image, modality)


def _spots(height: int, width: int, share: float, generator: Generator) -> Float32[np.ndarray, "H W"]:
    """How much of the light each pixel loses, 0..1; half or more on `share` of them."""
    columns = min(COARSE, width)
    rows = max(1, round(height * columns / width))
    x, y, size = uniform(generator, 3, SPOTS, 1, 1)
    across = (np.arange(columns, dtype=np.float32) + 0.5) / columns - x  # SPOTS 1 W, in widths
    down = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) / columns - y * np.float32(rows / columns)  # SPOTS H 1
    radii = (np.hypot(across, down) / (0.2 + size**2)).min(axis=0)  # in spots' sizes, many small, few large
    radius = np.quantile(radii, share)
    cover = np.clip((1 - radii / np.float32(max(radius, 1e-6))) / SOFT + 0.5, 0, 1)
    return cv2.resize(cover, (width, height))


def _light(image: Image, modality: Modality) -> Image:
    """Of cameras, the light behind the values; other values are averaged as they are."""
    if modality.sort != "camera":
        return image
    top = limits(image, modality)[1] or 1.0
    return np.clip(image * np.float32(1 / top), 0, 1) ** np.float32(GAMMA)


def _values(light: Image, image: Image, modality: Modality) -> Image:
    """The inverse of `_light`."""
    if modality.sort != "camera":
        return light
    top = limits(image, modality)[1] or 1.0
    return np.maximum(light, 0) ** np.float32(1 / GAMMA) * np.float32(top)
