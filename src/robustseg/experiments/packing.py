"""Counts as text: small enough to stand in a result's JSON, checked before anything is allocated or unpacked."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

MOST_BYTES = 2**28
"""Of one array, unpacked."""

DTYPE = "int32"


@dataclass(frozen=True)
class Packed:
    """An array of counts as plain values.

    Attributes:
        dtype: "int32", little endian.
        shape: Of the array.
        zlib_base64: Its bytes in row-major order, compressed by zlib, as base64.
    """

    dtype: str
    shape: tuple[int, ...]
    zlib_base64: str


def pack(counts: Tensor) -> Packed:
    """Counts of any shape, each below 2^31, as text."""
    data = counts.numpy().astype("<i4").tobytes()
    return Packed(DTYPE, tuple(counts.shape), base64.b64encode(zlib.compress(data, 9)).decode("ascii"))


def unpack(packed: Packed, shape: tuple[int, ...]) -> Tensor:
    """The counts, int64, which must have the shape that belongs to the rest of the file.

    Raises:
        ValueError: Type or shape are not those that are due, the text is no such array, or a count is negative.
    """
    if packed.dtype != DTYPE or packed.shape != shape:
        raise ValueError(f"counts are {packed.dtype} {packed.shape}, not {DTYPE} {shape}")
    size = 4 * math.prod(shape)
    if size > MOST_BYTES or len(packed.zlib_base64) > 2 * MOST_BYTES:
        raise ValueError(f"counts of {size} bytes are more than the {MOST_BYTES} that make sense")
    try:
        reader = zlib.decompressobj()
        data = reader.decompress(base64.b64decode(packed.zlib_base64, validate=True), size + 1)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"counts are damaged ({error})") from error
    if len(data) != size or reader.unused_data or not reader.eof:
        raise ValueError(f"counts are damaged: they are not the {size} bytes of an array {shape}")
    counts = torch.from_numpy(np.frombuffer(data, "<i4").reshape(shape).astype(np.int64))
    if bool((counts < 0).any()):
        raise ValueError("counts are damaged: some are negative")
    return counts
