import io
import struct
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from robustseg.deploy.sources.messages import compressed_image, message_image, raw_image
from robustseg.deploy.sources.rig import ImageTopic
from robustseg.modalities import Modality

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (4, 6, 3), np.uint8)
ALPHA = RANDOM.integers(0, 256, (4, 6, 1), np.uint8)
COUNTS = RANDOM.integers(0, 60000, (4, 6), np.uint16)


@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "stored", "expected"),
    [
        ("rgb8", COLOUR, COLOUR),
        ("bgr8", COLOUR[..., ::-1], COLOUR),
        ("rgba8", np.concatenate([COLOUR, ALPHA], 2), np.concatenate([COLOUR, ALPHA], 2)),
        ("bgra8", np.concatenate([COLOUR[..., ::-1], ALPHA], 2), np.concatenate([COLOUR, ALPHA], 2)),
        ("mono8", COLOUR[..., 0], COLOUR[..., :1]),
        ("mono16", COUNTS, COUNTS[..., None]),
        ("16UC1", COUNTS, COUNTS[..., None]),
        ("32FC1", COUNTS.astype(np.float32) / 7, COUNTS[..., None].astype(np.float32) / 7),
    ],
)
def test_raw_encodings(ros2, encoding: str, stored: np.ndarray, expected: np.ndarray, pad: int) -> None:
    for big in (False, True):
        image = raw_image(ros2.image(stored, encoding, big=big, pad=pad))
        assert image.dtype == expected.dtype
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("order", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns(ros2, order: str) -> None:
    colour = {"r": 200, "g": 90, "b": 30}
    mosaic = np.tile(np.array([colour[letter] for letter in order], np.uint8).reshape(2, 2), (4, 5))
    image = raw_image(ros2.image(mosaic, f"bayer_{order}8"))
    np.testing.assert_array_equal(image, np.broadcast_to([200, 90, 30], (8, 10, 3)))


def test_bad_raw_images(ros2) -> None:
    with pytest.raises(ValueError, match="encoding 'yuv422' are not supported; rgb8, bgr8"):
        raw_image(ros2.image(COLOUR, "yuv422"))
    message = ros2.image(COLOUR, "rgb8")
    for changes in ({"height": 5}, {"step": 17}, {"step": 10**6}):
        with pytest.raises(ValueError, match="with rows of"):
            raw_image(SimpleNamespace(**(vars(message) | changes)))
    with pytest.raises(ValueError, match="or more than"):
        raw_image(SimpleNamespace(**(vars(message) | {"width": 2**20, "height": 2**20})))


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_compressed_images(ros2) -> None:
    np.testing.assert_array_equal(compressed_image(ros2.compressed(png(COLOUR), "png")), COLOUR)
    np.testing.assert_array_equal(
        compressed_image(ros2.compressed(png(COUNTS), "16UC1; png compressed ")), COUNTS[..., None]
    )
    stream = io.BytesIO()
    Image.fromarray(np.broadcast_to(np.uint8([200, 40, 90]), (16, 16, 3))).save(stream, "JPEG", quality=95)
    image = compressed_image(ros2.compressed(stream.getvalue(), "rgb8; jpeg compressed bgr8"))
    np.testing.assert_allclose(image, np.broadcast_to([200, 40, 90], (16, 16, 3)), atol=3)


def test_compressed_depth(ros2) -> None:
    header = struct.pack("<iff", 0, 0.0, 0.0)
    message = ros2.compressed(header + png(COUNTS), "16UC1; compressedDepth png")
    np.testing.assert_array_equal(compressed_image(message), COUNTS[..., None])
    metres = np.array([[0.8, 2.0, 10.0], [50.0, 1.0, 0.5]])
    a, b = 100.0 * (100.0 + 1), 1 - (100.0 + 1) / 100.0  # quantisation 100, at most 100 m, as the transport has it
    stored = np.rint(a / metres + b).astype(np.uint16)
    stored[1, 1] = 0
    message = ros2.compressed(struct.pack("<iff", 0, a, b) + png(stored), "32FC1; compressedDepth")
    metres[1, 1] = np.nan
    np.testing.assert_allclose(compressed_image(message)[..., 0], metres, rtol=0.01)
    for bad in ("16UC1; compressedDepth rvl", "8UC1; compressedDepth"):
        with pytest.raises(ValueError, match="is not supported"):
            compressed_image(ros2.compressed(header + png(COUNTS), bad))


def test_bad_compressed_images(ros2) -> None:
    good = png(RANDOM.integers(0, 256, (40, 60, 3), np.uint8))
    for data in (b"", b"GIF89a...", good[:20]):
        with pytest.raises(ValueError, match="is damaged"):
            compressed_image(ros2.compressed(data, "png"))
    for side, said in ((2**13, "or more than"), (2**15, "is too large")):
        chunk = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        claimed = good[:8] + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + good[33:]
        with pytest.raises(ValueError, match=said):
            compressed_image(ros2.compressed(claimed, "png"))


def test_units_and_what_was_not_measured(ros2) -> None:
    depth = Modality("depth", unit="m", missing=-1.0)
    metres = np.array([[1.5, np.nan], [np.inf, 4.0]], np.float32)
    image = message_image(ros2.image(metres, "32FC1"), ImageTopic("/d"), depth)
    assert image[..., 0].tolist() == [[1.5, -1.0], [-1.0, 4.0]]
    image = message_image(ros2.image(COUNTS, "16UC1"), ImageTopic("/d", scale=0.001, offset=2), depth)
    np.testing.assert_allclose(image[..., 0], COUNTS / 1000 + 2, rtol=1e-6)
