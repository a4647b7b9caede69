"""A made-up MUSES in the exact layout and codings of the real one, to try recipes and readers before the download.

A street of upright rectangles on flat ground, seen by all four sensors from nearly one place, so that LiDAR points,
radar echoes and events lie on the labels they belong to. A LiDAR point's intensity is 10 times its class's train id
plus 5, which the real sensor's is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from robustseg.data.benchmarks.muses.calibration import Calibration, read_calibration
from robustseg.data.benchmarks.muses.events import event_homography
from robustseg.data.benchmarks.muses.inputs import CLASSES, SIZE, SOURCES
from robustseg.data.fake.muses_street import labels_seen, polar, scan, street
from robustseg.data.fake.pictures import start
from robustseg.files import write_text

SPLITS = ("train", "val", "test")
WEATHERS = ("clear", "fog", "rain", "snow")
TIMES = ("day", "night")
EVENT_SIZE = (720, 1280)
CLOCK = 1_650_000_000_000_000
"""Microseconds at which the first recording begins."""
_CAMERA = [[1430.0, 0.0, 960.0], [0.0, 1430.0, 540.0], [0.0, 0.0, 1.0]]
_EVENT = [[1070.0, 0.0, 640.0], [0.0, 1070.0, 360.0], [0.0, 0.0, 1.0]]


@dataclass(frozen=True, eq=False)
class _Tree:
    """Where the files go, and how the sensors look."""

    out: Path
    size: tuple[int, int]
    calibration: Calibration


def write_muses(
    out: Path,
    frames: int = 8,
    seed: int = 0,
    size: tuple[int, int] = SIZE,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes all three splits with `frames` scenes each, which go through every weather by day and night.

    Args:
        out: The folder; it becomes the recipe's data.root.
        frames: Scenes of each split.
        seed: Which streets.
        size: Height and width of camera and label images; the calibration is for 1080x1920, as in the real one.
        progress: Called with (done, all) after every scene.

    Raises:
        FileExistsError: `out` holds something already.
        ValueError: There are no frames, or they are too small.
    """
    start(out, frames, size)
    write_text(out / "calib.json", json.dumps(_calibration(), indent=1))
    tree = _Tree(out, size, read_calibration(out / "calib.json"))
    meta = {}
    for part, split in enumerate(SPLITS):
        for index in range(frames):
            rng = np.random.default_rng([seed, part, index])
            scene, values = _meta(split, part, index)
            _write_scene(tree, scene, values, rng, index)
            meta[scene] = values
            if progress is not None:
                progress(len(meta), frames * len(SPLITS))
    write_text(out / "meta.json", json.dumps(meta, indent=1))


def _calibration() -> dict[str, Any]:
    """Camera x right, y down, z front; LiDAR and radar x front, y left, z up; receiver x front, y right, z down."""
    axes = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    turn = cv2.Rodrigues(np.radians(np.array([0.2, -0.4, 0.3])))[0]
    flip = np.diag([1.0, -1.0, -1.0])
    transforms = {
        "lidar2rgb": _rigid(axes, [0.0, 0.1, -0.2]),
        "radar2rgb": _rigid(axes, [0.0, 0.18, -0.1]),
        "event2rgb": _rigid(turn, [0.08, 0.0, 0.0]),
        "lidar2gnss": _rigid(flip, [0.5, 0.0, -1.2]),
        "radar2gnss": _rigid(flip, [0.6, 0.0, -1.1]),
    }
    return {"intrinsics": {"rgb": {"K": _CAMERA}, "event": {"K": _EVENT}}, "extrinsics": transforms}


def _rigid(rotation: np.ndarray, shift: Sequence[float]) -> list[list[float]]:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, shift
    return matrix.tolist()


def _meta(split: str, part: int, index: int) -> tuple[str, dict[str, Any]]:
    """A scene's name and its entry in `meta.json`; every recording has one weather and one time of day."""
    kinds = [(weather, time) for time in TIMES for weather in WEATHERS]
    weather, time = kinds[index % len(kinds)]
    recording, step = part * len(kinds) + index % len(kinds), index // len(kinds)
    name = f"REC{recording:04d}_frame_{1000 + 30 * step:06d}"
    start = CLOCK + 10**9 * recording + 10**6 * step
    place = f"{split}/{weather}/{time}/{name}"
    paths = {
        f"path_to_{source.folder}": f"{source.folder}/{place}_{source.folder}{source.suffix}"
        for source in SOURCES.values()
    }
    wet = {"clear": "dry", "fog": "dry", "rain": "wet", "snow": "snow"}[weather]
    known = {
        "split": split,
        "weather": weather,
        "time_of_day": time,
        "ground_condition": wet,
        "precipitation_tag": weather if weather in ("rain", "snow") else "none",
        "precipitation_level": "light" if weather in ("rain", "snow") else "none",
        "sun_level": "none" if time == "night" else "overcast",
        "tunnel": False,
        "frame_camera_exposure_start_timestamp_us": start,
        "frame_camera_exposure_end_timestamp_us": start + 8000,
    }
    return name, {**paths, "path_to_gnss": f"gnss/{place}_gnss.txt", **known}


