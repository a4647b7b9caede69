"""What a smaller decoder costs and saves: the embedding width E, 768 as released, against 256, 128, 64 and 32.

    python benchmarks/decoder_width.py                   trains as well: about an hour on one core
    python benchmarks/decoder_width.py --seeds 0         half of that
    python benchmarks/decoder_width.py --only quality    the training alone, stopped and started at will
    python benchmarks/decoder_width.py --only speed      times and memory alone; minutes, best on a quiet machine

Quality: teacher and student on the built-in world, the demo's recipe with a somewhat shorter schedule, the same for
all widths; scored on every subset of sensors of the held-out scenes. Runs go on where they stopped. Cost: parameters
and multiply-adds of B0, counted. Memory: what autograd keeps for the backward pass, as in checkpointing.py. Speed:
labels of one frame by B0 with random weights, all widths in turns, so that other work on the machine hits all alike.
Writes benchmarks/results/decoder_width.json and .md; what a part measured stays there until it is measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import torch
from checkpointing import kept
from decoder_width_text import text
from torch import nn

from robustseg.benchmark.cost import macs, meta_logits, meta_model
from robustseg.build import build_model
from robustseg.demo import demo_recipe
from robustseg.files import write_text
from robustseg.models.card import read_card
from robustseg.recipe import Backbone, Model, Recipe
from robustseg.robustness import Evaluation, load
from robustseg.robustness.storage import JSON_FILE
from robustseg.scoring import evaluate_folder, recipe_task
from robustseg.training import train

WIDTHS = (768, 256, 128, 64, 32)
"""The released one first."""
MODALITIES, CLASSES = 4, 25
CASES = tuple((size, live) for size in (512, 1024) for live in (MODALITIES, 1))
"""Image side and modalities present of what is timed."""

Record = dict[str, Any]


def width_recipe(out: Path, width: int, seed: int, *, frames: int, epochs: tuple[int, int]) -> Recipe:
    """The demo's recipe with another width, seed and length; the last weights are kept, so that nothing is held out."""
    teacher, student = epochs
    demo = demo_recipe(out, train_frames=frames, epochs=student)
    return replace(
        demo,
        name=f"width{width}_seed{seed}",
        seed=seed,
        data=replace(demo.data, world=replace(demo.data.world, val_frames=200)),
        teacher=replace(demo.teacher, epochs=teacher),
        select="last",
        model=replace(demo.model, width=width),
    )


def quality(recipe: Recipe) -> Record:
    """Scores of the recipe's teacher and student, in percent; what is already trained or scored is not done again."""
    student = train(recipe)
    return {folder.name: summary(scored(folder)) for folder in (student.parent / "teacher", student)}


def scored(folder: Path) -> Evaluation:
    """Every subset of the reported split; kept beside the weights."""
    task = recipe_task(folder)
    out = folder / "evaluation" / task.split
    if (out / JSON_FILE).is_file():
        stored = load(out)
        if stored.weights == read_card(folder).sha256 and len(stored.frames) == task.data.world.val_frames:
            return stored
    return evaluate_folder(task, out=out)["emm"]


def summary(found: Evaluation) -> dict[str, float]:
    """The mean over subsets, all sensors, and the worst subset."""
    return {"mean": round(found.mean(), 2), "all": round(found.full(), 2), "worst": round(found.worst()[1], 2)}


def cost(width: int, cases: Sequence[tuple[int, int]] = CASES) -> Record:
    """Parameters of B0, and case -> multiply-adds of one frame: of all, of the decoder."""
    model = meta_model("mit_b0", width=width, classes=CLASSES, modalities=MODALITIES)
    work = {}
    for size, live in cases:
        images = torch.empty(live, 3, size, size, device="meta")
        whole = macs(partial(meta_logits, model, 1, live, (size, size)))
        encoder = macs(partial(model.encode, images, torch.empty(live, dtype=torch.int64, device="meta")))
        work[case_name(size, live)] = {"all": whole, "decoder": whole - encoder}
    return {"parameters": count(model), "decoder_parameters": count(model.decoder), "macs": work}


