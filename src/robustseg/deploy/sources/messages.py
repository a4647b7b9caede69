"""Image messages of ROS to arrays: raw, compressed, and compressed depth.

Letters: `H W` size, `C` channels.
"""

from __future__ import annotations

import struct
import warnings
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, Shaped
from PIL import Image, UnidentifiedImageError

from robustseg.data.reading import MAX_BYTES, MAX_PIXELS
from robustseg.deploy.sources.bags import COMPRESSED
from robustseg.deploy.sources.rig import ImageTopic
from robustseg.modalities import Modality

ENCODINGS = {
    "rgb8": ("u1", (0, 1, 2)),
    "bgr8": ("u1", (2, 1, 0)),
    "rgba8": ("u1", (0, 1, 2, 3)),
    "bgra8": ("u1", (2, 1, 0, 3)),
    "mono8": ("u1", (0,)),
    "8UC1": ("u1", (0,)),
    "mono16": ("u2", (0,)),
    "16UC1": ("u2", (0,)),
    "32FC1": ("f4", (0,)),
}
"""Encoding -> type of a value, and where red, green, blue and alpha stand in a pixel."""

BAYER = {
    "bayer_rggb8": cv2.COLOR_BayerRGGB2RGB,
    "bayer_bggr8": cv2.COLOR_BayerBGGR2RGB,
    "bayer_gbrg8": cv2.COLOR_BayerGBRG2RGB,
    "bayer_grbg8": cv2.COLOR_BayerGRBG2RGB,
}

LARGEST = min(MAX_PIXELS, MAX_BYTES // 8)
"""Pixels of an image, which may have four channels of 16 bits."""

DEPTH_HEADER = struct.Struct("<iff")
"""Before the PNG of a compressed depth image: its kind, and a and b of depth = a / (stored - b)."""


def message_image(message: Any, topic: ImageTopic, modality: Modality) -> Float32[np.ndarray, "H W C"]:
    """A message's image in the modality's unit; floats that are not finite, no measurement, become its `missing`.

    Args:
        message: A sensor_msgs/Image or CompressedImage.
        topic: What to do with its values.
        modality: Whose unit.

    Raises:
        ValueError: Its encoding is not known, or it is damaged or too large.
    """
    stored = compressed_image(message) if message.__msgtype__ == COMPRESSED else raw_image(message)
    values = stored.astype(np.float32) * np.float32(topic.scale) + np.float32(topic.offset)
    return np.where(np.isfinite(values), values, np.float32(modality.missing))


def raw_image(message: Any) -> Shaped[np.ndarray, "H W C"]:
    """The values of a sensor_msgs/Image: red, green, blue (and alpha) in this order, or one channel.

    Raises:
        ValueError: Its encoding is not known, or its sizes do not fit each other.
    """
    bayer = BAYER.get(message.encoding)
    if message.encoding not in ENCODINGS and bayer is None:
        known = ", ".join((*ENCODINGS, *BAYER))
        raise ValueError(f"images of encoding {message.encoding!r} are not supported; {known} are")
    kind, order = ("u1", (0,)) if bayer is not None else ENCODINGS[message.encoding]
    dtype = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    _check_size(message.height, message.width)
    pixel = len(order) * dtype.itemsize
    if message.step < message.width * pixel or len(message.data) < message.step * message.height:
        raise ValueError(f"{message.height}x{message.width} {message.encoding} with rows of {message.step} bytes")
    strides = (message.step, pixel, dtype.itemsize)
    data = np.ascontiguousarray(message.data).tobytes()
    image = np.ndarray((message.height, message.width, len(order)), dtype, data, strides=strides)
    if bayer is not None:
        return cv2.cvtColor(np.ascontiguousarray(image[..., 0]), bayer)
    return image[..., list(order)].astype(dtype.newbyteorder("="), copy=False)


def compressed_image(message: Any) -> Shaped[np.ndarray, "H W C"]:
    """The values of a sensor_msgs/CompressedImage of JPEG or PNG; of compressed depth 16-bit counts, or m.

    Raises:
        ValueError: It is damaged, too large, or compressed in another way.
    """
    data = np.ascontiguousarray(message.data).tobytes()
    if "compressedDepth" in message.format:
        return _depth(data, message.format)
    return _decoded(data, message.format)


def _depth(data: bytes, format: str) -> Shaped[np.ndarray, "H W 1"]:
    """What compressed_depth_image_transport writes; where nothing was measured, 16-bit images hold 0, floats NaN."""
    encoding = format.partition(";")[0].strip()
    if encoding not in ("16UC1", "32FC1") or "rvl" in format or len(data) < DEPTH_HEADER.size:
        raise ValueError(f"compressed depth {format!r} is not supported; 16UC1 and 32FC1 as PNG are")
    _, a, b = DEPTH_HEADER.unpack_from(data)
    stored = _decoded(data[DEPTH_HEADER.size :], format)
    if stored.shape[2] != 1:
        raise ValueError(f"compressed depth has one channel, not {stored.shape[2]}")
    if encoding == "16UC1":
        return stored
    with np.errstate(divide="ignore"):
        return np.where(stored > 0, np.float32(a) / (stored.astype(np.float32) - np.float32(b)), np.float32(np.nan))


def _decoded(data: bytes, format: str) -> Shaped[np.ndarray, "H W C"]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about sizes that are refused here
            with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as header:  # reads no pixel yet
                _check_size(header.height, header.width)
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "too large" if isinstance(error, Image.DecompressionBombError) else "damaged, or neither JPEG nor PNG"
        raise ValueError(f"a compressed image ({format!r}) is {reason}") from error
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"a compressed image ({format!r}) is damaged")
    return image[..., None] if image.ndim == 2 else image[..., [2, 1, 0, 3][: image.shape[2]]]


def _check_size(height: int, width: int) -> None:
    if min(height, width) < 1 or height * width > LARGEST:
        raise ValueError(f"an image of {height}x{width} has no pixels, or more than {LARGEST}")
