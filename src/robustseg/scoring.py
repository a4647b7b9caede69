"""Model folders are scored on the data their recipes name, and say how they were chosen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

from robustseg.build import load
from robustseg.data.benchmarks.conventions import habit_note, true_split
from robustseg.data.sample import Frames
from robustseg.frames import open_frames
from robustseg.models.card import read_card
from robustseg.progress import progress_bar
from robustseg.recipe import Data
from robustseg.recipe_file import RECIPE_FILE, read_recipe
from robustseg.robustness import Evaluation, evaluate

SUMMARY_FILE = "training.json"


def evaluation_data(model: Path, *, recipe_file: Path | None, root: str) -> Data:
    """The data to score a model on: by default those of its recipe.

    Raises:
        FileNotFoundError: No recipe lies beside the model and none is given.
    """
    path = recipe_file or model / RECIPE_FILE
    if not path.is_file():
        read_card(model)  # no model folder at all is the likelier mistake
        raise FileNotFoundError(f"there is no {path}: name a recipe whose data to use with --recipe_file")
    data = read_recipe(path).data
    return replace(data, root=root or data.root)


def evaluation_frames(model: Path, *, recipe_file: Path | None, root: str, split: str) -> tuple[Frames, str]:
    """The frames to score a model on, and their split: by default those that its recipe reports.

    Raises:
        FileNotFoundError: No recipe lies beside the model and none is given, or data are missing.
    """
    data = evaluation_data(model, recipe_file=recipe_file, root=root)
    split = split or data.val
    return open_frames(data, split), split


def selection_note(model: Path, split: str, data: Data | None = None) -> str:
    """What a reader of this model's scores on `split` of `data` must know of how it was chosen; empty = nothing.

    Split names are compared by the frames they stand for: a benchmark's val may be its test list, see `true_split`.
    """
    record = model / SUMMARY_FILE
    if not record.is_file():
        return ""
    try:
        chosen_on = json.loads(record.read_text(encoding="utf-8")).get("split")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{record} is damaged") from error
    if chosen_on and (model / RECIPE_FILE).is_file():
        chosen_on = true_split(read_recipe(model / RECIPE_FILE).data, chosen_on)
    scored_on = true_split(data, split) if data else split
    return f"selected on this very split ({split}), as published numbers are" if chosen_on == scored_on else ""


def evaluate_folder(
    folder: Path,
    frames: Frames,
    *,
    split: str,
    subsets: Literal["auto", "all", "few"] = "auto",
    batch_size: int = 8,
    device: str = "auto",
    data: Data | None = None,
) -> Evaluation:
    """Scores a model folder, with a progress bar; a model that was selected on this split is marked.

    So are the published habits that `data`, which the frames are of, switch on.
    """
    model = load(folder, device=device)
    with progress_bar(f"evaluating {folder}") as report:
        result = evaluate(model, frames, split=split, subsets=subsets, batch_size=batch_size, progress=report)
    notes = (selection_note(folder, split, data), habit_note(data, split) if data else "")
    return replace(result, model=folder.name, note="; ".join(note for note in notes if note))
