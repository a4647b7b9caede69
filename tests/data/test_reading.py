"""Reading: every format gives the exact values in RGB order, and every kind of damage one clear error."""

import os
import struct
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from robustseg.data import reading
from robustseg.data.reading import read_image, read_labels, read_modality
from robustseg.modalities import Modality

DRAW = np.random.default_rng(0)
COLOUR8 = DRAW.integers(0, 256, (5, 7, 3), dtype=np.uint8)
COLOUR16 = DRAW.integers(0, 65536, (5, 7, 3), dtype=np.uint16)
FLOATS = DRAW.normal(size=(5, 7, 3)).astype(np.float32)


def write_opencv(path: Path, rgb: np.ndarray) -> Path:
    order = [2, 1, 0, 3][: rgb.shape[2]] if rgb.shape[2] > 1 else [0]
    assert cv2.imwrite(str(path), rgb[..., order])
    return path


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("image", [COLOUR8, COLOUR8[..., :1], COLOUR16, COLOUR16[..., :1]])
def test_integer_images_are_exact_and_rgb(tmp_path: Path, suffix: str, image: np.ndarray) -> None:
    read = read_image(write_opencv(tmp_path / f"image.{suffix}", image))
    assert read.dtype == image.dtype
    assert np.array_equal(read, image)


