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
from robustseg.recipe_file import RECIPE_FILE, read_recipe
from robustseg.robustness import Evaluation, evaluate

SUMMARY_FILE = "training.json"
EVALUATION_FILE = "evaluation.json"


def evaluation_frames(model: Path, *, recipe_file: Path | None, root: str, split: str) -> tuple[Frames, str]:
    """The frames to score a model on, and their split: by default those that its recipe reports.

    Raises:
        FileNotFoundError: No recipe lies beside the model and none is given, or data are missing.
    """
    path = recipe_file or model / RECIPE_FILE
    if not path.is_file():
        read_card(model)  # no model folder at all is the likelier mistake
        raise FileNotFoundError(f"there is no {path}: name a recipe whose data to use with --recipe_file")
    data = read_recipe(path).data
    data = replace(data, root=root or data.root)
    split = split or data.val
    return open_frames(data, split), split


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


def stored_evaluation(folder: Path, split: str = "") -> Path:
    """Where the stored evaluation of a model folder lies; an evaluation's own folder is taken as it is.

    Args:
        folder: MODEL, with MODEL/evaluation/SPLIT in it, or MODEL/evaluation/SPLIT itself.
        split: Which one, if the model was evaluated on several.

    Raises:
        FileNotFoundError: There is none, or none of that split.
        ValueError: There are several.
    """
    if (folder / EVALUATION_FILE).is_file():
        return folder
    found = sorted(path.parent for path in (folder / "evaluation").glob(f"*/{EVALUATION_FILE}"))
    names = ", ".join(path.name for path in found)
    if not found:
        raise FileNotFoundError(f"{folder} holds no evaluation: run `robustseg evaluate MODEL` first, then name MODEL")
    if split and split not in [path.name for path in found]:
        raise FileNotFoundError(f"{folder} was not evaluated on {split}, only on {names}")
    if not split and len(found) > 1:
        raise ValueError(f"{folder} was evaluated on {names}: choose one with --split")
    return folder / "evaluation" / split if split else found[0]
