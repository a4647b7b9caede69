"""Counts as text: they come back, and what is damaged or too large is refused before it takes memory."""

import base64
import zlib
from dataclasses import replace

import pytest
import torch

from robustseg.experiments import packing
from robustseg.experiments.packing import Packed, pack, unpack

COUNTS = torch.arange(24).view(2, 2, 2, 3)


def test_counts_come_back():
    packed = pack(COUNTS)
    assert (packed.dtype, packed.shape) == ("int32", (2, 2, 2, 3))
    assert torch.equal(unpack(packed, (2, 2, 2, 3)), COUNTS)


def test_a_file_of_many_subsets_is_small():
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 900, (50, 1, 10), generator=draw)
    tp = (pixels * torch.rand(50, 15, 10, generator=draw)).long()
    fp = torch.randint(0, 200, (50, 15, 10), generator=draw)
    counts = torch.stack([tp, fp, pixels - tp], dim=-1)
    packed = pack(counts)
    assert torch.equal(unpack(packed, (50, 15, 10, 3)), counts)
    plain = base64.b64encode(zlib.compress(counts.int().numpy().tobytes(), 9))
    assert len(packed.zlib_base64) < 0.7 * len(plain)


def text(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dtype": "int64"}, "not int32"),
        ({"shape": (2, 2, 3, 2)}, "counts are int32"),
        ({"zlib_base64": "?"}, "damaged"),
        ({"zlib_base64": base64.b64encode(b"no zlib").decode()}, "damaged"),
        ({"zlib_base64": text(bytes(95))}, "not the 96 bytes"),
        ({"zlib_base64": text(bytes(97))}, "not the 96 bytes"),
        ({"zlib_base64": text(bytes(10_000_000))}, "not the 96 bytes"),
        ({"zlib_base64": base64.b64encode(zlib.compress(bytes(96)) + b"more").decode()}, "not the 96 bytes"),
        ({"zlib_base64": text(b"\xff" * 96)}, "negative"),
    ],
)
def test_what_is_damaged_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        unpack(replace(pack(COUNTS), **change), (2, 2, 2, 3))


def test_too_large_a_shape_is_refused_before_anything_is_unpacked(monkeypatch):
    monkeypatch.setattr(packing.zlib, "decompressobj", None)
    shape = (10**6, 15, 20, 3)
    with pytest.raises(ValueError, match="make sense"):
        unpack(Packed("int32", shape, "AAAA"), shape)
