"""Images inside a page: label maps as palette PNGs, pictures as JPEGs, both as data URIs.

Shapes: H W size.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Integer, UInt8
from PIL import Image

from robustseg.labels import IGNORE, LabelClass


def label_uri(labels: Integer[np.ndarray, "H W"], classes: Sequence[LabelClass], width: int) -> str:
    """Train ids as a PNG with the classes' colors, at most so wide; what is no class is transparent."""
    image = Image.fromarray(fitted(labels.astype(np.uint8), fitting(labels.shape, width), labels=True))
    colors = np.zeros((256, 3), np.uint8)
    colors[: len(classes)] = [entry.color for entry in classes]
    image.putpalette(colors.tobytes())
    return _uri(image, "png", transparency=IGNORE)


def picture_uri(image: UInt8[np.ndarray, "H W 3"], width: int) -> str:
    """A picture as a JPEG, at most so wide."""
    small = fitted(image, fitting(image.shape, width), labels=False)
    return _uri(Image.fromarray(small), "jpeg", quality=84)


def fitting(shape: Sequence[int], width: int) -> tuple[int, int]:
    """Height and width of an image once it is at most so wide, in its proportions.

    Example:
        >>> fitting((768, 1024), 512), fitting((96, 128), 512)
        ((384, 512), (96, 128))
    """
    H, W = shape[:2]
    return (H, W) if width >= W else (max(1, round(H * width / W)), width)


def fitted(image: UInt8[np.ndarray, "H W *C"], size: tuple[int, int], *, labels: bool) -> UInt8[np.ndarray, "h w *C"]:
    """An image at a size; labels keep their ids, pictures are averaged."""
    if image.shape[:2] == size:
        return image
    method = cv2.INTER_NEAREST if labels else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, size[::-1], interpolation=method))


def _uri(image: Image.Image, kind: str, **options: object) -> str:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
