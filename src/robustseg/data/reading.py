"""Files to arrays: PNG, JPEG, TIFF, NPY and NPZ of 8 and 16 bits and floats, in the order red, green, blue.

Nothing here runs a pickle, and an image's size is read from its header before memory is taken for it. What a file is
stands in its first bytes; its name does not matter. Letters: `H W` size, `C` channels of a file.
"""

from __future__ import annotations

import math
import struct
import warnings
import zipfile
from collections.abc import Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from jaxtyping import Float32, Int64, Integer, Shaped
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from robustseg.data.channels import compose
from robustseg.files import check_ordinary, one_line
from robustseg.labels import unknown_ids
from robustseg.modalities import Modality

MAX_PIXELS = 2**26
"""Larger images (more than 8192 x 8192) are refused before they are decoded."""

MAX_BYTES = 2**28
"""So are images and arrays of more bytes, of all channels together, however small their compressed file is."""

MOST_BANDS = 4
"""More than OpenCV decodes from a TIFF file; arrays may have any number."""

LARGEST_TILE = 1024
"""Of the side of a tile of a TIFF file, unless the image is larger: a whole tile is decoded, whatever is seen of it."""

LONGEST_REASON = 1000
"""Letters; decoders quote what they find in a file, however long it is."""

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # classic and BigTIFF, both byte orders
_ZIP = (b"PK\3\4", b"PK\5\6")


def read_image(path: Path, *, indices: bool = False, max_pixels: int = MAX_PIXELS) -> Shaped[np.ndarray, "H W C"]:
    """The file's values as stored: red, green, blue (and alpha) in this order, grey as one channel.

    Args:
        path: A PNG, JPEG or TIFF file, an NPY file, or an NPZ file with one array or one called `arr_0`. Arrays are
            "H W" or "H W C".
        indices: A palette image and grey of less than 8 bits give their stored numbers (what labels need), instead of
            colours and of grey that is spread over 0..255.
        max_pixels: Refuse images with more than so many.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read: damaged, too large, or of no known format.
    """
    try:
        check_ordinary(path)
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about files that are refused here
            return _read(stream, path, indices, max_pixels)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist") from None
    except UnidentifiedImageError:
        raise ValueError(f"{path} cannot be read: it is damaged, or no PNG, JPEG, TIFF, NPY or NPZ file") from None
    except Exception as error:  # decoders of damaged files raise nearly anything
        reason = one_line(str(error)) or type(error).__name__
        raise ValueError(f"{path} cannot be read: {reason[:LONGEST_REASON]}") from error


def in_unit(stored: Shaped[np.ndarray, "H W C"], modality: Modality) -> Float32[np.ndarray, "H W C"]:
    """A file's values in the modality's unit: scale * stored value + offset.

    Raises:
        ValueError: There are values that are not finite.
    """
    with np.errstate(over="ignore"):
        values = stored.astype(np.float32)
    if stored.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(values))} values are not finite")
    if (modality.scale, modality.offset) != (1.0, 0.0):
        values = values * np.float32(modality.scale) + np.float32(modality.offset)
    return values


def read_modality(modality: Modality, paths: Mapping[str, Path]) -> Float32[np.ndarray, "3 H W"]:
    """One modality of one frame, in its unit, from the file of each of its keys.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: A file cannot be read, is not finite, has another size or not the channels that are asked for.
    """
    stored = {key: read_image(path) for key, path in paths.items()}
    try:
        return compose(modality, {key: in_unit(image, modality) for key, image in stored.items()})
    except ValueError as error:
        named = ", ".join(map(str, paths.values()))
        raise ValueError(f"modality {modality.name!r} from {named}: {error}") from error


def read_ids(path: Path) -> Integer[np.ndarray, "H W"]:
    """The ids of a label file: one channel of integers, or a colour image whose channels are all equal.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read or is no label image.
    """
    image = read_image(path, indices=True)
    if image.dtype.kind not in "ui":
        raise ValueError(f"{path} is no label image: its values are {image.dtype}, not integers")
    colours = image[..., : -1 if image.shape[2] in (2, 4) else None]  # without alpha
    if (colours != colours[..., :1]).any():
        raise ValueError(f"{path} is no label image: its {colours.shape[2]} channels differ; store one id per pixel")
    return np.ascontiguousarray(colours[..., 0])


def train_ids(ids: Integer[np.ndarray, "H W"], table: dict[int, int]) -> Int64[np.ndarray, "H W"]:
    """The train id of every file id.

    Raises:
        ValueError: `table` does not know an id.
    """
    lowest, highest = min(table), max(table)
    lookup = np.full(highest - lowest + 1, -1, np.int64)
    lookup[np.array(list(table)) - lowest] = list(table.values())
    known = ids.min() >= lowest and ids.max() <= highest
    found = lookup[np.subtract(ids, lowest, dtype=np.int64)] if known else None
    if found is None or found.min() < 0:
        raise ValueError(
            f"unknown label ids {unknown_ids(ids, table)}: list them in `data.ignore_ids` or, where the recipe names "
            "the classes, give them to one"
        )
    return found


def read_labels(path: Path, table: dict[int, int]) -> Int64[np.ndarray, "H W"]:
    """A label file as train ids.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read, is no label image, or holds an id that `table` does not know.
    """
    ids = read_ids(path)
    try:
        return train_ids(ids, table)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read(stream: IO[bytes], path: Path, indices: bool, max_pixels: int) -> np.ndarray:
    start = stream.read(26)
    stream.seek(0)
    if start.startswith(b"\x93NUMPY"):
        image = _read_npy(stream, max_pixels)
    elif start.startswith(_ZIP):
        image = _read_npz(path, max_pixels)
    elif start.startswith(_TIFF):
        image = _read_tiff(stream, path, indices, max_pixels)
    else:
        image = _read_pillow(stream, path, start, indices, max_pixels)
    return image if image.ndim == 3 else image[..., None]


