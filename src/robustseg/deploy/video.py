"""Pictures one after the other as a video file.

Letters: `H W` size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from robustseg.files import check_ordinary, make_writable, no_room, put_in_place, temporary_of

VideoOut = Callable[[UInt8[np.ndarray, "H W 3"]], None]
"""Takes the next picture."""

DEFAULT_RATE = 10.0
RATES = (0.1, 600.0)


@contextmanager
def video_out(path: Path | None, rate: float | None, keep: Sequence[Path] = ()) -> Iterator[VideoOut]:
    """A function that appends pictures to an .mp4 file, which has the first one's size; others are scaled to it.

    The file gets its name when all is done: until then, and if the work fails or there is no picture, an earlier one of
    that name stays.

    Args:
        path: The file; None = the function does nothing.
        rate: Pictures a second, rounded to hundredths and kept within 0.1..600; None = 10.
        keep: Files that are there and must stay: it is none of them, by whatever name or link.

    Raises:
        ValueError: It is called otherwise, is one of `keep` or no ordinary file, or OpenCV cannot write it.
        OSError: There was no room for it.
    """
    if path is None:
        yield lambda picture: None
        return
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"--video writes .mp4 files, not {path.name}")
    if path.exists():
        check_ordinary(path)
        if any(path.samefile(kept) for kept in keep):
            raise ValueError(f"--video {path} is one of the inputs, and would replace it: give the film another name")
    make_writable(path.parent)
    temporary = temporary_of(path)
    try:
        with closing(_Film(temporary, min(max(round(rate or DEFAULT_RATE, 2), RATES[0]), RATES[1]))) as film:
            yield film.add
        if temporary.exists():
            _check_whole(temporary, path)
            put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _check_whole(written: Path, path: Path) -> None:
    """Raises OSError for a film that cannot be opened: OpenCV tells nobody of a full disk."""
    video = cv2.VideoCapture(str(written), cv2.CAP_FFMPEG)
    whole = video.isOpened()
    video.release()
    if not whole:
        raise no_room(path, OSError("its end is missing"))


class _Film:
    """The file is made when the first picture tells its size."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path = path
        self.rate = rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def add(self, picture: UInt8[np.ndarray, "H W 3"]) -> None:
        """Appends a picture.

        Raises:
            ValueError: OpenCV cannot write the file.
        """
        if self._writer is None:
            self._size = (picture.shape[1], picture.shape[0])
            self._writer = self._open()
        if (picture.shape[1], picture.shape[0]) != self._size:
            picture = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def _open(self) -> cv2.VideoWriter:
        code = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(self.path), cv2.CAP_FFMPEG, code, self.rate, self._size)
        if not writer.isOpened():
            raise ValueError(f"OpenCV cannot write {self._size[1]}x{self._size[0]} pixels to {self.path.parent}")
        return writer

    def close(self) -> None:
        """Ends the file."""
        if self._writer is not None:
            self._writer.release()
