"""Arrays for people's eyes: any modality as an 8-bit image, labels painted over an image.

Shapes: H W size.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Integer, UInt8
from torch import Tensor

from robustseg.labels import IGNORE, LabelClass, colorize
from robustseg.modalities import Modality

SPARSE = 0.4
"""Share of pixels with a measurement below which an image is drawn as points."""

DARKEST = 0.25
"""Of such a point, 0..1."""


def display_image(image: Float[Tensor, "3 H W"], modality: Modality) -> UInt8[np.ndarray, "H W 3"]:
    """A modality's three channels as red, green and blue.

    Cameras in counts keep their values; everything else is stretched, channel by channel, between the 1st and 99th
    percentile of the pixels where the sensor saw something; the others are black. Where they are most, as with a LiDAR,
    single pixels are drawn larger and never quite black.
    """
    pixels = image.movedim(0, -1).numpy(force=True).astype(np.float32)  # H W 3
    pixels = np.nan_to_num(pixels, nan=modality.missing, posinf=modality.missing, neginf=modality.missing)
    if modality.photometric and modality.unit == "counts":
        return pixels.round().clip(0, 255).astype(np.uint8)
    seen = (pixels != modality.missing).any(axis=-1)  # H W
    if not seen.any():
        return np.zeros(pixels.shape, np.uint8)
    low, high = np.percentile(pixels[seen], [1, 99], axis=0)
    stretched = (pixels - low) / np.maximum(high - low, 1e-6)
    stretched = np.where(high - low > 1e-6, stretched, 0.5)  # a channel without contrast is grey, not noise
    if seen.mean() < SPARSE:
        stretched = DARKEST + (1 - DARKEST) * stretched.clip(0, 1)
    shown = (stretched.clip(0, 1) * 255 * seen[..., None]).round().astype(np.uint8)
    if seen.mean() < SPARSE:
        shown = np.where(seen[..., None], shown, cv2.dilate(shown, np.ones((3, 3), np.uint8)))
    return shown


def overlay(
    image: UInt8[np.ndarray, "H W 3"],
    labels: Integer[np.ndarray, "H W"],
    classes: Sequence[LabelClass],
    alpha: float = 0.55,
) -> UInt8[np.ndarray, "H W 3"]:
    """Labels in their classes' colors over a greyish image; ignored pixels show the image.

    Args:
        image: What to paint on.
        labels: Train ids.
        classes: For their colors.
        alpha: How opaque the paint is, 0..1.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha lies between 0 and 1, got {alpha}")
    grey = image.mean(axis=-1, keepdims=True)
    base = 0.4 * image + 0.6 * grey  # less color, so that the classes' colors speak
    mixed = (1 - alpha) * base + alpha * colorize(labels, classes)
    return np.where((labels == IGNORE)[..., None], image, mixed.round()).astype(np.uint8)
