"""What fewer bits save on a CPU, and what they cost: time against fp32 in pairs, and mean IoU lost.

    python benchmarks/precision.py RUN/student                            about 20 minutes
    python benchmarks/precision.py RUN/student --clock cpu --threads 1    on a machine that has other work to do
    python benchmarks/precision.py RUN/student --restart                  not going on with a stopped run

Time: labels of one frame, random weights of the standard networks, width 768, 25 classes. Quality: every subset of
sensors of a trained model's own data (RUN is one of recipes/world.yaml), counted as `robustseg evaluate` counts them.

int8 is an experiment of this script and not in the package: the encoder's linear layers of at least 128 inputs with
int8 weights, one scale for each output, and uint8 activations whose range is looked for at every call; the rest
computes in fp32 ("int8") or bf16 ("int8+bf16"). It uses operators of torch that are not public.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustseg.benchmark.machine import processor
from robustseg.build import build_model, load
from robustseg.failures import all_subsets
from robustseg.files import write_text
from robustseg.frames import open_frames
from robustseg.metrics import count, mean_iou
from robustseg.models.precision import LowEncoder, in_precision
from robustseg.models.segmenter import Segmenter
from robustseg.normalisation import normalise
from robustseg.recipe import Backbone, Model
from robustseg.robustness.subsets import subset_labels
from robustseg.scoring import model_recipe

MODALITIES, CLASSES, WIDTH = 4, 25, 768
BACKBONES: tuple[Backbone, ...] = ("mit_b0", "mit_b2")
PRECISIONS = ("bf16", "int8", "int8+bf16")
LEAST_INPUTS = 128
"""Of a linear layer in int8; in smaller ones rounding the activations costs more than the product saves."""


class Int8Linear(nn.Module):
    """A linear layer whose product is one of bytes; what comes in has one scale and zero point, found at each call."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        weight = linear.weight.detach()
        self.scale = weight.abs().amax(dim=1) / 127
        rounded = (weight / self.scale[:, None]).round().to(torch.int8)
        self.packed = torch.ops.onednn.qlinear_prepack(rounded, None)
        self.zero = torch.zeros(self.out_features, dtype=torch.int64)
        self.offset = linear.get_parameter("bias").detach()

    def forward(self, x: Tensor) -> Tensor:
        """As of a linear layer, in the type of what comes in."""
        low, high = (float(value) for value in x.aminmax())
        step = max(max(high, 0.0) - min(low, 0.0), 1e-8) / 255
        zero = round(-min(low, 0.0) / step)
        # uint8 on purpose: with int8 activations torch takes a path that is thousands of times slower
        rounded = (x * (1 / step)).add_(zero).round_().clamp_(0, 255).to(torch.uint8).flatten(0, -2)
        weights = (self.packed, self.scale, self.zero, self.offset)
        y = torch.ops.onednn.qlinear_pointwise(rounded, step, zero, *weights, 1.0, 0, x.dtype, "none", [], "")
        return y.unflatten(0, x.shape[:-1])


def variant(model: Segmenter, name: str) -> Segmenter:
    """The model in a precision, the experiments included."""
    if not name.startswith("int8"):
        return in_precision(model, name)
    quantised = copy.deepcopy(model).requires_grad_(False)
    for parent in list(quantised.encoder.modules()):
        for child, layer in parent.named_children():
            if isinstance(layer, nn.Linear) and layer.in_features >= LEAST_INPUTS:
                setattr(parent, child, Int8Linear(layer))
    if name.endswith("bf16"):
        quantised.encoder = LowEncoder(quantised.encoder, torch.bfloat16)  # packed layers are no parameters of it
    return quantised.eval()


def timed(pairs: int, backbone: Backbone, size: int, sensors: int, clock: Callable[[], float]) -> dict[str, Any]:
    """Milliseconds of each precision, and how many times faster than fp32 (medians over rounds, and their range)."""
    model = build_model(Model(backbone=backbone, width=WIDTH), CLASSES, MODALITIES, seed=0).eval()
    models = {"fp32": model} | {name: variant(model, name) for name in PRECISIONS}
    images = torch.randn(1, MODALITIES, 3, size, size, generator=torch.Generator().manual_seed(0))
    present = torch.arange(MODALITIES)[None] < sensors
    rounds: list[dict[str, float]] = []
    for _ in range(pairs + 1):
        rounds.append({})
        for name, one in models.items():
            start = clock()
            one.labels(images, present)
            rounds[-1][name] = clock() - start
    row: dict[str, Any] = {"fp32 ms": round(1e3 * statistics.median(found["fp32"] for found in rounds[1:]), 1)}
    for name in PRECISIONS:
        ratios = sorted(found["fp32"] / found[name] for found in rounds[1:])
        row[name] = round(statistics.median(ratios), 2)
        row[f"{name} range"] = [round(ratios[0], 2), round(ratios[-1], 2)]
    return row