def count(module: nn.Module) -> int:
    """Its parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def case_name(size: int, live: int) -> str:
    """What tables call a case."""
    return f"{size}x{size}, {live} of {MODALITIES}"


def seconds(
    repeats: int, clock: Callable[[], float], *, cases: Sequence[tuple[int, int]] = CASES, backbone: Backbone = "mit_b0"
) -> Record:
    """Case -> width -> seconds of each round, for the labels of one frame; a round before them warms up."""
    models = {width: build_model(Model(backbone, width), CLASSES, MODALITIES, seed=0).eval() for width in WIDTHS}
    found: Record = {}
    for size, live in cases:
        images = torch.randn(1, MODALITIES, 3, size, size, generator=torch.Generator().manual_seed(0))
        present = (torch.arange(MODALITIES) < live)[None]
        rounds: dict[str, list[float]] = {str(width): [] for width in WIDTHS}
        for number in range(repeats + 1):
            for width, model in models.items():
                start = clock()
                model.labels(images, present)
                if number:
                    rounds[str(width)].append(clock() - start)
        found[case_name(size, live)] = rounds
        print(f"{case_name(size, live)}: {repeats} rounds done", file=sys.stderr, flush=True)
    return found


def memory(size: int = 512, *, backbone: Backbone = "mit_b0") -> Record:
    """Width -> GB that the forward pass of a training step keeps for the backward pass, of one frame."""
    images = torch.randn(1, MODALITIES, 3, size, size, generator=torch.Generator().manual_seed(0))
    models = {width: build_model(Model(backbone, width), CLASSES, MODALITIES, seed=0).train() for width in WIDTHS}
    found = {
        str(width): dict(zip(("all", "encoder"), kept(model, images), strict=True)) for width, model in models.items()
    }
    return {"case": case_name(size, MODALITIES), "GB": found}


def facts(**more: object) -> Record:
    """Where and how something was measured."""
    return {
        "command": "python " + " ".join(sys.argv),
        "date": date.today().isoformat(),
        "torch": torch.__version__,
        "processor": processor(),
        "threads": torch.get_num_threads(),
        **more,
    }


def processor() -> str:
    """Its name, as Linux tells it; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def measure_quality(record: Record, options: argparse.Namespace, save: Callable[[], None]) -> None:
    """Trains and scores seed by seed; `save` is called whenever there is something new."""
    epochs = (options.epochs[0], options.epochs[1])
    setting = {"frames": options.frames, "teacher_epochs": epochs[0], "student_epochs": epochs[1]}
    scores: Record = {}
    for seed in options.seeds:
        for width in options.widths:
            recipe = width_recipe(options.runs, width, seed, frames=options.frames, epochs=epochs)
            scores.setdefault(str(width), {})[str(seed)] = quality(recipe)
            record["quality"] = {"facts": facts(**setting), "scores": scores}
            save()


def main() -> None:
    """Measures what is asked for and writes it."""
    options = arguments()
    torch.set_num_threads(options.threads)
    path = options.out / "decoder_width.json"
    record: Record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    record["cost"] = {str(width): cost(width) for width in WIDTHS}

    def save() -> None:
        write_text(path, json.dumps(record, indent=1) + "\n")
        write_text(path.with_suffix(".md"), text(record))

    save()
    if options.only in (None, "speed"):
        clock = time.perf_counter if options.clock == "wall" else time.process_time
        record["memory"] = memory()
        found = seconds(options.repeats, clock)
        record["speed"] = {"facts": facts(clock=options.clock, rounds=options.repeats), "seconds": found}
        save()
    if options.only in (None, "quality"):
        measure_quality(record, options, save)
    print(text(record))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("quality", "speed", "text"), help="text: the words, from what is known")
    parser.add_argument("--widths", type=int, nargs="+", default=list(WIDTHS), help="that are trained")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--frames", type=int, default=600, help="of training")
    parser.add_argument("--epochs", type=int, nargs=2, default=[6, 3], help="of the teacher and of the student")
    parser.add_argument("--runs", type=Path, default=Path("runs/decoder_width"), help="folder of the training runs")
    parser.add_argument("--repeats", type=int, default=7, help="rounds that are timed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: on a machine with other work")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
