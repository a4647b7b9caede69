"""What cutting frames into tiles costs: labels that change, and mIoU, against the same frames seen whole.

    python benchmarks/tiling.py runs/world/student

Scores the model's val split whole, and in tiles of three quarters, of half, and of a third of a frame's pixels.
Writes benchmarks/results/tiling.md and .json with command, machine and date.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path

import numpy as np
import torch

from robustseg.benchmark.machine import processor
from robustseg.build import load
from robustseg.data.sample import Frames
from robustseg.deploy.predictor import Predictor
from robustseg.deploy.tiling import bytes_needed, tiles
from robustseg.files import write_text
from robustseg.frames import open_frames
from robustseg.metrics import count, mean_iou
from robustseg.progress import progress_bar
from robustseg.scoring import model_recipe

RESULTS = Path(__file__).parent / "results"
SHARES = (3 / 4, 1 / 2, 1 / 3)
"""Of a frame's pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model folder with its recipe beside it")
    arguments = parser.parse_args()
    data = model_recipe(arguments.model, recipe_file=None, root="").data
    frames = open_frames(data, data.val)
    H, W = frames[0].labels.shape
    whole = labels_of(arguments.model, frames, H * W)
    rows = [{"tile": "whole", "tiles": 1, "same": 100.0, "miou": score(frames, whole)}]
    for share in SHARES:
        cut = labels_of(arguments.model, frames, int(H * W * share))
        same = 100 * float(np.mean([(a == b).mean() for a, b in zip(whole, cut, strict=True)]))
        parts = tiles((H, W), int(H * W * share))
        about = {"tile": "{}x{}".format(*parts[0].size), "tiles": len(parts)}
        rows.append(about | {"same": same, "miou": score(frames, cut)})
    report(arguments.model, (H, W), len(frames), rows)


def labels_of(folder: Path, frames: Frames, pixels: int) -> list[np.ndarray]:
    """Of every frame from all sensors, in tiles of so many pixels."""
    model = load(folder)
    predictor = Predictor(model, memory=bytes_needed(model.card, pixels))
    found = []
    with progress_bar(f"tiles of {pixels} pixels") as progress:
        for place in range(len(frames)):
            sample = frames[place]
            found.append(predictor.predict(sample.images, sample.present).labels)
            progress(place + 1, len(frames))
    return found


def score(frames: Frames, labels: list[np.ndarray]) -> float:
    """The mIoU in percent."""
    counts = [
        count(torch.from_numpy(found).long()[None], frames[place].labels[None], len(frames.classes))[0]
        for place, found in enumerate(labels)
    ]
    return float(mean_iou(torch.stack(counts).sum(dim=0)))


def report(folder: Path, size: tuple[int, int], count: int, rows: list[dict]) -> None:
    """Prints the table and writes it beside this script."""
    about = (
        f"`python {' '.join(sys.argv)}`, {datetime.date.today().isoformat()}, {processor(torch.device('cpu'))}, torch "
        f"{torch.__version__}; {count} frames of {size[0]}x{size[1]}, all sensors."
    )
    lines = ["| a tile | tiles a frame | labels that stay % | mIoU | lost |", "|:--|--:|--:|--:|--:|"]
    for row in rows:
        lost = row["miou"] - rows[0]["miou"]
        lines.append(f"| {row['tile']} | {row['tiles']} | {row['same']:.2f} | {row['miou']:.2f} | {lost:+.2f} |")
    text = "\n".join([*lines, "", about, ""])
    print(text)
    write_text(RESULTS / "tiling.md", text)
    write_text(
        RESULTS / "tiling.json", json.dumps({"about": about, "model": folder.name, "rows": rows}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
