"""Do the world's sensors complement each other? One small network per sensor, one on all, one per left-out sensor.

    python benchmarks/world_sensors.py                     all nine networks, about 40 minutes on one CPU core
    python benchmarks/world_sensors.py --train 200 --epochs 4 --sets rgb,lidar     a quick look

Prints a table per condition, checks the world's three promises and writes benchmarks/results/world_sensors.{json,md}.
Needs nothing but the package.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import platform
import sys
import time
from datetime import date
from pathlib import Path

import torch
from torch import Tensor

from robustseg import metrics, recipe
from robustseg.build import build_model
from robustseg.data.sample import collate
from robustseg.data.world import CLASSES, MODALITIES, WorldFrames
from robustseg.data.world.conditions import CONDITIONS
from robustseg.distill import ohem_cross_entropy
from robustseg.normalisation import normalise

NAMES = tuple(modality.name for modality in MODALITIES)
ALL = "+".join(NAMES)


def sensor_sets() -> list[tuple[str, ...]]:
    """Singles, all, all but one."""
    return [*[(name,) for name in NAMES], NAMES, *[tuple(n for n in NAMES if n != left) for left in NAMES]]


def tensors(split: str, frames: int, seed: int) -> tuple[Tensor, Tensor, list[str]]:
    """Images "N M 3 H W" as 8-bit, labels "N H W", conditions."""
    world = WorldFrames(split, frames, seed)
    batch = collate([world[index] for index in range(frames)], range(frames))
    return batch.images.byte(), batch.labels, [tags["condition"] for tags in batch.tags]


def train(images: Tensor, labels: Tensor, places: list[int], options: argparse.Namespace) -> torch.nn.Module:
    """A small network on some of the sensors: OHEM cross-entropy, AdamW, warm-up and polynomial decay, flips."""
    torch.manual_seed(options.seed)
    model = build_model(recipe.Model(dropout=0.0, drop_path=0.0), len(CLASSES), len(places), seed=options.seed).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=0.01)
    steps = options.epochs * (len(images) // options.batch)
    warm = max(1, steps // options.epochs // 2)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warm, 1.0) * (1 - step / steps) ** 0.9
    )
    draws = torch.Generator().manual_seed(options.seed)
    modalities = [MODALITIES[place] for place in places]
    for _ in range(options.epochs):
        order = torch.randperm(len(images), generator=draws)[: len(images) // options.batch * options.batch]
        for part in order.view(-1, options.batch):
            picture, truth = normalise(images[part][:, places].float(), modalities), labels[part]
            if torch.rand((), generator=draws) < 0.5:
                picture, truth = picture.flip(-1), truth.flip(-1)
            loss = ohem_cross_entropy(model(picture).logits, truth)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def counts_per_frame(model: torch.nn.Module, images: Tensor, labels: Tensor, places: list[int]) -> Tensor:
    """True positives, false positives, false negatives "N K 3"."""
    modalities = [MODALITIES[place] for place in places]
    parts = []
    for part in torch.arange(len(images)).split(20):
        logits = model(normalise(images[part][:, places].float(), modalities)).logits
        parts.append(metrics.count(logits.argmax(1), labels[part], len(CLASSES)))
    return torch.cat(parts)


def scores(counts: Tensor, conditions: list[str]) -> dict[str, dict[str, float]]:
    """MIoU and IoU of each class, over all frames and per condition."""
    table = {}
    for name in ("all", *CONDITIONS):
        chosen = torch.tensor([name in ("all", condition) for condition in conditions])
        total = counts[chosen].sum(0)
        row = {"mIoU": float(metrics.mean_iou(total, "skip"))}
        row |= {entry.name: float(value) for entry, value in zip(CLASSES, metrics.iou(total), strict=True)}
        table[name] = {key: round(value, 2) for key, value in row.items()}
    return table


def promises(results: dict[str, dict[str, dict[str, float]]]) -> dict[str, object]:
    """The three numbers that the world must keep."""
    full = results[ALL]
    best = {name: max(NAMES, key=lambda sensor: results[sensor][name]["mIoU"]) for name in ("all", *CONDITIONS)}
    ranked = [best[name] for name in CONDITIONS]
    losses = {}
    for left in NAMES:
        rest = results["+".join(name for name in NAMES if name != left)]
        cells = [(full[c][e.name] - rest[c][e.name], c, e.name) for c in CONDITIONS for e in CLASSES]
        loss, condition, label = max(cell for cell in cells if not math.isnan(cell[0]))
        losses[left] = {"points": round(loss, 2), "condition": condition, "class": label}
    return {
        "all minus best single": round(full["all"]["mIoU"] - results[best["all"]]["all"]["mIoU"], 2),
        "best single": best,
        "changes of the best single": sum(a != b for a, b in itertools.pairwise(ranked)),
        "largest loss without": losses,
    }


def markdown(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """MIoU by sensors and condition."""
    lines = ["| sensors | all | " + " | ".join(CONDITIONS) + " |", "|---" * (len(CONDITIONS) + 2) + "|"]
    for sensors, table in results.items():
        cells = [f"{table[name]['mIoU']:.1f}" for name in ("all", *CONDITIONS)]
        lines.append(f"| {sensors} | " + " | ".join(cells) + " |")
    lines += ["", "| sensors | " + " | ".join(entry.name for entry in CLASSES) + " |"]
    lines.append("|---" * (len(CLASSES) + 1) + "|")
    for sensors, table in results.items():
        lines.append(f"| {sensors} | " + " | ".join(f"{table['all'][entry.name]:.1f}" for entry in CLASSES) + " |")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=600, help="frames")
    parser.add_argument("--val", type=int, default=200, help="frames of unseen scenes")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sets", default="", help="sensor sets, like rgb,rgb+lidar; default all nine")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    chosen = [tuple(part.split("+")) for part in options.sets.split(",")] if options.sets else sensor_sets()
    images, labels, _ = tensors("train", options.train, options.seed)
    held_images, held_labels, conditions = tensors("val", options.val, options.seed)
    results = {}
    for sensors in chosen:
        start, places = time.perf_counter(), [NAMES.index(name) for name in sensors]
        model = train(images, labels, places, options)
        key = "+".join(sensors)
        results[key] = scores(counts_per_frame(model, held_images, held_labels, places), conditions)
        print(f"{key}: {results[key]['all']['mIoU']:.1f} mIoU, {time.perf_counter() - start:.0f} s", flush=True)
    print(markdown(results))
    if len(results) < len(sensor_sets()):
        return
    kept = promises(results)
    print(json.dumps(kept, indent=1))
    head = {"command": " ".join(["python", "benchmarks/world_sensors.py", *sys.argv[1:]]), "date": str(date.today())}
    head |= {"machine": f"{platform.machine()}, {options.threads} thread(s), torch {torch.__version__}"}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "world_sensors.json").write_text(json.dumps(head | {"promises": kept, "scores": results}, indent=1))
    (options.out / "world_sensors.md").write_text(
        "\n".join(f"{k}: {v}  " for k, v in head.items()) + "\n\n" + markdown(results) + "\n"
    )


if __name__ == "__main__":
    main()
