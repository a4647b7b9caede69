"""How many frames of the built-in world one core renders in a second: all four sensors and the labels, at 96 x 128.

    OMP_NUM_THREADS=1 python benchmarks/world_speed.py          about 20 seconds

Prints the processor time of all frames, and the best of many short runs, which other programs on the machine disturb
less. Writes benchmarks/results/world_speed.json. Needs nothing but the package.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from datetime import date
from pathlib import Path

import cv2
import numpy as np

from robustseg.data.world import WorldFrames


def seconds(runs: int, seed: int) -> np.ndarray:
    """Processor seconds per frame of each run; a run is 20 frames of five scenes, one per condition."""
    WorldFrames("val", 1, seed)[0]  # imports and tables
    measured = []
    for run in range(runs):
        frames = WorldFrames("train", 20 * (run + 1), seed)
        start = time.process_time()
        for index in range(20 * run, 20 * (run + 1)):
            frames[index]
        measured.append((time.process_time() - start) / 20)
    return np.array(measured)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    measured = seconds(options.runs, options.seed)
    result = {
        "frames per second": round(1 / measured.mean(), 1),
        "best run": round(1 / measured.min(), 1),
        "frames": 20 * options.runs,
        "machine": f"{platform.machine()}, one core, numpy {np.__version__}",
        "date": str(date.today()),
    }
    print(json.dumps(result, indent=1))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "world_speed.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
