"""NPZ files with one array for each modality: one frame a file, or many along a leading axis.

Letters: `F` frames, `H W` size, `C` channels.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Shaped

from robustseg.data.reading import MAX_BYTES, MAX_PIXELS, in_unit
from robustseg.deploy.sources.source import Images, Part, SourceFrame, composed, decoded, find_parts, of_one_size
from robustseg.files import one_line
from robustseg.modalities import Modality

Stream = IO[bytes] | BufferedIOBase

MOST_CHANNELS = 4
"""An array of three axes is one image if its last axis is no longer, else frames of one channel."""

DAMAGED = (ValueError, OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""What Python raises of damaged, encrypted and exotic archives."""


@dataclass(frozen=True)
class Layout:
    """What an array's header says.

    Attributes:
        frames: How many; None = one image without a leading axis.
        shape: Of one frame.
        dtype: Of its values.
    """

    frames: int | None
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """Of one frame."""
        return math.prod(self.shape) * self.dtype.itemsize


class ArrayFiles:
    """NPZ files whose arrays are called like the modalities and hold stored values, as dataset files do.

    An array is "H W", "H W C" (at most 4 channels), "F H W" or "F H W C"; all arrays of a file agree in their frames.
    Sizes are looked up before memory is taken, and one frame is in memory at a time.

    Args:
        paths: Frame or sequence -> file.
        modalities: The model's.
        resize: Bring all images of a frame to the leading one's size.
    """

    rate = None
    notes = ()

    def __init__(self, paths: dict[str, Path], modalities: Sequence[Modality], *, resize: bool) -> None:
        self.paths = paths
        self.files = tuple(paths.values())
        self.modalities = modalities
        self.resize = resize
        self.length = len(paths) if len(paths) > 1 else self._count(next(iter(paths.values())))

    def __iter__(self) -> Iterator[SourceFrame]:
        """Reads the arrays side by side; a damaged file is one frame with an error, and stops no other file."""
        for name, path in self.paths.items():
            done = 0
            try:
                for frame in self._frames(name, path):
                    yield frame
                    done += 1
            except DAMAGED as error:
                place = f"{name}/{done:06d}" if done else name
                yield SourceFrame(place, {}, error=one_line(f"{path} cannot be read: {error}"))

    def _count(self, path: Path) -> int | None:
        try:
            with ExitStack() as stack:
                return _frames_of(_open(path, self.modalities, stack)[1]) or 1
        except DAMAGED:
            return None  # told when the file is read

    def _frames(self, name: str, path: Path) -> Iterator[SourceFrame]:
        with ExitStack() as stack:
            streams, layouts = _open(path, self.modalities, stack)
            frames = _frames_of(layouts)
            for number in range(1 if frames is None else frames):
                stored = {part: _next(stream, layouts[part]) for part, stream in streams.items()}
                yield decoded(
                    name if frames is None else f"{name}/{number:06d}", lambda stored=stored: self._images(stored)
                )

    def _images(self, stored: dict[Part, Shaped[np.ndarray, "H W C"]]) -> Images:
        known = {modality.name: modality for modality in self.modalities}
        values = {part: in_unit(array, known[part.modality]) for part, array in stored.items()}
        return of_one_size(composed(values, self.modalities), self.modalities, resize=self.resize)


def _open(
    path: Path, modalities: Sequence[Modality], stack: ExitStack
) -> tuple[dict[Part, Stream], dict[Part, Layout]]:
    """Each array's stream, behind its header, and what the header says."""
    archive = stack.enter_context(zipfile.ZipFile(path))
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    if not names:
        raise ValueError("it holds no array")
    parts = find_parts(names, modalities)
    streams: dict[Part, Stream] = {}
    layouts: dict[Part, Layout] = {}
    for name, part in parts.items():
        streams[part] = stack.enter_context(archive.open(f"{name}.npy"))
        try:
            layouts[part] = _layout(streams[part])
        except ValueError as error:
            raise ValueError(f"array {name!r}: {error}") from error
    return streams, layouts


def _layout(stream: Stream) -> Layout:
    old = np.lib.format.read_magic(stream) == (1, 0)
    read_header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    shape, columns_first, dtype = read_header(stream)
    several = len(shape) == 4 or (len(shape) == 3 and shape[2] > MOST_CHANNELS)
    frame = shape[several:]
    if dtype.kind not in "buif" or not 2 <= len(frame) <= 3 or 0 in shape:
        raise ValueError(f"{dtype} of shape {shape} is no image; numbers of H W, H W C, F H W or F H W C are")
    if columns_first:
        raise ValueError("it is stored column by column: save np.ascontiguousarray of it")
    layout = Layout(shape[0] if several else None, frame, dtype)
    if frame[0] * frame[1] > MAX_PIXELS or layout.bytes > MAX_BYTES:
        raise ValueError(f"an image of shape {frame} is more than {MAX_PIXELS} pixels or {MAX_BYTES} bytes")
    return layout


def _frames_of(layouts: dict[Part, Layout]) -> int | None:
    """How many frames all arrays have; None = one without a leading axis."""
    counts = {layout.frames for layout in layouts.values()}
    if len(counts) != 1:
        listed = ", ".join(f"{part.modality} {layout.frames or 'a single image'}" for part, layout in layouts.items())
        raise ValueError(f"the arrays differ in their number of frames: {listed}")
    return counts.pop()


def _next(stream: Stream, layout: Layout) -> Shaped[np.ndarray, "H W C"]:
    data = stream.read(layout.bytes)
    if len(data) != layout.bytes:
        raise ValueError("it ends in the middle of an array")
    array = np.frombuffer(data, layout.dtype).reshape(layout.shape)
    array = array.astype(np.uint8) if array.dtype == bool else array.astype(array.dtype.newbyteorder("="), copy=False)
    return array if array.ndim == 3 else array[..., None]
