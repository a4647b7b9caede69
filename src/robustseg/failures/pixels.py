"""What all faults ask of an image: where its sensor saw something, which values it can hold, random numbers."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Generator

from robustseg.modalities import Modality

Image = Float32[np.ndarray, "3 H W"]

COUNTS = 255.0


def seen(image: Image, modality: Modality) -> Bool[np.ndarray, "H W"]:
    """Pixels where the sensor saw something: not `missing` in some channel.

    A camera sees something everywhere: its 0 is black. Borders without an image need a `missing` of their own.
    """
    if modality.sort == "camera" and modality.missing == 0:
        return np.ones(image.shape[1:], bool)
    return (image != modality.missing).any(axis=0)


def limits(image: Image, modality: Modality) -> tuple[float, float]:
    """Lowest and highest value that the modality can hold: 0 and 255 of counts, else the extremes of what was seen.

    Counts beyond 0..255, of 12 or 16 bits say, widen the range to these extremes.
    """
    here = seen(image, modality)
    values = image if here.all() else image[:, here]
    low, high = (float(values.min()), float(values.max())) if values.size else (modality.missing, modality.missing)
    return (min(low, 0.0), max(high, COUNTS)) if modality.unit == "counts" else (low, high)


def settled(image: Image, before: Image, modality: Modality) -> Image:
    """A changed image, kept within the limits of what it was before, and missing where that was missing."""
    here = seen(before, modality)
    inside = np.clip(image, *limits(before, modality))
    return inside if here.all() else emptied(inside, ~here, modality)


def emptied(image: Image, where: Bool[np.ndarray, "H W"], modality: Modality) -> Image:
    """The image with nothing seen at some pixels."""
    return np.where(where, np.float32(modality.missing), image)


def uniform(generator: Generator, *shape: int) -> np.ndarray:
    """Uniform on [0, 1), float32."""
    return torch.rand(shape, generator=generator).numpy()


def normal(generator: Generator, *shape: int) -> np.ndarray:
    """Of mean 0 and standard deviation 1, float32."""
    return torch.randn(shape, generator=generator).numpy()
