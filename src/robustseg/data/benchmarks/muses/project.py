"""Projects all scenes once, in several processes, so that training only reads."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2

from robustseg.data.benchmarks.muses.frames import raw_sensors
from robustseg.data.benchmarks.muses.inputs import SOURCES
from robustseg.data.benchmarks.muses.raw import RawSensors
from robustseg.data.benchmarks.muses.scenes import Entry, read_scenes, scene_path
from robustseg.data.workers import end_with_parent
from robustseg.recipe import Data

Job = tuple[str, Entry]
"""Modality and scene."""

CHUNK = 4
"""Jobs that a process takes at a time."""


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        path: The sensor's file.
        state: "made", "kept" = it was there already, "missing" or "failed".
        empty: Whether no pixel shows anything.
        message: Why it failed.
    """

    path: Path
    state: Literal["made", "kept", "missing", "failed"]
    empty: bool = False
    message: str = ""


@dataclass(frozen=True)
class ProjectionReport:
    """What was done.

    Attributes:
        outcomes: One for every file of the sensors in use.
    """

    outcomes: tuple[Outcome, ...]

    def count(self, state: str) -> int:
        """How many files came to that."""
        return sum(outcome.state == state for outcome in self.outcomes)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The files that could not be projected."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "failed")

    @property
    def empty(self) -> tuple[Outcome, ...]:
        """The files that show nothing: a sensor that failed, or an empty file."""
        return tuple(outcome for outcome in self.outcomes if outcome.empty)


def project_muses(
    data: Data,
    split: str = "",
    *,
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> ProjectionReport:
    """Projects event camera, LiDAR and radar of every scene that is not yet on disk.

    A damaged file stops nothing: it is in the report. Stopped in any way, the next call goes on with what is left.

    Args:
        data: A recipe's data of kind "muses" with `muses.source: raw`.
        split: Which split; empty = all.
        processes: How many work side by side.
        progress: Called with (done, all) after every file.

    Raises:
        FileNotFoundError: The root is not the MUSES folder.
        ValueError: There is nothing to project, or the settings make no sense.
        OSError: A process was killed, by lack of memory perhaps.
    """
    jobs = _jobs(data, split)
    sensors = raw_sensors(data)
    outcomes = []
    for outcome in _run(sensors, jobs, processes):
        outcomes.append(outcome)
        if progress:
            progress(len(outcomes), len(jobs))
    return ProjectionReport(tuple(outcomes))


def _jobs(data: Data, split: str) -> list[Job]:
    if data.kind != "muses" or data.muses.source != "raw":
        raise ValueError("only the raw sensors of MUSES are projected: data.kind: muses, data.muses.source: raw")
    if not data.root:
        raise ValueError("say where MUSES is: --data.root FOLDER")
    names = [name for name in data.use or SOURCES if name in SOURCES and name != "camera"]
    entries = [entry for entry in read_scenes(Path(data.root)) if split in ("", entry.split)]
    if not names or not entries:
        raise ValueError(f"there is nothing to project for data.use {list(data.use)} and split {split!r}")
    return [(name, entry) for entry in entries for name in names]


def _run(sensors: RawSensors, jobs: Sequence[Job], processes: int) -> Iterator[Outcome]:
    if processes < 1:
        raise ValueError(f"processes must be 1 or more, got {processes}")
    if processes == 1:
        yield from (_outcome(sensors, job) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy locks of other libraries' threads
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_start, initargs=(sensors,))
    try:
        yield from pool.map(_work, jobs, chunksize=CHUNK)
    except BrokenProcessPool:
        raise OSError(
            "a process that projected was killed, perhaps for lack of memory; what is done is kept: "
            "run the command again, with fewer --processes"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_sensors: list[RawSensors] = []
"""Of a process that works for others."""


def _start(sensors: RawSensors) -> None:
    end_with_parent()
    cv2.setNumThreads(1)
    _sensors[:] = [sensors]


def _work(job: Job) -> Outcome:
    return _outcome(_sensors[0], job)


def _outcome(sensors: RawSensors, job: Job) -> Outcome:
    modality, entry = job
    path = sensors.root / "meta.json"
    try:
        path = scene_path(sensors.root, entry, SOURCES[modality].folder)
        if not path.is_file():
            return Outcome(path, "missing")
        image, made = sensors.sparse(modality, entry)
    except (ValueError, FileNotFoundError) as error:
        return Outcome(path, "failed", message=str(error))
    return Outcome(path, "made" if made else "kept", empty=not len(image.pixels))


def summary(report: ProjectionReport) -> Iterator[str]:
    """What was done, in lines for people."""
    yield f"{report.count('made')} images projected, {report.count('kept')} were there already"
    missing = [outcome.path for outcome in report.outcomes if outcome.state == "missing"]
    if missing:
        yield f"{len(missing)} files are missing, the first is {missing[0]}"
    if report.empty:
        yield f"{len(report.empty)} images show nothing, the first is of {report.empty[0].path}"