def quality(folder: Path, frames: int, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Of each precision: mean mIoU of all subsets, mIoU with all sensors, and the share of labels as in fp32."""
    model = load(folder)
    models = {name: variant(model, name) for name in ("fp32", *names)}
    data = model_recipe(folder, recipe_file=None, root="").data
    split = open_frames(data, data.val)
    subsets = all_subsets(len(model.card.modalities))
    K = len(model.card.classes)
    counts = {name: torch.zeros(len(subsets), K, 3, dtype=torch.int64) for name in models}
    same, number = dict.fromkeys(models, 0.0), min(frames, len(split))
    for index in range(number):
        sample = split[index]
        images = normalise(sample.images, model.card.modalities)[None]
        wanted: Tensor | None = None
        for name, one in models.items():
            labels = subset_labels(one, images, subsets)[:, 0]  # S H W
            wanted = labels if wanted is None else wanted
            same[name] += float((labels == wanted).float().mean()) / number
            counts[name] += count(labels, sample.labels.expand_as(labels), K)
        if index % 20 == 19:
            print(f"{index + 1} of {number} frames", file=sys.stderr, flush=True)
    scores = {name: mean_iou(found, "zero") for name, found in counts.items()}
    return {
        name: {
            "mean": round(score.mean().item(), 3),
            "all sensors": round(score[-1].item(), 3),
            "mean lost": round((scores["fp32"] - score).mean().item(), 3),
            "all sensors lost": round((scores["fp32"] - score)[-1].item(), 3),
            "same labels": round(same[name], 5),
        }
        for name, score in scores.items()
    }


def cells(threads: list[int], sizes: list[int], backbones: list[Backbone]) -> Iterator[dict[str, Any]]:
    """What is timed."""
    for count_, backbone, size, sensors in product(threads, backbones, sizes, (1, MODALITIES)):
        yield {"threads": count_, "backbone": backbone, "size": size, "sensors": sensors}


def tables(record: dict[str, Any]) -> list[str]:
    """Both, as Markdown."""
    lines = [f"| network | image | sensors | threads | fp32 ms | {' | '.join(PRECISIONS)} |"]
    lines.append("|:--|--:|--:|--:|--:|" + "--:|" * len(PRECISIONS))
    for row in record["time"]:
        ratios = " | ".join(
            f"{row[name]:.2f} ({row[f'{name} range'][0]:.2f} to {row[f'{name} range'][1]:.2f})" for name in PRECISIONS
        )
        where = f"| {row['backbone']} | {row['size']}x{row['size']} | {row['sensors']} | {row['threads']} "
        lines.append(f"{where}| {row['fp32 ms']:.0f} | {ratios} |")
    lines += [
        "",
        f"How many times as fast as fp32: labels of one frame, width {WIDTH}, {CLASSES} classes, {record['clock']} "
        f"time, median of {record['pairs']} rounds in turns (smallest to largest). int8: an experiment of the script.",
        "",
        "| precision | mean of subsets | lost | all sensors | lost | same labels |",
        "|:--|--:|--:|--:|--:|--:|",
    ]
    for name, row in record["quality"].items():
        lines.append(
            f"| {name} | {row['mean']:.2f} | {row['mean lost']:+.3f} | {row['all sensors']:.2f} "
            f"| {row['all sensors lost']:+.3f} | {100 * row['same labels']:.2f}% |"
        )
    return [
        *lines,
        "",
        f"mIoU of the world's student, {record['frames']} frames.",
        f"`{record['command']}`, {record['date']}, torch {record['torch']}, {record['processor']}",
    ]


def main() -> None:
    """Prints and writes JSON, after every cell, and the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of a trained model with its recipe beside it")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--sizes", nargs="+", type=int, default=[512, 1024])
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES), choices=BACKBONES)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: on a machine with other work")
    parser.add_argument("--restart", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "precision.json")
    options = parser.parse_args()
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    setting = {"clock": options.clock, "pairs": options.pairs, "frames": options.frames, "torch": torch.__version__}
    record: dict[str, Any] = {"time": [], "quality": {}}
    if options.out.is_file() and not options.restart:
        kept = json.loads(options.out.read_text())
        record = kept if all(kept.get(key) == value for key, value in setting.items()) else record
    command = f"python {' '.join(sys.argv)}"
    record |= {"command": command, "date": str(date.today()), "processor": processor(torch.device("cpu")), **setting}
    known = [{key: row[key] for key in ("threads", "backbone", "size", "sensors")} for row in record["time"]]
    for cell in cells(options.threads, options.sizes, options.backbones):
        if cell in known:
            continue
        torch.set_num_threads(cell["threads"])
        row = cell | timed(options.pairs, cell["backbone"], cell["size"], cell["sensors"], clock)
        record["time"].append(row)
        print(row, file=sys.stderr, flush=True)
        write_text(options.out, json.dumps(record, indent=1) + "\n")
    if not record["quality"]:
        torch.set_num_threads(max(options.threads))
        record["quality"] = quality(options.model, options.frames, PRECISIONS)
    write_text(options.out, json.dumps(record, indent=1) + "\n")
    lines = tables(record)
    print("\n".join(lines))
    write_text(options.out.with_suffix(".md"), "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
