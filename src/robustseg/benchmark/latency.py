"""Wall time of several pieces of work, measured in turns, so that a slow moment of the machine hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

WARM_UP = 3
"""Rounds before the measured ones: caches fill, kernels are chosen."""


@dataclass(frozen=True)
class Times:
    """Milliseconds that each run of one piece of work took."""

    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def slow(self) -> float:
        """The 95th percentile."""
        return float(np.percentile(self.runs, 95))


def interleaved(
    work: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warm_up: int = WARM_UP,
    wait: Callable[[], object] = lambda: None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> dict[str, Times]:
    """Runs all pieces of work one after the other, round by round.

    Args:
        work: Name -> what to run.
        rounds: That count.
        warm_up: Rounds before them.
        wait: Returns when the device has done all that it was given.
        progress: Told of (done, all) runs.
    """
    milliseconds: dict[str, list[float]] = {name: [] for name in work}
    total = (warm_up + rounds) * len(work)
    for turn in range(warm_up + rounds):
        for place, (name, function) in enumerate(work.items(), start=1):
            wait()
            start = time.perf_counter()
            function()
            wait()
            if turn >= warm_up:
                milliseconds[name].append(1000 * (time.perf_counter() - start))
            progress(turn * len(work) + place, total)
    return {name: Times(tuple(values)) for name, values in milliseconds.items()}


def waiting(device: torch.device) -> Callable[[], object]:
    """What waits until a device has done its work; a CPU has when a call returns."""
    return partial(torch.cuda.synchronize, device) if device.type == "cuda" else lambda: None
