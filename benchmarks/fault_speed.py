"""How long each fault and each corruption takes on one image of 1024 x 1024, on one core.

    OMP_NUM_THREADS=1 python benchmarks/fault_speed.py          about 10 seconds

Prints the best of five runs in milliseconds and writes benchmarks/results/fault_speed.json. Needs nothing but the
package.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from robustseg.failures import FAULTS, add_noise, applies, apply_fault, drop_elements, drop_pixels, generator_for
from robustseg.modalities import Modality

SIDE = 1024
SENSORS = (
    Modality("camera", kind="camera", photometric=True),
    Modality("depth", kind="depth", resample="nearest"),
    Modality("event", kind="event", resample="nearest"),
    Modality("lidar", kind="lidar", resample="nearest", metres=0.25),
    Modality("polarisation", kind="polarisation", unit="1"),
)


def image_of(modality: Modality) -> Tensor:
    """Whole counts; a tenth of the pixels of LiDAR and events saw something."""
    source = generator_for(0, modality.name)
    image = (256 * torch.rand(3, SIDE, SIDE, generator=source)).floor()
    share = 0.1 if modality.sort in ("event", "lidar") else 1.0
    return image * (torch.rand(SIDE, SIDE, generator=source) < share)


def milliseconds(work: Callable[[], object], runs: int = 5) -> float:
    best = float("inf")
    for _ in range(runs):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return round(1000 * best, 1)


def measure() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    images = [image_of(modality) for modality in SENSORS]
    for name, fault in FAULTS.items():
        for modality, image in zip(SENSORS, images, strict=True):
            if not fault.temporal and applies(name, modality):
                work = partial(apply_fault, name, image, modality, 5)
                found.setdefault(name, {})[modality.name] = milliseconds(lambda work=work: work(generator_for(0)))
    image = images[0] / 50 - 2.5
    found["drop_elements"] = {"any": milliseconds(lambda: drop_elements(image, 0.5, generator_for(0)))}
    found["drop_pixels"] = {"any": milliseconds(lambda: drop_pixels(image, 0.5, generator_for(0)))}
    found["add_noise"] = {"any": milliseconds(lambda: add_noise(image, "high", "camera", generator_for(0)))}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    result = {
        "milliseconds": measure(),
        "size": [SIDE, SIDE],
        "machine": f"{platform.machine()}, one core, torch {torch.__version__}, numpy {np.__version__}",
        "date": str(date.today()),
    }
    print(json.dumps(result, indent=1))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "fault_speed.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
