"""Scores: how good a model is while its sensors fail, what to expect, and the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from robustseg.commands.shared import console, model_folder, names, own_folder
from robustseg.files import make_writable


def evaluate_model(
    model: Path,
    *,
    recipe_file: Path | None = None,
    root: str = "",
    split: str = "",
    protocols: str = "emm",
    subsets: Literal["auto", "all", "few"] = "auto",
    against: Path | None = None,
    out: Path | None = None,
    batch_size: int = 8,
    processes: int = 1,
    device: str = "auto",
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
) -> None:
    """Score a model while its sensors fail: tables, evaluation.json, evaluation.csv, counts.npy.

    Stopped in any way, the same command goes on where it was.

    Args:
        model: A model folder, or hf://org/name.
        recipe_file: Whose data to use; by default the recipe the model was trained with, which lies beside it.
        root: The data folder, if it is not the recipe's.
        split: Which split; by default the recipe's `data.val`.
        protocols: How they fail, as in emm,nm: emm = every subset of modalities, emm_zero = the same with zeros in
            their place, rmm_0.25 (0.5, 0.75) and rmm_pixel_0.25 = a share of each missing one is lost, nm = noise,
            faults = faults from the field; all = all of them.
        subsets: "all", or "few" = singles, leave-one-out and full; "auto" = all up to 6 modalities.
        against: Another model folder to show beside it.
        out: Where the results go, those of `against` to OUT/against; by default MODEL/evaluation/SPLIT.
        batch_size: Frames encoded at a time.
        processes: How many share the frames; with GPUs each takes one.
        device: Where to compute: cpu, cuda, cuda:1; auto = a GPU if there is one.
        precision: What the models compute in, as they will be used: bf16 is faster on processors that have it, fp16
            is for GPUs. The results say so.
    """
    from robustseg.models.card import read_card
    from robustseg.report.overview import study_tables
    from robustseg.report.tables import terminal
    from robustseg.robustness.cases import PROTOCOLS
    from robustseg.scoring import evaluate_folder, recipe_task

    if not out:
        model, against = own_folder(model), against and own_folder(against)
    model, against = model_folder(model), against and model_folder(against)
    chosen = PROTOCOLS if protocols == "all" else tuple(names(protocols) or ())
    task = replace(
        recipe_task(model, recipe_file=recipe_file, root=root, split=split),
        protocols=chosen,
        subsets=subsets,
        batch_size=batch_size,
        device=device,
        precision=precision,
    )
    targets = {folder: folder / "evaluation" / task.split for folder in [*([against] if against else []), model]}
    if out:
        targets = {folder: out if folder == model else out / "against" for folder in targets}
    for folder, target in targets.items():
        read_card(folder)  # a folder for results in a place that is misspelt helps nobody
        make_writable(target)
    results = {}
    for folder, target in targets.items():
        study = evaluate_folder(replace(task, model=folder), out=target, processes=processes)
        results[folder.name if against and model.name != against.name else str(folder)] = study
        console.print(f"{folder}: {target / 'evaluation.json'}, evaluation.csv, counts.npy")
    for grid in study_tables(results):
        console.print(terminal(grid))


def expect(folder: Path, *, failure: str = "", together: str = "", split: str = "", most: int = 10) -> None:
    """Tell what mIoU to expect if sensors fail with given probabilities, from a stored evaluation.

    What is not named never fails. Causes are independent; with nothing left the most frequent class is predicted.

    Args:
        folder: A model folder that was evaluated, or the folder of an evaluation.
        failure: Probability of failure of sensors or modalities, as in rgb=0.01,lidar=0.05; 'rgb&nir=0.02' (in quotes)
            is a group that fails together.
        together: Groups that fail together, as in rgb,aolp=0.001 or rgb,aolp=0.001,lidar,radar=0.01.
        split: Which evaluation, if the model has several.
        most: List so many of the likeliest states.
    """
    from robustseg.report import tables
    from robustseg.robustness import load, stored_evaluation
    from robustseg.robustness.expectation import parse_failures

    failures = parse_failures(failure, together)
    console.print(
        tables.terminal(
            tables.expectation_table(load(stored_evaluation(own_folder(folder), split)), failures, most=most)
        )
    )


def report(
    *runs: Path,
    out: Path = Path("report.html"),
    split: str = "",
    frames: int = 12,
    no_frames: bool = False,
    root: str = "",
    recipe_file: Path | None = None,
    device: str = "auto",
) -> None:
    """Write one HTML page on what was evaluated: verdict, subsets, classes, faults, worth, frames to play with.

    It needs no network and stays below 10 MB. The tables lie beside it, in report_data/, as CSV, JSON, Markdown and
    LaTeX.

    Args:
        runs: Model folders, or run folders with teacher/ and student/; the first one's model is what the page is about.
        out: The file to write.
        split: Whose evaluations to read; by default the recipe's `data.val`, or the only one that was evaluated.
        frames: So many frames at most in which the reader can switch sensors off.
        no_frames: Without them, when the data are not at hand.
        root: The data folder, if it is not the recipe's.
        recipe_file: Whose data to use; by default the recipe the model was trained with, which lies beside it.
        device: Where to predict the frames: cpu, cuda, cuda:1; auto = a GPU if there is one.
    """
    from robustseg.report.page import write_report
    from robustseg.report.page.write import data_folder

    make_writable(out.parent)
    page = write_report(
        tuple(map(own_folder, runs)),
        out,
        split=split,
        frames=0 if no_frames else frames,
        root=root,
        recipe_file=recipe_file,
        device=device,
    )
    console.print(f"{out}: {len(page.html.encode()) / 1e6:.1f} MB\ntables: {data_folder(out)}")
