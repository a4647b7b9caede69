"""How fast the raw sensors of MUSES are projected, and how fast and small what is kept is, at 1080x1920.

    OMP_NUM_THREADS=1 python benchmarks/muses_projection.py          about 2 minutes, needs robustseg[muses]

On made-up scenes: LiDAR scans of 23,000 points, radar turns as large as the real ones, 20,000 events (real scenes have
more). Writes benchmarks/results/muses_projection.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from robustseg.data.benchmarks.muses import project_muses
from robustseg.data.benchmarks.muses.frames import raw_sensors
from robustseg.data.benchmarks.muses.scenes import read_scenes
from robustseg.data.fake.muses import write_muses
from robustseg.recipe import Data, Muses

SENSORS = ("event", "lidar", "radar")


def scans_per_second(data: Data, processes: int) -> float:
    """Projections, written to disk, per second of the clock, from the first one on: processes take seconds to start."""
    shutil.rmtree(data.muses.cache, ignore_errors=True)
    done: list[float] = []
    project_muses(data, processes=processes, progress=lambda *_: done.append(time.perf_counter()))
    return (len(done) - 1) / (done[-1] - done[0])


def milliseconds(call: Callable[[], object], runs: int = 5) -> float:
    """The best of some runs, in processor time, which other programs on the machine disturb less."""
    taken = []
    for _ in range(runs):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return round(1000 * min(taken), 1)


def measure(root: Path, frames: int) -> dict[str, Any]:
    """All numbers of one tree."""
    write_muses(root / "muses", frames=frames)
    data = Data(kind="muses", root=str(root / "muses"), muses=Muses(cache=str(root / "cache")))
    result: dict[str, Any] = {"projections per second, one process": round(scans_per_second(data, 1), 1)}
    entry = read_scenes(Path(data.root))[0]
    grown = replace(data, muses=replace(data.muses, lidar_dilation=2, event_dilation=3, radar_dilation=10))
    thin, thick = raw_sensors(data), raw_sensors(grown)
    for sensor in SENSORS:
        result[f"{sensor} per second, one process"] = round(scans_per_second(replace(data, use=(sensor,)), 1), 1)
        result[f"{sensor} projected, ms"] = milliseconds(partial(thin.project, sensor, entry))
        result[f"{sensor} read, ms"] = milliseconds(partial(thin.image, sensor, entry))
        result[f"{sensor} read and dilated, ms"] = milliseconds(partial(thick.image, sensor, entry))
        files = list((root / "cache").rglob("*.npz"))
        result[f"{sensor} kept, kB"] = round(np.mean([path.stat().st_size for path in files]) / 1000, 1)
    start = time.perf_counter()
    result["projections per second, two processes"] = round(scans_per_second(data, 2), 1)
    whole = time.perf_counter() - start
    result["seconds of two processes, with their start"] = round(whole, 1)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20, help="scenes of each split")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), options.frames)
    result |= {
        "scenes": 3 * options.frames,
        "machine": f"{platform.machine()}, two cores, numpy {np.__version__}, OpenCV {cv2.__version__}",
        "date": str(date.today()),
    }
    print(json.dumps(result, indent=1))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "muses_projection.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