@pytest.mark.parametrize("image", [FLOATS, FLOATS[..., :1], FLOATS.astype(np.float64)])
def test_float_tiff_is_exact(tmp_path: Path, image: np.ndarray) -> None:
    assert np.array_equal(read_image(write_opencv(tmp_path / "image.tif", image)), image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_comes_last(tmp_path: Path, dtype: type) -> None:
    image = DRAW.integers(0, 256, (4, 4, 4)).astype(dtype)
    assert np.array_equal(read_image(write_opencv(tmp_path / "image.png", image)), image)


def test_jpeg_is_rgb(tmp_path: Path) -> None:
    Image.new("RGB", (16, 8), (250, 100, 5)).save(tmp_path / "image.jpg", quality=95)
    read = read_image(tmp_path / "image.jpg")
    assert read.shape == (8, 16, 3)
    assert np.abs(read.astype(int) - (250, 100, 5)).max() <= 3


@pytest.mark.parametrize("image", [FLOATS, FLOATS[..., 0], COLOUR16, FLOATS.astype(">f8"), COLOUR8[..., 0] > 100])
def test_arrays(tmp_path: Path, image: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", image)
    np.savez_compressed(tmp_path / "one.npz", depth=image)
    np.savez(tmp_path / "first.npz", image, other=np.zeros(3))
    expected = image if image.ndim == 3 else image[..., None]
    for name in ("a.npy", "one.npz", "first.npz"):
        assert np.array_equal(read_image(tmp_path / name), expected)
        assert read_image(tmp_path / name).dtype.isnative


def test_palette_gives_colours_or_indices(tmp_path: Path) -> None:
    image = Image.fromarray(np.uint8([[0, 1], [2, 1]]), mode=None).convert("P")
    image.putdata([0, 1, 2, 1])
    image.putpalette([9, 8, 7, 10, 20, 30, 1, 2, 3])
    image.save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png")[0].tolist() == [[9, 8, 7], [10, 20, 30]]
    assert read_image(tmp_path / "p.png", indices=True)[..., 0].tolist() == [[0, 1], [2, 1]]


def test_one_bit_image(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "mask.png")
    assert read_image(tmp_path / "mask.png").ravel().tolist() == [255, 0]
    assert read_labels(tmp_path / "mask.png", {0: 0, 1: 1}).tolist() == [[1, 0]]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits_gives_ids_as_stored(tmp_path: Path, bits: int) -> None:
    stored = np.linspace(0, 2**bits - 1, 8).astype(int)
    row = np.packbits((stored[:, None] >> np.arange(bits)[::-1]) & 1)  # the highest bit of each pixel first
    header = struct.pack(">IIBBBBB", 8, 1, bits, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + row.tobytes())), (b"IEND", b""))
    (tmp_path / "grey.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks))
    assert read_image(tmp_path / "grey.png", indices=True).ravel().tolist() == stored.tolist()
    assert read_image(tmp_path / "grey.png").max() == 255


def test_labels_in_tiff_files(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "mask.tif")
    assert read_labels(tmp_path / "mask.tif", {0: 0, 1: 1}).tolist() == [[1, 0]]
    Image.new("P", (2, 2)).save(tmp_path / "palette.tif")
    with pytest.raises(ValueError, match=r"palette.* do not give their ids: store labels as PNG"):
        read_labels(tmp_path / "palette.tif", {0: 0})


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_signed_tiff_is_exact_and_rgb(tmp_path: Path, dtype: type, channels: int) -> None:
    image = DRAW.integers(-100, 100, (4, 5, channels)).astype(dtype)
    assert np.array_equal(read_image(write_opencv(tmp_path / "image.tif", image)), image)


@pytest.mark.parametrize(("tag", "value", "bands"), [(277, 5, 5), (262, 1, 4)])  # bands; no colours, so one is read
def test_bands_that_opencv_does_not_read_are_not_lost(tmp_path: Path, tag: int, value: int, bands: int) -> None:
    Image.new("RGBA", (8, 8)).save(tmp_path / "image.tif")
    content, old = (tmp_path / "image.tif").read_bytes(), {277: 4, 262: 2}[tag]
    entry = struct.pack("<HHIH", tag, 3, 1, old)
    assert entry in content
    (tmp_path / "image.tif").write_bytes(content.replace(entry, struct.pack("<HHIH", tag, 3, 1, value)))
    with pytest.raises(ValueError, match=f"TIFF files with {bands} such bands are not supported: store them as NPY"):
        read_image(tmp_path / "image.tif")


@pytest.mark.parametrize("name", ["image.png", "deep.png", "image.jpg", "image.tif", "float.tif", "a.npy", "a.npz"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.9])
@pytest.mark.filterwarnings("error")
def test_truncated_files_are_named(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, share: float) -> None:
    large = DRAW.integers(0, 65536, (40, 50, 3), dtype=np.uint16)
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, large)
    elif name.endswith("npz"):
        np.savez_compressed(path, large)
    else:
        write_opencv(path, large if "deep" in name else FLOATS if "float" in name else (large >> 8).astype(np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=f"{name} cannot be read: ."):
        read_image(path)
    assert capfd.readouterr() == ("", "")  # decoders keep quiet


def test_missing_folder_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.png does not exist"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(ValueError, match="cannot be read"):
        read_image(tmp_path)
    (tmp_path / "text.png").write_text("hello, this is no image at all, whatever its name says")
    with pytest.raises(ValueError, match=r"text\.png cannot be read: it is damaged, or no PNG"):
        read_image(tmp_path / "text.png")


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="array of object"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("array", [np.zeros(4), np.zeros((0, 3)), np.zeros((2, 2, 0)), np.zeros((2, 2), complex)])
def test_arrays_that_are_no_images(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=r"a\.npy cannot be read"):
        read_image(tmp_path / "a.npy")


def test_several_arrays_are_ambiguous(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=FLOATS, y=FLOATS)
    with pytest.raises(ValueError, match=r"one is needed, or one called arr_0"):
        read_image(tmp_path / "a.npz")


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(height: int, width: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [9000, 10_000, 60_000])
def test_bombs_are_refused_from_their_header(tmp_path: Path, side: int) -> None:
    (tmp_path / "bomb.png").write_bytes(png_header(side, side) + struct.pack(">I", 9) + b"IDAT" + b"x" * 13)
    with pytest.raises(ValueError, match=r"bomb\.png cannot be read.*pixels"):
        read_image(tmp_path / "bomb.png")
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({side}, {side}), }}".ljust(117) + "\n"
    (tmp_path / "bomb.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode())
    with pytest.raises(ValueError, match=r"bomb\.npy cannot be read.*pixels"):
        read_image(tmp_path / "bomb.npy")


def test_limit_counts_for_every_format(tmp_path: Path) -> None:
    paths = [write_opencv(tmp_path / name, COLOUR16) for name in ("a.png", "a.tif")]
    np.save(tmp_path / "a.npy", COLOUR16)
    for path in [*paths, tmp_path / "a.npy"]:
        assert read_image(path, max_pixels=35).shape == (5, 7, 3)
        with pytest.raises(ValueError, match="5x7 is more than 34 pixels"):
            read_image(path, max_pixels=34)


def test_modality_applies_scale_and_offset(tmp_path: Path) -> None:
    path = write_opencv(tmp_path / "depth.png", COLOUR16[..., :1])
    depth = Modality("depth", unit="m", scale=0.5, offset=-3.0)
    image = read_modality(depth, {"depth": path})
    assert image.dtype == np.float32
    assert np.array_equal(image, np.stack([COLOUR16[..., 0] * 0.5 - 3] * 3))


def test_modality_names_the_file_of_bad_values(tmp_path: Path) -> None:
    bad = FLOATS.copy()
    bad[0, 0] = np.nan, np.inf, 1
    np.save(tmp_path / "a.npy", bad)
    with pytest.raises(ValueError, match=r"a\.npy: 2 values are not finite"):
        read_modality(Modality("event"), {"event": tmp_path / "a.npy"})


def test_labels(tmp_path: Path) -> None:
    path = write_opencv(tmp_path / "labels.png", np.uint16([[[7], [300]], [[1], [255]]]))
    labels = read_labels(path, {7: 0, 300: 1, 1: 0, 255: 255})
    assert labels.dtype == np.int64
    assert labels.tolist() == [[0, 1], [0, 255]]
    with pytest.raises(ValueError, match=r"labels\.png: unknown label ids \[1, 300\]"):
        read_labels(path, {7: 0, 255: 255})


def test_negative_ids_can_be_ignored(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.array([[0, -1, 4]]))
    assert read_labels(tmp_path / "labels.npy", {-1: 255, 0: 0, 4: 1}).tolist() == [[0, 255, 1]]
    with pytest.raises(ValueError, match=r"unknown label ids \[4\]"):
        read_labels(tmp_path / "labels.npy", {-1: 255, 0: 0, 5: 1})


@pytest.mark.parametrize("value", [-1, 65536, 70000])
def test_labels_outside_16_bits_are_unknown(tmp_path: Path, value: int) -> None:
    np.save(tmp_path / "labels.npy", np.array([[0, value]]))
    with pytest.raises(ValueError, match=rf"unknown label ids \[{value}\]"):
        read_labels(tmp_path / "labels.npy", {0: 0})


def test_label_images_hold_one_id_per_pixel(tmp_path: Path) -> None:
    grey = np.repeat(np.uint8([[[1], [2]]]), 4, axis=2)
    grey[..., 3] = 255
    path = write_opencv(tmp_path / "labels.png", grey)
    assert read_labels(path, {1: 0, 2: 1}).tolist() == [[0, 1]]
    write_opencv(path, COLOUR8)
    with pytest.raises(ValueError, match="its 3 channels differ"):
        read_labels(path, {})
    np.save(tmp_path / "labels.npy", FLOATS[..., 0])
    with pytest.raises(ValueError, match=r"labels\.npy is no label image: its values are float32"):
        read_labels(tmp_path / "labels.npy", {})


def test_bytes_are_limited_however_small_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [write_opencv(tmp_path / name, COLOUR16) for name in ("a.png", "a.tif")]
    np.save(tmp_path / "a.npy", COLOUR16)
    np.savez_compressed(tmp_path / "a.npz", COLOUR16)
    for path in [*paths, tmp_path / "a.npy", tmp_path / "a.npz"]:
        monkeypatch.setattr(reading, "MAX_BYTES", 210)
        assert read_image(path).nbytes == 210
        monkeypatch.setattr(reading, "MAX_BYTES", 209)
        with pytest.raises(ValueError, match="5x7 at 48 bits a pixel is more than 209 bytes"):
            read_image(path)


def test_an_array_in_a_zip_is_not_unpacked_if_it_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\x93NUMPY\2\0" + struct.pack("<I", 10**6) + b" " * 10**6)
    with pytest.raises(ValueError, match=r"a\.npy is larger than 1000 bytes"):
        read_image(tmp_path / "a.npz")


def tiled(side: int) -> bytes:
    """A TIFF file of 10x10 grey pixels in one tile, which is not all there."""
    fields = {256: 10, 257: 10, 258: 8, 259: 1, 262: 1, 277: 1, 322: side, 323: side, 324: 200, 325: 256}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields.items())
    return (b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(4)).ljust(200, b"\0") + bytes(256)


