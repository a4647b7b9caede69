"""The one place where the name of a benchmark becomes its frames."""

from __future__ import annotations

from robustseg.data.benchmarks.deliver import open_deliver
from robustseg.data.benchmarks.frames import BenchmarkFrames, IncompleteError
from robustseg.data.benchmarks.mcubes import open_mcubes
from robustseg.data.benchmarks.muses import open_muses
from robustseg.recipe import Data

COUNTS = {
    "deliver": {"train": 3983, "val": 2005, "test": 1897},
    "muses": {"train": 1500, "val": 250, "test": 750},
    "mcubes": {"train": 302, "val": 96, "test": 102},
}
"""Frames of each benchmark's published splits."""


def open_benchmark(data: Data, split: str, *, training: bool = False) -> BenchmarkFrames:
    """One split of the benchmark that a recipe names; see `robustseg.frames.open_frames`.

    Raises:
        FileNotFoundError: It is the wrong folder, has no such split, or files are missing.
        ValueError: The recipe's data make no sense.
    """
    if not data.root:
        raise ValueError("say where the data are: --data.root FOLDER, or --root FOLDER to evaluate")
    match data.kind:
        case "deliver":
            return open_deliver(data, split, training=training)
        case "mcubes":
            return open_mcubes(data, split, training=training)
        case "muses":
            return open_muses(data, split, training=training)
        case kind:
            raise ValueError(f"data.kind {kind} is no benchmark")


def open_anyway(data: Data, split: str, *, training: bool = False) -> BenchmarkFrames:
    """The same frames, whatever files are missing."""
    try:
        return open_benchmark(data, split, training=training)
    except IncompleteError as error:
        return error.frames
