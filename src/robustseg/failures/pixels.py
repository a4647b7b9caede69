"""What all faults ask of an image: where its sensor saw something, which values it can hold, random numbers."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Generator

from robustseg.modalities import Modality

Image = Float32[np.ndarray, "3 H W"]
Values = Float32[np.ndarray, "3 *size"]

COUNTS = 255.0


def seen(image: Image, modality: Modality) -> Bool[np.ndarray, "H W"]:
    """Pixels where the sensor saw something: not `missing` in some channel.

    A camera sees something everywhere: its 0 is black. Borders without an image need a `missing` of their own.
    """
    if modality.sort == "camera" and modality.missing == 0:
        return np.ones(image.shape[1:], bool)
    return (image != modality.missing).any(axis=0)


def limits(image: Values, modality: Modality) -> tuple[float, float]:
    """Lowest and highest value that the modality can hold: 0 and 255 of counts, else the frame's own extremes.

    Counts beyond 0..255, of 12 or 16 bits say, widen the range to the frame's extremes.
    """
    low, high = float(image.min()), float(image.max())
    return (min(low, 0.0), max(high, COUNTS)) if modality.unit == "counts" else (low, high)


def clipped(image: Image, like: Image, modality: Modality) -> Image:
    """`image` within the limits of `like`."""
    low, high = limits(like, modality)
    return np.clip(image, low, high)


def emptied(image: Image, where: Bool[np.ndarray, "H W"], modality: Modality) -> Image:
    """The image with nothing seen at some pixels."""
    return np.where(where, np.float32(modality.missing), image)


def uniform(generator: Generator, *shape: int) -> np.ndarray:
    """Uniform on [0, 1), float32."""
    return torch.rand(shape, generator=generator).numpy()


def normal(generator: Generator, *shape: int) -> np.ndarray:
    """Of mean 0 and standard deviation 1, float32."""
    return torch.randn(shape, generator=generator).numpy()
