"""Where counts go, frame by frame: arrays in memory, or files, so that memory does not grow with the dataset.

A tally in files survives being killed: a frame is done once its line in a list of frames is whole, and its counts are
written before that. Several processes fill one tally, each its own frames.

Shapes: F frames, S rows of a protocol, K classes, Z bins of confidence.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer

from robustseg.files import no_room, write_text
from robustseg.robustness.calibration import BINS

PLAN_FILE = "plan.json"
BLOCK = 2**22
"""Bytes that are written at a time to take room on the disk."""

Frame = tuple[str, dict[str, str]]
"""Name and tags."""


@dataclass(frozen=True)
class Shape:
    """How much there is to count.

    Attributes:
        frames: F.
        rows: S of each protocol.
        classes: K.
        confident: Whether the confidence of "emm" is counted as well.
    """

    frames: int
    rows: Mapping[str, int]
    classes: int
    confident: bool = True


@dataclass(frozen=True)
class Counts:
    """What is counted of one protocol; "confidence" is of the clean subsets only."""

    counts: Integer[np.ndarray, "F S K 3"]
    scored: Bool[np.ndarray, "F S"]
    confidence: Float[np.ndarray, "F S Z 3"] | None


class Tally:
    """Counts of several protocols.

    Args:
        parts: Of each protocol.
        folder: Where the list of frames is kept; None = in memory.

    Attributes:
        frames: Index -> name and tags, of the frames that are done.
    """

    def __init__(self, parts: Mapping[str, Counts], folder: Path | None = None) -> None:
        self.parts = parts
        self.frames: dict[int, Frame] = finished(folder) if folder else {}
        self._list = folder / f"frames-{os.getpid()}.jsonl" if folder else None

    def done(self, index: int, name: str, tags: dict[str, str]) -> None:
        """Says that everything of a frame was counted."""
        self.frames[index] = (name, tags)
        if self._list is not None:
            with self._list.open("a", encoding="utf-8") as lines:
                lines.write(f"\n{json.dumps([index, name, tags])}\n")  # never behind another process's half line


def in_memory(shape: Shape) -> Tally:
    """An empty tally that nothing survives."""
    return Tally(_parts(shape, lambda _name, size, dtype: np.zeros(size, dtype)))


def in_folder(folder: Path, shape: Shape) -> Tally:
    """The tally of a folder that `prepare` has made, with the frames that are done already."""
    return Tally(_parts(shape, lambda name, _size, _dtype: np.lib.format.open_memmap(folder / name, "r+")), folder)


def prepare(folder: Path, plan: Any, shape: Shape) -> int:
    """Makes the files of a tally, unless they are there already for the same plan; gives the number of frames done.

    Args:
        folder: Of this tally alone; what another plan has left there is deleted.
        plan: Plain values that all counts depend on.
        shape: Of the counts.

    Raises:
        OSError: The disk has no room for them.
    """
    text = json.dumps(plan, indent=1, sort_keys=True)
    path = folder / PLAN_FILE
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return len(finished(folder))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _parts(shape, lambda name, size, dtype: _allocate(folder / name, size, dtype))
    write_text(path, text)  # last: the files are whole
    return 0


def finished(folder: Path) -> dict[int, Frame]:
    """The frames that are done; the half line that a killed process left behind does not count."""
    found: dict[int, Frame] = {}
    for path in sorted(folder.glob("frames-*.jsonl")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                index, name, tags = json.loads(line)
            except ValueError:
                continue
            found[index] = (name, tags)
    return found


def _parts(shape: Shape, make: Callable[[str, tuple[int, ...], Any], np.ndarray]) -> dict[str, Counts]:
    F, K = shape.frames, shape.classes
    parts = {}
    for protocol, S in shape.rows.items():
        counts = make(f"{protocol}.counts.npy", (F, S, K, 3), np.int32)
        scored = make(f"{protocol}.scored.npy", (F, S), np.bool_)
        confident = shape.confident and protocol == "emm"
        confidence = make(f"{protocol}.confidence.npy", (F, S, BINS, 3), np.float32) if confident else None
        parts[protocol] = Counts(counts, scored, confidence)
    return parts


def _allocate(path: Path, size: tuple[int, ...], dtype: Any) -> np.ndarray:
    """A file of zeros whose room on the disk is taken at once: writing to a mapped file must never find it full."""
    try:
        array = np.lib.format.open_memmap(path, "w+", dtype=dtype, shape=size)
        with path.open("r+b") as stream:
            stream.seek(-array.nbytes, os.SEEK_END)
            for start in range(0, array.nbytes, BLOCK):
                stream.write(bytes(min(BLOCK, array.nbytes - start)))
            stream.flush()
            os.fsync(stream.fileno())  # some file systems look for room only now
    except OSError as error:
        shutil.rmtree(path.parent, ignore_errors=True)  # half of the files would only fill the disk
        raise no_room(path, error) from error
    return array
