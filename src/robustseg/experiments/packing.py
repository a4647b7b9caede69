"""Counts as text: small enough to stand in a result's JSON, checked before anything is allocated or unpacked.

Half as large as counts packed as they are, because neighbours are alike: pixels of a class (TP + FN) take the place of
TP, as a frame has as many whatever the subset; subsets come last; and bytes of equal significance lie together.

Shapes: F frames, S subsets, K classes; the last axis of counts is TP, FP, FN.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64, Integer
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
        zlib_base64: Its bytes, rearranged as the module says, compressed by zlib, as base64.
    """

    dtype: str
    shape: tuple[int, ...]
    zlib_base64: str


def pack(counts: Integer[Tensor, "F S K 3"]) -> Packed:
    """Counts below 2^31, as text."""
    tp, fp, fn = counts.numpy().astype("<i4").transpose(3, 0, 2, 1)  # each F K S
    planes = np.stack([tp + fn, fp, fn]).astype("<i4").reshape(-1, 1).view(np.uint8).T  # 4 bytes, one plane each
    data = base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")
    return Packed(DTYPE, tuple(counts.shape), data)


def unpack(packed: Packed, shape: tuple[int, int, int, int]) -> Int64[Tensor, "F S K 3"]:
    """The counts, which must have the shape that belongs to the rest of the file.

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
    F, S, K, _ = shape
    planes = np.frombuffer(data, np.uint8).reshape(4, -1)
    pixels, fp, fn = np.ascontiguousarray(planes.T).view("<i4").astype(np.int64).reshape(3, F, K, S)
    counts = np.stack([pixels - fn, fp, fn], axis=-1).transpose(0, 2, 1, 3)  # F S K 3
    if (counts < 0).any():
        raise ValueError("counts are damaged: some are negative")
    return torch.from_numpy(np.ascontiguousarray(counts))
