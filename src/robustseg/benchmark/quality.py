"""The stored evaluation that stands beside the times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from robustseg.metrics import AbsentClass
from robustseg.models.card import ModelCard
from robustseg.recipe_file import RECIPE_FILE, read_recipe
from robustseg.robustness import load, stored_evaluation
from robustseg.robustness.storage import JSON_FILE


@dataclass(frozen=True)
class Quality:
    """How good a model is with each subset.

    Attributes:
        split: That it was evaluated on.
        absent: What a class that occurs nowhere counts.
        miou: Name of the subset of modalities -> mean IoU in percent; those that were scored.
        note: What a reader must know.
    """

    split: str
    absent: AbsentClass
    miou: dict[str, float]
    note: str = ""


def stored_quality(folder: Path, card: ModelCard, split: str = "") -> Quality:
    """The model folder's evaluation of every subset.

    Args:
        folder: A model folder.
        card: Its card.
        split: Which evaluation; by default the recipe's `data.val`, or the only one.

    Raises:
        FileNotFoundError: There is none, or none of that split.
        ValueError: There are several, it is damaged, or it is of other weights than the folder holds now.
    """
    evaluation = load(stored_evaluation(folder, split or _usual_split(folder)))
    if evaluation.weights not in ("", card.sha256):
        raise ValueError(f"the evaluation in {folder} is of other weights: robustseg evaluate {folder} again")
    scores = zip(evaluation.names, evaluation.miou().tolist(), strict=True)
    known = {name: score for name, score in scores if not math.isnan(score)}
    return Quality(evaluation.split, evaluation.absent, known, evaluation.note)


def quality_beside(folder: Path, card: ModelCard, split: str = "") -> tuple[Quality | None, str]:
    """As `stored_quality`; without a split that was asked for, None and the reason will do where it has errors."""
    try:
        return stored_quality(folder, card, split), ""
    except (FileNotFoundError, ValueError) as error:
        if split:
            raise
        return None, str(error)


def _usual_split(folder: Path) -> str:
    """The recipe's split if it was evaluated; "" = whichever there is."""
    recipe = folder / RECIPE_FILE
    split = read_recipe(recipe).data.val if recipe.is_file() else ""
    return split if (folder / "evaluation" / split / JSON_FILE).is_file() else ""
