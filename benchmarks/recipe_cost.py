"""What a recipe's training costs, counted: multiply-adds of one optimiser step, steps in all, and their product.

    python benchmarks/recipe_cost.py                      every benchmark recipe
    python benchmarks/recipe_cost.py recipes/deliver.yaml

The lines that it prints stand at the head of each recipe. A teacher step is the forward and backward pass of a batch
with all modalities. A student step is the teacher's forward pass with all of them and the student's forward and
backward pass with (M + 1) / 2 modalities on average, as many as modality dropout leaves. Nothing is computed: the
network is counted on the meta device, matrices and convolutions only. Losses, optimiser and validation come on top, and
gradient checkpointing would add the encoder's forward pass. With a smaller decoder both stages have it. Needs no data.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor

from robustseg.benchmark.cost import GIGA, macs, meta_logits, meta_model
from robustseg.data.benchmarks import deliver, mcubes
from robustseg.data.benchmarks.muses import inputs as muses
from robustseg.data.benchmarks.open import COUNTS
from robustseg.recipe import Recipe, Schedule
from robustseg.recipe_file import read_recipe

RECIPES = Path(__file__).parent.parent / "recipes"
LIGHT = 256
"""The width of a smaller decoder; what it loses is measured by benchmarks/decoder_width.py."""
NAMES = ("deliver", "deliver_b2", "muses", "muses_b2", "mcubes", "mcubes_b2")


@dataclass(frozen=True)
class Facts:
    """What a benchmark's own description says.

    Attributes:
        frames: Of the training split.
        classes: K.
        modalities: M, all of them.
    """

    frames: int
    classes: int
    modalities: int


FACTS = {
    "deliver": Facts(COUNTS["deliver"]["train"], len(deliver.CLASSES), len(deliver.MODALITIES)),
    "muses": Facts(COUNTS["muses"]["train"], len(muses.CLASSES), len(muses.SOURCES)),
    "mcubes": Facts(COUNTS["mcubes"]["train"], len(mcubes.CLASSES), len(mcubes.MODALITIES)),
}


@dataclass(frozen=True)
class Cost:
    """Of one stage.

    Attributes:
        step: Multiply-adds of an optimiser step.
        steps: Optimiser steps in all.
    """

    step: float
    steps: int

    @property
    def line(self) -> str:
        """As the recipes say it."""
        whole = self.step * self.steps
        return f"{self.step / GIGA:,.0f} GMAC a step, {self.steps:,} steps, {whole / 1e15:,.1f} PMAC in all"


def forward(recipe: Recipe, samples: int, modalities: int) -> Tensor:
    """The logits of a batch, on the meta device."""
    facts = FACTS[recipe.data.kind]
    model = meta_model(recipe.model.backbone, width=recipe.model.width, classes=facts.classes, modalities=modalities)
    return meta_logits(model, samples, modalities, recipe.data.size)


def step_macs(recipe: Recipe, samples: int, modalities: float) -> float:
    """Forward and backward pass of a batch; the encoder's part, and only it, grows with the number of modalities."""
    one, two = _one_and_two(recipe, samples)
    return one + (two - one) * (modalities - 1)


@cache
def _one_and_two(recipe: Recipe, samples: int) -> tuple[int, int]:
    one, two = (macs(lambda n=n: forward(recipe, samples, n).sum().backward()) for n in (1, 2))
    return one, two


def steps(recipe: Recipe, schedule: Schedule) -> int:
    """Full batches of all epochs, the frames that select taken off."""
    frames = FACTS[recipe.data.kind].frames
    held = round(recipe.holdout * frames) if recipe.select == "holdout" else 0
    return schedule.epochs * ((frames - held) // schedule.batch_size)


def costs(recipe: Recipe) -> dict[str, Cost]:
    """Of the teacher's and of the student's training.

    Raises:
        ValueError: The recipe's data are none of the benchmarks.
    """
    if recipe.data.kind not in FACTS:
        raise ValueError(f"only recipes of {', '.join(FACTS)} are counted, not of data.kind {recipe.data.kind}")
    M = len(recipe.data.use) or FACTS[recipe.data.kind].modalities
    teacher, student = recipe.teacher, recipe.student
    with torch.no_grad():
        taught = macs(partial(forward, recipe, student.batch_size, M))
    return {
        "teacher": Cost(step_macs(recipe, teacher.batch_size, M), steps(recipe, teacher)),
        "student": Cost(taught + step_macs(recipe, student.batch_size, (M + 1) / 2), steps(recipe, student)),
    }


def comment(recipe: Recipe) -> list[str]:
    """The lines for the head of a recipe."""
    found = costs(recipe)
    light = costs(replace(recipe, model=replace(recipe.model, width=LIGHT)))
    saved = [f"{(found[stage].step - light[stage].step) / GIGA:,.0f} GMAC of a {stage}'s step" for stage in found]
    lines = [f"# {stage.capitalize()}: {cost.line}." for stage, cost in found.items()]
    return [*lines, f"# A smaller decoder, --model.width {LIGHT}, saves {' and '.join(saved)}."]


def main(paths: Sequence[str]) -> None:
    """Prints the lines of each recipe."""
    for path in paths or [str(RECIPES / f"{name}.yaml") for name in NAMES]:
        print(path)
        print("\n".join(comment(read_recipe(path))))


if __name__ == "__main__":
    main(sys.argv[1:])