def _read_pillow(stream: IO[bytes], path: Path, start: bytes, indices: bool, max_pixels: int) -> np.ndarray:
    with Image.open(stream, formats=("PNG", "JPEG")) as image:
        if image.format == "PNG" and start[12:24] != b"IHDR" + struct.pack(">II", *image.size):
            raise ValueError("it has several headers, or starts with none")
        bits = start[24] if image.format == "PNG" else 8
        _check_size(image.height, image.width, max_pixels, len(image.getbands()) * max(bits, 8))
        if bits == 16 and start[25] != 0:
            image.verify()  # chunks and checksums; OpenCV would complain of damage by printing, too
            return _read_opencv(path)  # Pillow keeps only the high byte of 16-bit colour
        if image.mode in ("P", "1") and not indices:
            image = image.convert("RGB" if image.mode == "P" else "L")
        if image.mode in ("CMYK", "YCbCr"):
            image = image.convert("RGB")
        pixels = np.asarray(image)
    if indices and image.mode == "L" and bits < 8:
        return pixels // (255 // (2**bits - 1))  # Pillow spreads grey of few bits over 0..255
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


def _read_tiff(stream: IO[bytes], path: Path, indices: bool, max_pixels: int) -> np.ndarray:
    tags = _tiff_tags(stream)
    height, width = tags.get(TiffImagePlugin.IMAGELENGTH), tags.get(TiffImagePlugin.IMAGEWIDTH)
    bands, bits = tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1), max(tags.get(TiffImagePlugin.BITSPERSAMPLE) or (1,))
    tile_height, tile_width = tags.get(TiffImagePlugin.TILELENGTH, 0), tags.get(TiffImagePlugin.TILEWIDTH, 0)
    others = all(isinstance(number, int) for number in (bands, bits, tile_height, tile_width))
    if not (isinstance(height, int) and isinstance(width, int) and others):
        raise ValueError("its header does not say how large it is")
    _check_size(height, width, max_pixels, bands * bits)
    if tile_height > max(height, LARGEST_TILE) or tile_width > max(width, LARGEST_TILE):
        raise ValueError(f"its tiles of {tile_height}x{tile_width} are far larger than its {height}x{width} pixels")
    white_is_zero, palette = (tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == scheme for scheme in (0, 3))
    if indices and (palette or (white_is_zero and bits > 1)):
        raise ValueError("palette and white-is-zero TIFF files do not give their ids: store labels as PNG")
    image = _read_opencv(path) if bands <= MOST_BANDS else None
    if image is None or not (palette or bands == math.prod(image.shape[2:])):
        raise ValueError(f"TIFF files with {bands} such bands are not supported: store them as NPY")
    return (image > 0).astype(np.uint8) if indices and bits == 1 else image


def _read_opencv(path: Path) -> np.ndarray:
    loudness = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the error raised here says it all
    try:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    finally:
        cv2.utils.logging.setLogLevel(loudness)
    if image is None:
        raise ValueError("damaged, or a variant of its format that OpenCV does not know")
    if image.ndim == 2:
        return image
    return image[..., [2, 1, 0, 3][: image.shape[2]]]  # cvtColor does not take every type


def _read_npy(stream: IO[bytes] | BufferedIOBase, max_pixels: int) -> np.ndarray:
    old = np.lib.format.read_magic(stream) == (1, 0)
    read_header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.kind not in "buif" or len(shape) not in (2, 3):
        raise ValueError(f'an array of {dtype} with shape {shape} is no image; numbers "H W" or "H W C" are')
    channels = math.prod(shape[2:])
    if channels < 1:
        raise ValueError(f"an array of shape {shape} has no channels")
    _check_size(shape[0], shape[1], max_pixels, 8 * channels * dtype.itemsize)
    stream.seek(0)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    return array.astype(np.uint8 if array.dtype == bool else array.dtype.newbyteorder("="), copy=False)


def _read_npz(path: Path, max_pixels: int) -> np.ndarray:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        name = names[0] if len(names) == 1 else "arr_0.npy"
        if name not in names:
            raise ValueError(f"it holds the arrays {', '.join(names)}; one is needed, or one called arr_0")
        if archive.getinfo(name).file_size > MAX_BYTES + 2**16:  # a header may claim any length, too
            raise ValueError(f"the array {name} is larger than {MAX_BYTES} bytes")
        with archive.open(name) as stream:
            return _read_npy(stream, max_pixels)


def _tiff_tags(stream: IO[bytes]) -> TiffImagePlugin.ImageFileDirectory_v2:
    """What a TIFF file's header says of its first image."""
    start = stream.read(8)
    if start[2 if start[:2] == b"II" else 3] == 43:
        start += stream.read(8)  # BigTIFF
    directory = TiffImagePlugin.ImageFileDirectory_v2(start)
    stream.seek(directory.next)
    directory.load(stream)
    return directory


def _check_size(height: int, width: int, max_pixels: int, bits: int) -> None:
    """Raises ValueError for an image without pixels, with too many of them, or with too many bits a pixel."""
    if height < 1 or width < 1:
        raise ValueError(f"it has no pixels ({height}x{width})")
    if height * width > max_pixels:
        raise ValueError(f"{height}x{width} is more than {max_pixels} pixels")
    if height * width * bits > 8 * MAX_BYTES:
        raise ValueError(f"{height}x{width} at {bits} bits a pixel is more than {MAX_BYTES} bytes")
