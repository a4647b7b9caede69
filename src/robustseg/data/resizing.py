"""Images and labels at another size: one way for reading and for predicting, so that both show a model the same pixels.

Letters: `M` modalities, `h w` the size before, `H W` after.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn.functional import pad

from robustseg.modalities import Modality
from robustseg.recipe import SMALLEST


def resized(
    image: Float32[np.ndarray, "3 h w"], size: tuple[int, int], modality: Modality
) -> Float32[np.ndarray, "3 H W"]:
    """An image brought to `size`: nearest where the modality asks for it, else linear, or the area's mean to shrink."""
    height, width = size
    shrinks = height <= image.shape[1] and width <= image.shape[2]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    if modality.resample == "nearest":
        method = cv2.INTER_NEAREST_EXACT
    channels_last = np.ascontiguousarray(image.transpose(1, 2, 0))
    return np.ascontiguousarray(cv2.resize(channels_last, (width, height), interpolation=method).transpose(2, 0, 1))


def resized_frame(
    images: Float[Tensor, "M 3 h w"], size: tuple[int, int], modalities: Sequence[Modality]
) -> Float32[Tensor, "M 3 H W"]:
    """All images of a frame brought to `size`, on the CPU.

    Raises:
        ValueError: The size is none.
    """
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size is height and width in pixels, both at least 1, got {size}")
    slots = zip(images.float().numpy(force=True), modalities, strict=True)
    return torch.from_numpy(np.stack([resized(image, size, modality) for image, modality in slots]))


def padded(images: Float[Tensor, "*B M 3 h w"]) -> Float[Tensor, "*B M 3 H W"]:
    """Images below the network's smallest size with their lower and right edges repeated; the others as they are."""
    height, width = images.shape[-2:]
    if height >= SMALLEST and width >= SMALLEST:
        return images
    margins = (0, max(0, SMALLEST - width), 0, max(0, SMALLEST - height))
    rows = pad(images.flatten(0, -4), margins, mode="replicate")  # B*M 3 H W
    return rows.unflatten(0, images.shape[:-3])


def resized_labels(labels: Int64[np.ndarray, "h w"], size: tuple[int, int]) -> Int64[np.ndarray, "H W"]:
    """Train ids brought to `size`, each pixel from the nearest."""
    height, width = size
    small = labels.astype(np.uint8)  # train ids and 255
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST_EXACT).astype(np.int64)
