"""A small folder in DELIVER's layout: all weathers, failures, splits, names and encodings. Letters: `H W` size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from robustseg.data.benchmarks.deliver import CLASSES, FAILURES, FOLDERS, NORMAL, SPLITS, WEATHERS
from robustseg.data.fake.pictures import borders, grain, label_map, looks, painted, start, with_alpha, write_png

SIZE = (1042, 1042)
LOW_RESOLUTION = 512 / 1042
"""Of the side of events in the failure `eventlowres`."""

VOID_SHARE = 0.02
BRIGHTNESS = {"cloud": 0.9, "fog": 1.1, "night": 0.4, "rain": 0.8, "sun": 1.0}

Progress = Callable[[int, int], None]


def write_deliver(
    out: Path, frames: int = 8, seed: int = 0, size: tuple[int, int] = SIZE, progress: Progress | None = None
) -> None:
    """Writes `frames` frames of each of the three splits, 2 MB each at full size.

    Weathers and failures take turns, so that 8 frames have all of both. Red green blue, events, LiDAR and labels have
    four channels, HHA three; every other LiDAR image has one. The raw `depth/`, which nobody uses, is left out.

    Args:
        out: The folder, which becomes `data.root`.
        frames: Of each split.
        seed: Which pictures.
        size: Height and width of all but low-resolution events.
        progress: Called with (done, all) after every frame.

    Raises:
        FileExistsError: `out` holds something already.
        ValueError: There are no frames, or they are too small.
    """
    start(out, frames, size)
    for place, split in enumerate(SPLITS):
        for index in range(frames):
            draw = np.random.default_rng([seed, place, index])
            _write_frame(out, split, index, size, draw)
            if progress is not None:
                progress(place * frames + index + 1, len(SPLITS) * frames)


def _write_frame(out: Path, split: str, index: int, size: tuple[int, int], draw: np.random.Generator) -> None:
    weather = WEATHERS[index % len(WEATHERS)]
    failure = (NORMAL, *FAILURES)[index % (1 + len(FAILURES))]
    scene = f"MAP_{1 + SPLITS.index(split)}_point{100 + index}" + (f"_{failure}" if failure != NORMAL else "")
    labels = label_map(size, len(CLASSES), index, draw)
    images = {
        "rgb": _camera(labels, weather, failure, draw),
        "depth": painted(labels, 255 * looks(len(CLASSES), 1), draw, noise=3),
        "event": _events(labels, failure, draw),
        "lidar": _lidar(labels, failure, draw)[..., : 1 if index % 2 else 4],
        "semantic": _semantic(labels, draw),
    }
    for word, image in images.items():
        write_png(out / FOLDERS[word] / weather / split / scene / f"{45050 + index:06d}_{word}_front.png", image)


def _camera(
    labels: UInt8[np.ndarray, "H W"], weather: str, failure: str, draw: np.random.Generator
) -> UInt8[np.ndarray, "H W 4"]:
    gain = BRIGHTNESS[weather] * {"overexposure": 3.0, "underexposure": 0.2}.get(failure, 1.0)
    colours = np.array([entry.color for entry in CLASSES], np.float32)
    image = painted(labels, gain * colours, draw)
    if failure == "motionblur":
        image = cv2.blur(image, (max(3, labels.shape[1] // 40), 1))
    return with_alpha(image)


def _events(labels: UInt8[np.ndarray, "H W"], failure: str, draw: np.random.Generator) -> UInt8[np.ndarray, "h w 4"]:
    """Two polarities, in channels 0 and 2: at borders and here and there, on some classes more often than on others."""
    if failure == "eventlowres":
        height, width = (max(1, round(side * LOW_RESOLUTION)) for side in labels.shape)
        labels = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    rate = 0.3 * looks(len(CLASSES), 2)[labels]  # H W 3
    chance = np.abs(grain(labels.shape, draw, 1.0)) / 3
    image = np.where((chance[..., None] < rate) | borders(labels)[..., None], np.uint8(255), np.uint8(0))
    image[..., 1] = 0
    image[..., 2][image[..., 0] > 0] = 0  # an event has one polarity
    return with_alpha(image)


def _lidar(labels: UInt8[np.ndarray, "H W"], failure: str, draw: np.random.Generator) -> UInt8[np.ndarray, "H W 4"]:
    """Beams: every few rows and columns a grey value that tells the class, elsewhere 0."""
    returns = np.zeros((*labels.shape, 3), np.uint8)
    values = painted(labels, np.repeat(30 + 200 * looks(len(CLASSES), 3)[:, :1], 3, axis=1), draw, noise=2)
    returns[::4, ::2] = values[::4, ::2]
    if failure == "lidarjitter":
        returns = np.roll(returns, tuple(draw.integers(-4, 5, 2)), axis=(0, 1))
    return with_alpha(returns)


def _semantic(labels: UInt8[np.ndarray, "H W"], draw: np.random.Generator) -> UInt8[np.ndarray, "H W 4"]:
    """Ids 1..25 in the first channel; some pixels are void, 0 or 255."""
    ids = labels + np.uint8(1)
    rows = max(1, round(labels.shape[0] * VOID_SHARE / 2))
    ids[:rows], ids[-rows:] = 0, 255
    empty = np.zeros_like(ids)
    return with_alpha(np.dstack([ids, empty, empty]))
