"""What the official server scores: a zip of one label image for each test scene."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from robustseg.data.benchmarks.muses.inputs import CLASSES, SIZE
from robustseg.data.benchmarks.muses.scenes import read_scenes
from robustseg.files import write_atomically

NEVER = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the zip, so that equal predictions give equal bytes."""


def submission_names(root: Path) -> tuple[str, ...]:
    """The names of the test scenes, in order: 750 in the dataset as it is distributed.

    Raises:
        FileNotFoundError: The root is not the MUSES folder.
        ValueError: `meta.json` is damaged or knows no test scene.
    """
    names = tuple(entry.name for entry in read_scenes(root) if entry.split == "test")
    if not names:
        raise ValueError(f"{root / 'meta.json'} has no test scene")
    return names


def write_submission(
    predictions: Iterable[tuple[str, Shaped[np.ndarray, "_ _"]]],
    out: Path,
    names: Sequence[str],
    *,
    size: tuple[int, int] = SIZE,
) -> None:
    """Writes `REC0000_frame_000000.png` of every scene into a zip, which appears once all are there.

    Args:
        predictions: Scene and its integer train ids 0..18, in any order.
        out: The zip.
        names: Of all scenes that the server expects.
        size: Height and width that it expects.

    Raises:
        ValueError: A scene is unknown, stands twice or is missing, an image has another size, or an id is no class's.
    """
    if out.suffix != ".zip":
        raise ValueError(f"the server takes a zip: call it {out.with_suffix('.zip')}, not {out}")
    write_atomically(out, lambda temporary: _write(temporary, predictions, names, size))


def _write(
    path: Path, predictions: Iterable[tuple[str, np.ndarray]], names: Sequence[str], size: tuple[int, int]
) -> None:
    open_names = dict.fromkeys(names)
    with zipfile.ZipFile(path, "w") as archive:  # PNGs are compressed already
        for name, labels in predictions:
            if name not in open_names:
                raise ValueError(f"{name} {'comes twice' if name in names else 'is no scene of the test split'}")
            del open_names[name]
            archive.writestr(zipfile.ZipInfo(f"{name}.png", NEVER), _png(name, labels, size))
    if open_names:
        raise ValueError(
            f"{next(iter(open_names))} has no prediction, nor have {len(open_names) - 1} other scenes of {len(names)}: "
            "the server takes complete submissions only"
        )


def _png(name: str, labels: np.ndarray, size: tuple[int, int]) -> bytes:
    if labels.shape != tuple(size):
        raise ValueError(f"{name}: the server expects {size[0]}x{size[1]}, got {'x'.join(map(str, labels.shape))}")
    if labels.dtype.kind not in "ui":
        raise ValueError(f"{name}: train ids are integers, got {labels.dtype}")
    if labels.min() < 0 or labels.max() >= len(CLASSES):
        wrong = [int(value) for value in np.unique(labels) if not 0 <= value < len(CLASSES)]
        raise ValueError(f"{name}: train ids are 0..{len(CLASSES) - 1}, got {wrong[:10]}")
    stream = io.BytesIO()
    Image.fromarray(labels.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()
