"""What loading costs of a training step: frames read or rendered, augmented, drawn for, made a batch and normalised.

    OMP_NUM_THREADS=1 python benchmarks/loading.py                                    about 15 minutes
    OMP_NUM_THREADS=2 python benchmarks/loading.py --threads 2
    OMP_NUM_THREADS=1 python benchmarks/loading.py --only world demo --clock cpu

All in one process, without loading processes, in turns with steps of the teacher and of the student: losses, backward
pass and optimiser, on a batch as it was loaded. Medians of all rounds: seconds per sample of each part, per step, and
the share of loading in the time from one step to the next. "load" is the loader itself, so it contains the parts before
it. Frames of the benchmarks are made up by `robustseg data fake` in their real sizes. The built-in world is rendered
once for both stages; "render" is that, spread over all the times that training asks for a frame. Sizes and batches are
those of `CASES`. Writes benchmarks/results/loading.json, case by case: what it holds is not measured again without
--restart.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import torch
from timing import CLOCKS, Results, conditions, in_turns, tried
from torch import Tensor

from robustseg.build import build_model
from robustseg.data import fake
from robustseg.data.sample import collate
from robustseg.data.transforms import augment, sample_generator
from robustseg.data.world import WorldFrames
from robustseg.demo import EPOCHS, demo_recipe
from robustseg.distill.objective import Objective
from robustseg.distill.prototypes import draw_permutation
from robustseg.failures import draw_present
from robustseg.frames import open_frames
from robustseg.normalisation import normalise
from robustseg.recipe import Recipe, Schedule
from robustseg.recipe_file import read_recipe
from robustseg.training.batches import Share, TrainingBatch, TrainingFrames, epoch_loader
from robustseg.training.frozen import FrozenTeacher
from robustseg.training.optimiser import adamw
from robustseg.training.student import StudentStep
from robustseg.training.teacher import TeacherStep

Work = Callable[[], Any]

RECIPES = Path(__file__).parent.parent / "recipes"
FRAMES, WORLD_FRAMES = 8, 80
"""Of each case: so few that memory, or the disk's cache, holds all of them."""

CONDITIONS_TURN = 20
"""Frames of the world until every condition has had its turn."""


@dataclass(frozen=True)
class Case:
    """A recipe with a crop's size and a batch of its own."""

    recipe: str
    size: tuple[int, int]
    batch: int


CASES = {
    "world": Case("world", (96, 128), 4),
    "demo": Case("demo", (96, 128), 4),
    "deliver 512": Case("deliver", (512, 512), 2),
    "deliver 1024": Case("deliver", (1024, 1024), 1),
    "mcubes 512": Case("mcubes", (512, 512), 2),
}
FAKES: dict[str, Callable[..., None]] = {"deliver": fake.write_deliver, "mcubes": fake.write_mcubes}


def recipe_of(case: Case, root: Path) -> Recipe:
    """The case's recipe; a benchmark's frames are made up below `root`, unless they are there already."""
    folder = root / case.recipe
    if case.recipe == "demo":
        recipe = demo_recipe(root, train_frames=WORLD_FRAMES, epochs=EPOCHS)
    else:
        recipe = read_recipe(RECIPES / f"{case.recipe}.yaml")
    if case.recipe not in FAKES:
        world = replace(recipe.data.world, train_frames=WORLD_FRAMES)
        return replace(recipe, data=replace(recipe.data, size=case.size, world=world))
    if not folder.exists():
        FAKES[case.recipe](folder, FRAMES, 0)
    return replace(recipe, data=replace(recipe.data, size=case.size, root=str(folder)))


def sample_parts(training: TrainingFrames) -> dict[str, Work]:
    """What one sample takes; each call is of the next frame, and of the next epoch when all had their turn."""
    frames, turns = training.frames, count()
    stored = [frames[index] for index in range(len(frames))]

    def key() -> tuple[int, torch.Generator]:
        epoch, index = divmod(next(turns), len(frames))
        return index, sample_generator(training.seed, epoch, index)

    def augmented() -> None:
        index, generator = key()
        augment(
            stored[index],
            training.transforms,
            size=training.size,
            modalities=frames.modalities,
            generator=generator,
        )

    def drawn() -> None:
        index, generator = key()
        present = stored[index].present[None]
        draw_permutation(draw_present(present, generator), present, generator)

    return {"read": lambda: frames[key()[0]], "augment": augmented, "draw": drawn}


def batches(training: TrainingFrames, size: int) -> Iterator[TrainingBatch]:
    """As training gets them, epoch after epoch."""
    for epoch in count():
        yield from epoch_loader(training, Share(size, parts=1), epoch=epoch, first_step=0, workers=0)


