"""What others make of a MUSES tree: the development kit's projections, and the PNGs that the published code reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from robustseg.data.benchmarks.muses.inputs import SOURCES
from robustseg.data.benchmarks.muses.processed import encoded, published_path, sdk_path
from robustseg.data.benchmarks.muses.raw import RawSensors, camera_size
from robustseg.data.benchmarks.muses.scenes import read_scenes
from robustseg.recipe import Muses


def write_projected(root: Path, kind: Literal[".npz", ".npy", ".png"] = ".npz") -> None:
    """Writes `projected_to_rgb` below a tree, without dilation, as the development kit's script would."""
    _write(root, lambda relative: next(path for path in sdk_path(relative) if path.endswith(kind)))


def write_published(root: Path) -> None:
    """Writes `multimodal` below a tree: the development kit's PNGs, and the camera's images."""
    _write(root, published_path)
    for entry in read_scenes(root):
        relative = entry.paths["frame_camera"]
        path = root / published_path(relative)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((root / relative).read_bytes())


def _write(root: Path, place: Callable[[str], str]) -> None:
    entries = read_scenes(root)
    sensors = RawSensors(root, Muses(), camera_size(root, entries))
    for entry in entries:
        for modality in ("event", "lidar", "radar"):
            path = root / place(entry.paths[SOURCES[modality].folder])
            path.parent.mkdir(parents=True, exist_ok=True)
            image = sensors.project(modality, entry).dense()
            _save(path, image.astype(np.uint8) if modality == "event" else image)


def _save(path: Path, image: np.ndarray) -> None:
    channels_last = np.ascontiguousarray(image.transpose(1, 2, 0))
    match path.suffix:
        case ".npz":
            np.savez_compressed(path, channels_last)
        case ".npy":
            np.save(path, channels_last)
        case _:
            stored = channels_last if image.dtype == np.uint8 else encoded(channels_last)
            cv2.imwrite(str(path), stored)  # takes the first channel for blue, as the kit's script does
