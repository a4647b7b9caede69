"""Faults of every sensor: parts that never arrive, a mounting that has turned, noise."""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float32
from torch import Generator

from robustseg.failures.pixels import Image, emptied, limits, normal, seen, settled, uniform
from robustseg.modalities import Modality

FIELD_OF_VIEW = 90.0
"""Assumed horizontal field of view in degrees, which turns degrees into pixels."""

SPINNING = ("lidar", "radar")
STRIPES = 0.5
"""Standard deviation of the stripes' brightness, as a share of the noise's."""


def focal_length(width: int) -> float:
    """In pixels."""
    return 0.5 * width / math.tan(math.radians(FIELD_OF_VIEW / 2))


def blackout(image: Image, modality: Modality, share: float, generator: Generator) -> Image:
    """A run of rows, or of columns of a spinning sensor, is missing; where it lies is random."""
    _, height, width = image.shape
    spinning = modality.sort in SPINNING
    length = width if spinning else height
    lost = round(share * length)
    first = round(float(uniform(generator)) * (length - lost))
    gone = np.zeros((height, width), bool)
    run = slice(first, first + lost)
    gone[(slice(None), run) if spinning else run] = True
    return emptied(image, gone, modality)


def drift(image: Image, modality: Modality, degrees: float, generator: Generator) -> Image:
    """The view tilted in a random direction and rolled about its middle to a random side, by `degrees` each.

    A tilt moves all pixels alike, which is right in the middle of the view.
    """
    _, height, width = image.shape
    direction, side = uniform(generator, 2).tolist()
    tilt = focal_length(width) * math.tan(math.radians(degrees))
    roll = degrees if side < 0.5 else -degrees
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), roll, 1.0)
    matrix[:, 2] += tilt * np.array([math.cos(2 * math.pi * direction), math.sin(2 * math.pi * direction)])
    if modality.resample == "nearest":
        return np.stack([_warped(plane, matrix, cv2.INTER_NEAREST, modality.missing) for plane in image])
    here = seen(image, modality).astype(np.float32)
    weight = _warped(here, matrix, cv2.INTER_LINEAR, 0)  # how much of a pixel comes from what was seen
    moved = np.stack([_warped(plane * here, matrix, cv2.INTER_LINEAR, 0) for plane in image])
    return emptied(moved / np.maximum(weight, 0.5), weight < 0.5, modality)


def _warped(plane: np.ndarray, matrix: np.ndarray, method: int, border: float) -> np.ndarray:
    size = (plane.shape[1], plane.shape[0])
    return cv2.warpAffine(plane, matrix, size, flags=method, borderMode=cv2.BORDER_CONSTANT, borderValue=border)


def noise(image: Image, modality: Modality, share: float, generator: Generator) -> Image:
    """Strong noise, each sort of sensor in its own way.

    Events: `share` of all pixels fire for no reason. LiDAR and radar: `share` of all echoes are false. All others:
    Gaussian noise and horizontal stripes, with a standard deviation of `share` of the range of values.
    """
    match modality.sort:
        case "event":
            return _ghosts(image, modality, share, generator)
        case "lidar" | "radar":
            true = float(seen(image, modality).mean())
            return _ghosts(image, modality, min(1.0, true * share / (1 - share)), generator)
        case _:
            return _grainy(image, modality, share, generator)


def _ghosts(image: Image, modality: Modality, share: float, generator: Generator) -> Image:
    """`share` of all pixels show what a random pixel of the frame saw, so that values stay in the sensor's own range.

    An event camera that saw nothing fires all the same, in channel 0.
    """
    _, height, width = image.shape
    draws = uniform(generator, 2, height, width)
    true = np.flatnonzero(seen(image, modality))
    ghost = np.flatnonzero(draws[0] < share)
    planes = image.reshape(3, -1).copy()
    if len(true):
        source = true[(draws[1].ravel()[ghost] * len(true)).astype(np.int64)]
        planes[:, ghost] = image.reshape(3, -1)[:, source]
    elif modality.sort == "event":
        planes[0, ghost] = limits(image, modality)[1] or 1.0
    return planes.reshape(image.shape)


def _grainy(image: Image, modality: Modality, share: float, generator: Generator) -> Image:
    grain = normal(generator, *image.shape)
    stripes: Float32[np.ndarray, "H 1"] = normal(generator, image.shape[1], 1)
    low, high = limits(image, modality)
    grain += np.float32(STRIPES) * stripes
    grain *= np.float32(share * (high - low))
    grain += image
    return settled(grain, image, modality)