def batch_parts(training: TrainingFrames, size: int) -> dict[str, Work]:
    """What one batch takes."""
    loaded, modalities = batches(training, size), training.frames.modalities
    samples = [training[0, index].sample for index in range(size)]
    images = next(loaded).images
    return {
        "collate": lambda: collate(samples, range(size)),
        "load": lambda: next(loaded),
        "normalise": lambda: normalise(images, modalities),
    }


def rendering(recipe: Recipe) -> Work:
    """Renders a frame of the world, the next one with each call."""
    turns = count()
    return lambda: WorldFrames("train", CONDITIONS_TURN, seed=0, size=recipe.data.size)[next(turns) % CONDITIONS_TURN]


def training_steps(recipe: Recipe, training: TrainingFrames, size: int) -> dict[str, Work]:
    """A step of each stage, from random weights."""
    frames, batch = training.frames, next(batches(training, size))
    images = normalise(batch.images, frames.modalities)
    teacher, student, taught_by = (
        build_model(recipe.model, num_classes=len(frames.classes), num_modalities=len(frames.modalities), seed=seed)
        for seed in range(3)
    )
    objective = Objective(recipe.distill, len(frames.classes))
    return {
        "teacher": stepping(TeacherStep(teacher, recipe.distill), recipe.teacher, images, batch),
        "student": stepping(StudentStep(student, FrozenTeacher(taught_by), objective), recipe.student, images, batch),
    }


def stepping(step: TeacherStep | StudentStep, schedule: Schedule, images: Tensor, batch: TrainingBatch) -> Work:
    """Does an optimiser step with each call."""
    step.train()
    optimizer = adamw(step.model, schedule)

    def work() -> None:
        losses = step(images, batch, 0).terms
        torch.stack([step.weights[name] * value for name, value in losses.items()]).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return work


def measure(case: Case, root: Path, clock: Callable[[], float], rounds: int | None) -> dict[str, Any]:
    """Seconds of everything, and the shares."""
    recipe = recipe_of(case, root)
    frames = open_frames(recipe.data, recipe.data.train, training=True)
    training = TrainingFrames(frames, recipe.data.transforms, size=recipe.data.size, seed=recipe.seed)
    runs = {
        **({"render": rendering(recipe)} if isinstance(frames, WorldFrames) else {}),
        **sample_parts(training),
        **batch_parts(training, case.batch),
        **training_steps(recipe, training, case.batch),
    }
    taken = in_turns(runs, tried(runs, clock), clock, rounds)
    taken = {name: statistics.median(seconds) for name, seconds in taken.items()}
    return summary(taken, case.batch, seen=recipe.teacher.epochs + recipe.student.epochs)


def summary(taken: dict[str, float], batch: int, *, seen: int) -> dict[str, Any]:
    """Seconds per sample and step, and the share of loading in percent of the time from one step to the next.

    Args:
        taken: Seconds per call: of a sample (render, read, augment, draw) or of a batch (all else).
        batch: Samples in a batch.
        seen: How often training asks for a frame that is rendered once.
    """
    render = taken.get("render", 0.0) / seen
    sample = {"render": render} | {name: taken[name] for name in ("read", "augment", "draw")}
    sample |= {name: taken[name] / batch for name in ("collate", "normalise", "load")}
    whole = batch * (sample["render"] + sample["load"] + sample["normalise"])
    steps = {name: taken[name] for name in ("teacher", "student")}
    return {
        "seconds per sample": {name: float(f"{value:.3g}") for name, value in sample.items()},
        "seconds per step": {name: float(f"{value:.3g}") for name, value in steps.items()},
        "loading, percent": {name: round(100 * whole / (whole + value), 2) for name, value in steps.items()},
    }


def main() -> None:
    """Measures, prints and keeps what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    parser.add_argument("--rounds", type=int, help="7, or 3 where a step takes more than 10 s")
    parser.add_argument("--restart", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    torch.set_num_threads(options.threads)
    results = Results(options.out / "loading.json")
    with tempfile.TemporaryDirectory() as root:
        for name in options.only:
            key = f"{name}, {options.threads} thread{'s' * (options.threads > 1)}"
            if options.restart or key not in results.rows:
                case = CASES[name]
                row = measure(case, Path(root), CLOCKS[options.clock], options.rounds)
                facts = {"size": case.size, "batch": case.batch} | conditions(options.threads, options.clock)
                results.keep(key, row | facts)
            print(key, results.rows[key], sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
