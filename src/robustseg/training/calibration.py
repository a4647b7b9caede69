"""Temperatures of a trained model: fitted at the end of training, or again later, and kept in its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from robustseg.build import load
from robustseg.data.benchmarks.conventions import true_split
from robustseg.data.sample import Frames
from robustseg.failures import evaluation_subsets, places_of
from robustseg.frames import open_frames
from robustseg.models.card import ModelCard, write_card
from robustseg.models.segmenter import Segmenter
from robustseg.progress import progress_bar
from robustseg.recipe import Recipe
from robustseg.robustness.evaluate import check_frames
from robustseg.robustness.temperature import fit_temperatures
from robustseg.training.selection import select_frames, selection_name


def calibrated(card: ModelCard, model: Segmenter, frames: Frames, where: str, one_of: Sequence[str] = ()) -> ModelCard:
    """The card with temperatures fitted on `frames`, which `where` names, for all subsets that an evaluation has.

    Each of them holds one of the modalities `one_of`; empty = any.
    """
    subsets = evaluation_subsets(len(frames.modalities), one_of=places_of(one_of, frames.modalities))
    with progress_bar("fitting temperatures") as report:
        temperatures = fit_temperatures(model, frames, subsets, progress=report)
    return replace(card, temperatures=temperatures, calibrated_on=where)


def calibrate(
    folder: Path, frames: Frames, where: str, *, one_of: Sequence[str] = (), device: str = "auto"
) -> ModelCard:
    """Fits the temperatures of a model folder anew and writes them to its card; the weights are not touched.

    On the subsets that hold one of the modalities `one_of`; empty = on all.

    Raises:
        ValueError: The frames are not the model's, or have no labelled pixel.
    """
    model = load(folder, device=device)
    check_frames(model, frames)
    card = calibrated(model.card, model, frames, where, one_of)
    write_card(folder, card)
    return card


def calibration_frames(recipe: Recipe, split: str) -> tuple[Frames, str]:
    """The frames of a split and its name; without a split those that selected the recipe's weights.

    Raises:
        ValueError: No split is named, and the recipe selects by none.
        FileNotFoundError: Data are missing.
    """
    if split:
        return open_frames(recipe.data, split), split
    _, chosen = select_frames(recipe, open_frames(recipe.data, recipe.data.train, training=True))
    if chosen is None:
        raise ValueError("this recipe keeps no frames for selection (select: last): name a split with --split")
    return chosen, selection_name(recipe)


def calibration_caveat(recipe: Recipe, where: str) -> str:
    """What is wrong with temperatures fitted there; empty = nothing."""
    if true_split(recipe.data, where) == true_split(recipe.data, recipe.data.val):
        return f"{where} is the split that the recipe reports: calibration errors there will look better than they are"
    if where == recipe.data.train:
        return f"{where} is what the model learned from, where it is right more often than it will be"
    return ""
