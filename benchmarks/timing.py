"""Measuring in turns: what is compared runs alternately in one process, so that other work hits all of it alike."""

from __future__ import annotations

import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from robustseg.files import write_text

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
"""cpu: this process's time on all cores, for machines that have other work to do."""

LONG = 10.0
"""Seconds; rounds with a run that takes longer are measured `FEW` times, others `MANY` times."""

MANY, FEW = 7, 3

SHORTEST = 0.2
"""Seconds; what takes less is called several times in a row."""


@dataclass(frozen=True)
class Trial:
    """What came of a first call, and the seconds it took."""

    outcome: Any
    seconds: float


def tried(runs: Mapping[str, Callable[[], Any]], clock: Callable[[], float]) -> dict[str, Trial]:
    """Calls each run once, so that it is warm."""
    found = {}
    for name, run in runs.items():
        start = clock()
        outcome = run()
        found[name] = Trial(outcome, clock() - start)
    return found


def in_turns(
    runs: Mapping[str, Callable[[], Any]],
    trials: Mapping[str, Trial],
    clock: Callable[[], float],
    rounds: int | None = None,
) -> dict[str, list[float]]:
    """Seconds of a call of each run in each round; every other round goes through them backwards.

    Args:
        runs: By name.
        trials: Of each of them, which tell how often to call it.
        clock: Seconds since some instant.
        rounds: How many; None = as `LONG` says.
    """
    if rounds is None:
        rounds = FEW if max(trial.seconds for trial in trials.values()) >= LONG else MANY
    calls = {name: math.ceil(SHORTEST / max(trial.seconds, 1e-6)) for name, trial in trials.items()}
    found: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name in list(runs)[:: -1 if number % 2 else 1]:
            start = clock()
            for _ in range(calls[name]):
                runs[name]()
            found[name].append((clock() - start) / calls[name])
    return found


@dataclass(frozen=True)
class Ratio:
    """The median of paired measurements' ratios, and the least and the largest of them."""

    median: float
    low: float
    high: float


def ratio(over: Sequence[float], under: Sequence[float]) -> Ratio:
    """Of measurements that were taken in the same rounds.

    Example:
        >>> ratio([2.0, 6.0, 4.0], [1.0, 2.0, 1.0])
        Ratio(median=3.0, low=2.0, high=4.0)
    """
    ratios = [one / other for one, other in zip(over, under, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def conditions(threads: int, clock: str) -> dict[str, Any]:
    """What a number depends on besides the code, for the file that it is kept in."""
    return {
        "threads": threads,
        "clock": clock,
        "date": str(date.today()),
        "torch": str(torch.__version__),
        "processor": processor(),
        "command": " ".join(["python", *sys.argv]),
    }


def processor() -> str:
    """The processor's name and the number of its cores."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor() or platform.machine()


class Results:
    """Measurements in a JSON file, each written as soon as it is there, so that an interrupted script goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, dict[str, Any]] = read_rows(path)

    def keep(self, name: str, row: Mapping[str, Any]) -> None:
        """Adds or replaces a measurement."""
        self.rows[name] = dict(row)
        write_text(self.path, json.dumps(self.rows, indent=1) + "\n")

    def forget(self, name: str) -> None:
        """Takes a measurement out, so that it is made anew."""
        self.rows.pop(name, None)


def read_rows(path: Path) -> dict[str, dict[str, Any]]:
    """The measurements in a file, none if there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
