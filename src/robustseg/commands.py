"""What the command line can do, one function a command; each is as useful from Python.

Heavy parts are imported where they are used, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

from rich.console import Console

from robustseg.files import make_writable
from robustseg.progress import progress_bar, tracked
from robustseg.recipe import BENCHMARKS, Backbone, Recipe

console = Console(
    highlight=False,
    soft_wrap=True,
    markup=False,
    width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160,  # a file has no width
)


def train(recipe: Recipe, *, teacher_only: bool = False, restart: bool = False) -> None:
    """Train a teacher on complete sensors, then a student that survives missing ones.

    Stopped in any way, the same command goes on where it was. A finished teacher of the same recipe and data is used
    again.

    Args:
        recipe: What to do.
        teacher_only: Stop after the teacher; other recipes can then learn from it, by `distill.teacher`.
        restart: Throw away the teacher and the student that the run's folder holds, and start over.
    """
    from robustseg.training.run import train as train_both
    from robustseg.training.run import train_teacher

    if teacher_only:
        folder = train_teacher(recipe, restart=restart)
        console.print(f"teacher: {folder}\nnext: robustseg train RECIPE --distill.teacher {folder}")
        return
    folder = train_both(recipe, restart=restart)
    teacher = recipe.distill.teacher or folder.parent / "teacher"
    console.print(f"student: {folder}\nnext: robustseg evaluate {folder} --against {teacher}")


def evaluate(
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
) -> None:
    """Score a model while its sensors fail: tables, evaluation.json, evaluation.csv, counts.npy.

    Stopped in any way, the same command goes on where it was.

    Args:
        model: A model folder.
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
    """
    from robustseg.models.card import read_card
    from robustseg.report.overview import study_tables
    from robustseg.report.tables import terminal
    from robustseg.robustness.cases import PROTOCOLS
    from robustseg.scoring import evaluate_folder, recipe_task

    chosen = PROTOCOLS if protocols == "all" else tuple(_names(protocols) or ())
    task = replace(
        recipe_task(model, recipe_file=recipe_file, root=root, split=split),
        protocols=chosen,
        subsets=subsets,
        batch_size=batch_size,
        device=device,
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


def calibrate(
    model: Path,
    *,
    split: str = "",
    recipe_file: Path | None = None,
    root: str = "",
    device: str = "auto",
) -> None:
    """Fit a model's temperatures anew, so that its confidence agrees with how often it is right; labels stay.

    Training has done it on the frames that selected the weights; do it again for data of your own.

    Args:
        model: A model folder; its model.json is written anew.
        split: Which split, not the one that is reported; by default the frames that selected the weights.
        recipe_file: Whose data to use; by default the recipe the model was trained with, which lies beside it.
        root: The data folder, if it is not the recipe's.
        device: Where to compute: cpu, cuda, cuda:1; auto = a GPU if there is one.
    """
    from robustseg.scoring import model_recipe
    from robustseg.training.calibration import calibrate as calibrate_folder
    from robustseg.training.calibration import calibration_caveat, calibration_frames

    recipe = model_recipe(model, recipe_file=recipe_file, root=root)
    frames, where = calibration_frames(recipe, split)
    if caveat := calibration_caveat(recipe, where):
        console.print(f"note: {caveat}")
    card = calibrate_folder(model, frames, where, device=device)
    for number, temperature in enumerate(card.temperatures, start=1):
        console.print(f"{number} of {len(card.modalities)} modalities: temperature {temperature:.3f}")
    console.print(f"{model / 'model.json'}: fitted on {where}")


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
        tables.terminal(tables.expectation_table(load(stored_evaluation(folder, split)), failures, most=most))
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
        runs,
        out,
        split=split,
        frames=0 if no_frames else frames,
        root=root,
        recipe_file=recipe_file,
        device=device,
    )
    console.print(f"{out}: {len(page.html.encode()) / 1e6:.1f} MB\ntables: {data_folder(out)}")


def predict(
    model: Path,
    folder: Path,
    *,
    out: Path = Path("predictions"),
    split: str = "",
    only: str = "",
    without: str = "",
    device: str = "auto",
) -> None:
    """Segment a folder of frames, with whatever sensors each frame has: id maps, overlays, confidence.

    Args:
        model: A model folder.
        folder: Frames, laid out as the model's training data was; labels are not needed. For a model that was trained
            on a benchmark, that benchmark's root.
        out: Where the results go.
        split: The folder that `{split}` in the file patterns stands for; empty = no such folder level. A benchmark's
            split; empty = the one that the model's recipe reports.
        only: Use these modalities or sensors only, as in rgb,lidar.
        without: Leave these out.
        device: Where to compute: cpu, cuda, cuda:1; auto = a GPU if there is one.
    """
    from robustseg.build import load
    from robustseg.deploy import predict_folder
    from robustseg.frames import prediction_frames
    from robustseg.recipe_file import RECIPE_FILE, read_recipe

    segmenter = load(model, device=device)
    recipe = model / RECIPE_FILE
    data = read_recipe(recipe).data if segmenter.card.benchmark and recipe.is_file() else None
    frames = prediction_frames(segmenter.card, folder, split, data)
    with progress_bar(f"segmenting {folder}") as report:
        records = predict_folder(segmenter, frames, out, only=_names(only), without=_names(without), progress=report)
    done = [record for record in records if not record["skipped"]]
    lacking = sum(bool(record["without"]) for record in done)
    console.print(
        f"{len(done)} of {len(records)} frames segmented: {out}"
        + (f"; {lacking} of them without some sensor" if lacking else "")
        + (f"; {len(records) - len(done)} skipped, see predictions.csv" if len(done) < len(records) else "")
    )
    unread = [record for record in records if "error" in record]
    if unread:
        first = f"{unread[0]['name']}: {unread[0]['error']}"
        raise ValueError(f"{len(unread)} of {len(records)} frames could not be read, the first is {first}")


def submit(
    model: Path,
    out: Path,
    *,
    root: str = "",
    recipe_file: Path | None = None,
    only: str = "",
    without: str = "",
    device: str = "auto",
) -> None:
    """Predict the test scenes of MUSES and zip them as its official server wants them.

    Args:
        model: A model folder, of a model trained on MUSES.
        out: The zip to write.
        root: The MUSES folder, if it is not the recipe's.
        recipe_file: Whose data to use; by default the recipe the model was trained with, which lies beside it.
        only: Use these modalities or sensors only, as in camera,lidar.
        without: Leave these out.
        device: Where to compute: cpu, cuda, cuda:1; auto = a GPU if there is one.
    """
    from robustseg.build import load
    from robustseg.deploy import submit as write_zip
    from robustseg.scoring import model_recipe

    data = model_recipe(model, recipe_file=recipe_file, root=root).data
    segmenter = load(model, device=device)
    make_writable(out.parent)
    with progress_bar(f"segmenting {data.root}") as report:
        count = write_zip(segmenter, data, out, only=_names(only), without=_names(without), progress=report)
    console.print(f"{count} scenes: {out}\nnext: upload it at https://www.codabench.org/competitions/14005")


def convert(checkpoint: Path, out: Path, *, backbone: Backbone, classes: int, sensors: str) -> None:
    """Turn a released RobustSeg or AnySeg checkpoint into a model folder.

    Args:
        checkpoint: A .pth file; it is read without running code from it.
        out: The model folder to write.
        backbone: The network it was trained with.
        classes: How many classes it knows.
        sensors: Names in the order of training, as in rgb,depth,event,lidar.
    """
    from robustseg.models.released import convert as convert_checkpoint

    for line in convert_checkpoint(checkpoint, out, backbone=backbone, classes=classes, sensors=_names(sensors) or []):
        console.print(line)
    console.print(f"model folder: {out}")


def make_world(
    out: Path,
    *,
    train: int = 200,
    val: int = 50,
    seed: int = 0,
    size: tuple[int, int] = (96, 128),
) -> None:
    """Write the built-in world as plain files, with a recipe and a contact sheet.

    Args:
        out: The folder to write; it becomes the recipe's data.root.
        train: Frames of the training split.
        val: Frames of the held-out split.
        seed: Which world.
        size: Height and width.
    """
    from robustseg.data import world

    with progress_bar(f"rendering {out}") as report:
        world.make_world(out, train=train, val=val, seed=seed, size=size, progress=report)
    console.print(f"{train + val} frames: {out}\ncontact sheet: {out / 'contact_sheet.png'}")


def project(recipe: Recipe, *, processes: int = 1, split: str = "") -> None:
    """Project the raw sensors of MUSES into the camera's view, once, so that training only reads.

    What is projected already is left as it is; a damaged file is named at the end and stops no other.

    Args:
        recipe: Whose data to project.
        processes: How many work side by side.
        split: Which split; empty = all.
    """
    from robustseg.data.benchmarks.muses import project_muses, summary

    with progress_bar(f"projecting {recipe.data.root}") as report:
        result = project_muses(recipe.data, split, processes=processes, progress=report)
    for line in summary(result):
        console.print(line)
    if result.failed:
        raise ValueError(
            f"{len(result.failed)} of {len(result.outcomes)} files could not be projected, the first: "
            f"{result.failed[0].message}"
        )


def check_data(recipe: Recipe) -> None:
    """Read every file of a recipe's data and name each bad one.

    Args:
        recipe: Whose data to check.
    """
    from robustseg.data.benchmarks.check import check_benchmark
    from robustseg.data.check import check_frames
    from robustseg.report.data import check_lines

    if recipe.data.kind == "world":
        raise ValueError("the built-in world is made, not read: there are no files to check")
    if not recipe.data.root:
        raise ValueError("say where the data are: --data.root FOLDER")

    bad = 0
    for split in dict.fromkeys((recipe.data.train, recipe.data.val)):
        benchmark = recipe.data.kind in BENCHMARKS
        check = check_benchmark if benchmark else check_frames
        result = check(recipe.data, split, progress=tracked(f"reading {split}"))
        for line in check_lines(result, alike=3 if benchmark else None):
            console.print(line)
        bad += len(result.errors)
    if bad:
        raise ValueError(f"{bad} problem{'s' * (bad > 1)}, named above")


def show_stats(recipe: Recipe, *, limit: int = 0) -> None:
    """Measure mean and std per modality and channel, and how often each class occurs, on the training split.

    Args:
        recipe: Whose data to measure.
        limit: Read at most so many frames, spread evenly; 0 = all.
    """
    from robustseg.data.stats import data_statistics
    from robustseg.frames import open_frames
    from robustseg.report.data import class_table, modality_table
    from robustseg.report.tables import terminal

    frames = open_frames(recipe.data, recipe.data.train, training=True)
    found = data_statistics(frames, limit=limit or None, progress=tracked(f"reading {recipe.data.train}"))
    for grid in (modality_table(found, frames.modalities), class_table(found, frames.classes)):
        console.print(terminal(grid, decimals=2))


def show_conventions() -> None:
    """List the habits of published code that strict reading does not share, and whose numbers they change."""
    from robustseg.data.benchmarks import CONVENTIONS
    from robustseg.report.data import convention_table
    from robustseg.report.tables import terminal

    console.print(terminal(convention_table(CONVENTIONS)))


def fake_data(
    benchmark: Literal["deliver", "muses", "mcubes"],
    out: Path,
    *,
    frames: int = 8,
    seed: int = 0,
    size: tuple[int, int] | None = None,
) -> None:
    """Write a small made-up folder in a benchmark's exact layout, to try recipes before a large download.

    Args:
        benchmark: Whose layout.
        out: The folder to write; it becomes data.root.
        frames: Of each split.
        seed: Which pictures.
        size: Height and width, as in [256,448]; by default the benchmark's own.
    """
    from robustseg.data import fake

    write = {"deliver": fake.write_deliver, "muses": fake.write_muses, "mcubes": fake.write_mcubes}[benchmark]
    with progress_bar(f"writing {out}") as report:
        write(out, frames, seed, **({"size": size} if size else {}), progress=report)
    console.print(f"{frames} frames of each split: {out}\nnext: robustseg data check RECIPE --data.root {out}")


def demo(
    *,
    out: Path = Path("demo"),
    train_frames: int = 600,
    epochs: int = 10,
    restart: bool = False,
) -> None:
    """From nothing to a student that survives missing sensors, on the built-in world, in minutes.

    Args:
        out: Where everything goes.
        train_frames: Frames to train on.
        epochs: Of the teacher and of the student.
        restart: Throw away what another demo has left there.
    """
    from robustseg.demo import run_demo

    run_demo(out, train_frames=train_frames, epochs=epochs, restart=restart, console=console)


def _names(text: str) -> list[str] | None:
    return [name.strip() for name in text.split(",")] if text else None
