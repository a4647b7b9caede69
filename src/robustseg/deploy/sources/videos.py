"""Video files, read by OpenCV, each at its own rate.

Letters: `H W` size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import merge
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from robustseg.data.reading import MAX_PIXELS, in_unit
from robustseg.deploy.sources.matching import SECOND, Instant, Message, matched
from robustseg.deploy.sources.source import Images, SourceFrame, composed, decoded, find_parts, of_one_size
from robustseg.modalities import Modality

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"})


class VideoFiles:
    """Videos that started at the same time, one per modality; the first one's frames lead.

    A frame is at its number divided by its video's rate. Of each other video the nearest frame within `tolerance` is
    taken; without one, its modality is absent.

    Args:
        paths: Input -> file; the first leads.
        modalities: The model's.
        resize: Bring all images of a frame to the leading one's size.
        tolerance: In s.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An input is unknown, or a file is no video.
    """

    notes = ()

    def __init__(
        self, paths: Mapping[str, Path], modalities: Sequence[Modality], *, resize: bool, tolerance: float = 0.05
    ) -> None:
        self.paths = dict(paths)
        self.files = tuple(self.paths.values())
        self.modalities = modalities
        self.resize = resize
        self.tolerance = round(tolerance * SECOND)
        self.parts = find_parts(paths, modalities)
        self.leading = next(iter(self.paths))
        facts = {}
        for name, path in self.paths.items():
            with _opened(path) as video:
                facts[name] = _facts(video, path)
        self.rates = {name: rate for name, (rate, _) in facts.items()}
        self.rate = self.rates[self.leading]
        self.length = facts[self.leading][1] or None

    def __iter__(self) -> Iterator[SourceFrame]:
        """Decodes a frame of each video at a time."""
        streams = (self._messages(name) for name in self.paths)
        messages = merge(*streams, key=lambda message: message.stamp)
        others = [name for name in self.paths if name != self.leading]
        instants = matched(messages, self.leading, others, tolerance=self.tolerance, patience=self.tolerance)
        number = 0
        for number, instant in enumerate(instants, start=1):
            yield decoded(
                f"{number - 1:06d}",
                lambda instant=instant: self._images(instant),
                instant.leading.stamp / SECOND,
            )
        if self.length and number < self.length - 1:  # some containers count one too many
            error = f"{self.paths[self.leading]} ends after {number} of {self.length} frames: it is damaged or cut off"
            yield SourceFrame(f"{number:06d}", {}, number / self.rate, error)

    def _messages(self, name: str) -> Iterator[Message]:
        with _opened(self.paths[name]) as video:
            number = 0
            while True:
                stamp = round(number * SECOND / self.rates[name])
                here, image = video.read()
                if not here:
                    return
                yield Message(name, stamp, stamp, image)
                number += 1

    def _images(self, instant: Instant) -> Images:
        known = {modality.name: modality for modality in self.modalities}
        messages = (instant.leading, *instant.others.values())
        values = {
            self.parts[message.stream]: in_unit(_colours(message.content), known[self.parts[message.stream].modality])
            for message in messages
        }
        return of_one_size(composed(values, self.modalities), self.modalities, resize=self.resize)


def is_video(path: Path | str) -> bool:
    """Whether a file is called like a video."""
    return Path(path).suffix.lower() in SUFFIXES


def _colours(image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no video {path}")
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not video.isOpened():
            raise ValueError(f"{path} cannot be read: it is damaged, or no video that OpenCV knows")
        yield video
    finally:
        video.release()


def _facts(video: cv2.VideoCapture, path: Path) -> tuple[float, int]:
    """Frames a second and, as far as the file tells, how many there are; 0 = it does not tell."""
    height, width = (int(video.get(key)) for key in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH))
    if height * width > MAX_PIXELS:
        raise ValueError(f"{path}: {height}x{width} is more than {MAX_PIXELS} pixels")
    rate = video.get(cv2.CAP_PROP_FPS)
    if not 0 < rate < 1e5:
        raise ValueError(f"{path} does not tell its rate: write it anew with a constant one")
    return rate, max(0, int(video.get(cv2.CAP_PROP_FRAME_COUNT)))
