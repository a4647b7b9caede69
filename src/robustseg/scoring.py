"""Model folders are scored on the data their recipes name, and say how they were chosen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

from robustseg.build import load
from robustseg.data.sample import Frames
from robustseg.frames import open_frames
from robustseg.models.card import read_card
from robustseg.progress import progress_bar
from robustseg.recipe import Recipe
from robustseg.recipe_file import RECIPE_FILE, read_recipe
from robustseg.robustness import Evaluation, evaluate

SUMMARY_FILE = "training.json"


def evaluation_frames(model: Path, *, recipe_file: Path | None, root: str, split: str) -> tuple[Frames, str]:
    """The frames to score a model on, and their split: by default those that its recipe reports.

    Raises:
        FileNotFoundError: No recipe lies beside the model and none is given, or data are missing.
    """
    data = model_recipe(model, recipe_file=recipe_file, root=root).data
    split = split or data.val
    return open_frames(data, split), split


def model_recipe(model: Path, *, recipe_file: Path | None, root: str) -> Recipe:
    """The recipe of a model folder, or another one, with the data where they lie now.

    Raises:
        FileNotFoundError: No recipe lies beside the model and none is given.
    """
    path = recipe_file or model / RECIPE_FILE
    if not path.is_file():
        read_card(model)  # no model folder at all is the likelier mistake
        raise FileNotFoundError(f"there is no {path}: name a recipe whose data to use with --recipe_file")
    recipe = read_recipe(path)
    return replace(recipe, data=replace(recipe.data, root=root or recipe.data.root))


def selection_note(model: Path, split: str) -> str:
    """What a reader of this model's scores on `split` must know; empty = nothing."""
    record = model / SUMMARY_FILE
    if not record.is_file():
        return ""
    try:
        chosen_on = json.loads(record.read_text(encoding="utf-8")).get("split")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{record} is damaged") from error
    return f"selected on this very split ({split}), as published numbers are" if chosen_on == split else ""


def evaluate_folder(
    folder: Path,
    frames: Frames,
    *,
    split: str,
    subsets: Literal["auto", "all", "few"] = "auto",
    batch_size: int = 8,
    device: str = "auto",
) -> Evaluation:
    """Scores a model folder, with a progress bar; a model that was selected on this split is marked."""
    model = load(folder, device=device)
    with progress_bar(f"evaluating {folder}") as report:
        result = evaluate(model, frames, split=split, subsets=subsets, batch_size=batch_size, progress=report)
    return replace(result, model=folder.name, note=selection_note(folder, split))