def _write_scene(tree: _Tree, scene: str, values: dict[str, Any], rng: np.random.Generator, index: int) -> None:
    boards = street(rng, index)
    labels = labels_seen(boards, tree.calibration, tree.size)
    for key, path in values.items():
        if key.startswith("path_to_"):
            (tree.out / path).parent.mkdir(parents=True, exist_ok=True)
    second = values["frame_camera_exposure_start_timestamp_us"] * 1e-6
    _write_png(tree.out / values["path_to_frame_camera"], _picture(labels, values, rng)[..., ::-1])
    scan(boards, second, rng).tofile(tree.out / values["path_to_lidar"])
    _write_png(tree.out / values["path_to_radar"], polar(boards, second))
    _write_events(tree, tree.out / values["path_to_event_camera"], labels, rng)
    record = [0] * 28
    record[17:20], record[23] = [200, -100, int(rng.integers(-300_000, 300_000))], int(rng.integers(0, 15_000))
    write_text(tree.out / values["path_to_gnss"], " ".join(map(str, record)) + "\n")
    if values["split"] != "test":
        folder = tree.out / "gt_semantic" / Path(*Path(values["path_to_gnss"]).parts[1:-1])
        folder.mkdir(parents=True, exist_ok=True)
        _write_png(folder / f"{scene}_gt_labelTrainIds.png", labels)


def _picture(labels: np.ndarray, values: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    palette = np.zeros((256, 3), np.float32)
    palette[: len(CLASSES)] = [entry.color for entry in CLASSES]
    image = palette[labels]
    if values["weather"] in ("fog", "snow"):
        image = 0.4 * image + 110
    if values["time_of_day"] == "night":
        image = 0.25 * image
    image += rng.normal(0, 4, (*labels.shape, 1)).astype(np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)


def _write_events(tree: _Tree, path: Path, labels: np.ndarray, rng: np.random.Generator) -> None:
    """Events at the edges between labels, in the event camera's pixels, over the last 30 ms."""
    rows, columns = np.nonzero(labels[:-1, :-1] != labels[1:, 1:])
    backward = np.linalg.inv(event_homography(tree.calibration, tree.size))
    chosen = rng.integers(0, len(rows), 20_000)
    x, y, w = backward @ np.stack([columns[chosen], rows[chosen], np.ones(len(chosen))])
    x, y = np.rint(x / w), np.rint(y / w)
    seen = (x >= 0) & (x < EVENT_SIZE[1]) & (y >= 0) & (y < EVENT_SIZE[0])
    stamps = np.sort(rng.integers(0, 30_000, np.count_nonzero(seen)))
    polarity = rng.integers(0, 2, len(stamps))
    write_event_file(path, x[seen], y[seen], stamps, polarity)


def write_event_file(path: Path, x: np.ndarray, y: np.ndarray, t: np.ndarray, p: np.ndarray) -> None:
    """An event file with Blosc compression, in the types of the real ones: 16-bit places, 32-bit times, 8-bit polarity.

    Raises:
        ValueError: The packages for it are not installed.
    """
    try:
        import h5py
        import hdf5plugin
    except ImportError:
        raise ValueError("event files need two more packages: pip install 'robustseg[muses]'") from None
    kinds = {"x": (x, np.uint16), "y": (y, np.uint16), "t": (t, np.uint32), "p": (p, np.uint8)}
    with h5py.File(path, "w") as file:
        for name, (values, kind) in kinds.items():
            file.create_dataset(f"events/{name}", data=np.asarray(values).astype(kind), **hdf5plugin.Blosc())


def _write_png(path: Path, image: np.ndarray) -> None:
    if not cv2.imwrite(str(path), np.ascontiguousarray(image), [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise OSError(f"could not write {path}")