def test_tiles_may_be_larger_than_the_image_but_not_by_far(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    path.write_bytes(tiled(16))
    assert read_image(path).shape == (10, 10, 1)
    path.write_bytes(tiled(16_000))  # a gigabyte, to be filled before it is known to be damaged
    with pytest.raises(ValueError, match=r"image\.tif cannot be read: its tiles of 16000x16000 are far larger"):
        read_image(path)


@pytest.mark.parametrize("places", [(0, 1), (1, 0)])
def test_a_png_file_has_one_header_and_it_comes_first(tmp_path: Path, capfd, places: tuple[int, int]) -> None:
    whole = write_opencv(tmp_path / "image.png", COLOUR16).read_bytes()
    header, rest = whole[8:33], whole[33:]
    other = (png_header(9000, 9000)[8:], png_chunk(b"tEXt", b"a\0b"))
    for more in other:
        pieces = (header, more)
        (tmp_path / "image.png").write_bytes(whole[:8] + b"".join(pieces[place] for place in places) + rest)
        if more == other[1] and places == (0, 1):
            assert np.array_equal(read_image(tmp_path / "image.png"), COLOUR16)
        else:
            with pytest.raises(ValueError, match=r"several headers, or starts with none|pixels"):
                read_image(tmp_path / "image.png")
    assert capfd.readouterr() == ("", "")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "image.png")
    with pytest.raises(ValueError, match=r"image\.png cannot be read: .* is no ordinary file"):
        read_image(tmp_path / "image.png")


def test_what_a_file_holds_in_place_of_a_name_is_not_quoted_at_length(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", FLOATS)
    content = (tmp_path / "a.npz").read_bytes()
    place = content.index(b"PK\3\4")
    (tmp_path / "a.npz").write_bytes(content[: place + 26] + struct.pack("<H", 600) + content[place + 28 :])
    with pytest.raises(ValueError, match=r"a\.npz cannot be read") as caught:
        read_image(tmp_path / "a.npz")
    assert len(str(caught.value)) < 1100 + len(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_size_in_letters_is_none(tmp_path: Path) -> None:
    content = tiled(16).replace(struct.pack("<HH", 256, 4), struct.pack("<HH", 256, 1))  # bytes, not a number
    (tmp_path / "image.tif").write_bytes(content)
    with pytest.raises(ValueError, match=r"image\.tif cannot be read: its header does not say how large it is"):
        read_image(tmp_path / "image.tif")
