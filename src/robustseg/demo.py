"""The main job on the built-in world, from nothing, in minutes: train, distil, evaluate, look."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from robustseg.build import load
from robustseg.data.sample import Frames
from robustseg.files import write_text
from robustseg.frames import open_frames
from robustseg.recipe import Data, Machine, Model, Recipe, Schedule, Transforms, World
from robustseg.report.page import write_report
from robustseg.report.pictures import one_per_value, predict_subsets, subset_picture, telling_subsets
from robustseg.report.tables import comparison_table, markdown, terminal
from robustseg.robustness import Evaluation, save
from robustseg.scoring import evaluate_folder, recipe_task
from robustseg.training.run import train

TRAIN_FRAMES, EPOCHS = 600, 10
MARGIN = 5.0
"""Points of mean mIoU by which the student must beat its teacher, in a demo of at least this length."""


def demo_recipe(out: Path, *, train_frames: int, epochs: int) -> Recipe:
    """The world's recipe with a short schedule."""
    schedule = Schedule(epochs=epochs, batch_size=4, lr=3e-3, validate_every=max(1, epochs // 3))
    return Recipe(
        name="run",
        data=Data(world=World(train_frames=train_frames, val_frames=100), transforms=Transforms(scale=(1.0, 1.25))),
        model=Model(dropout=0.0, drop_path=0.0),
        teacher=schedule,
        student=replace(schedule, lr=2e-3),
        machine=Machine(accelerator="cpu"),
        out=str(out),
    )


def run_demo(out: Path, *, train_frames: int, epochs: int, restart: bool, console: Console) -> None:
    """Renders the world, trains teacher and student, scores both on every subset of sensors, leaves table and report.

    Raises:
        ValueError: The student's mean over the subsets is not at least 5 points above the teacher's, though the
            demo is as long as it is by default.
    """
    began = time.monotonic()
    recipe = demo_recipe(out, train_frames=train_frames, epochs=epochs)
    student_folder = train(recipe, restart=restart)
    val = open_frames(recipe.data, recipe.data.val)
    folders = {"teacher": student_folder.parent / "teacher", "student": student_folder}
    results = {name: evaluate_folder(recipe_task(folder))["emm"] for name, folder in folders.items()}
    for name, result in results.items():
        save(result, folders[name] / "evaluation" / "val")
    grid = comparison_table(results)
    write_text(out / "table.md", markdown(grid))
    _picture(out / "picture.png", folders, results, val)
    write_report([student_folder.parent], out / "report.html")
    console.print(terminal(grid))
    _tell(console, out, student_folder, time.monotonic() - began)
    gain = results["student"].mean() - results["teacher"].mean()
    full_length = train_frames >= TRAIN_FRAMES and epochs >= EPOCHS
    if full_length and not gain >= MARGIN:
        raise ValueError(
            f"the demo failed: the student's mean over the subsets is {gain:+.1f} points from the teacher's, "
            f"at least +{MARGIN:.0f} were expected; its logs lie in {student_folder.parent}"
        )


def _picture(path: Path, folders: dict[str, Path], results: dict[str, Evaluation], frames: Frames) -> None:
    """Frames x subsets: one frame of each condition, its inputs and label, teacher and student."""
    chosen = one_per_value(frames, "condition")
    samples = [frames[place] for place in chosen.values()]
    subsets = telling_subsets(teacher=results["teacher"], student=results["student"])
    models = {name: load(folder) for name, folder in folders.items()}
    subset_picture(
        path,
        samples,
        predict_subsets(models, samples, subsets),
        modalities=frames.modalities,
        classes=frames.classes,
        captions=[name.replace("_", " ") for name in chosen],
        title="The same frames with fewer and fewer sensors: a teacher that knows no failure, and its student",
    )


def _tell(console: Console, out: Path, student: Path, seconds: float) -> None:
    commands = {
        f"robustseg evaluate {student} --protocols all": "noise and faults, too; then robustseg report",
        f"robustseg data make-world {out / 'files'}": "the world as plain files, to look at",
        f"robustseg predict {student} {out / 'files'} --split val --without rgb": "segment them without a camera",
        "robustseg train recipes/world.yaml": "the longer training",
    }
    width = max(map(len, commands))
    console.print(
        f"done in {seconds / 60:.1f} minutes\n"
        f"  table    {out / 'table.md'}\n"
        f"  picture  {out / 'picture.png'}\n"
        f"  report   {out / 'report.html'}: open it in a browser and switch sensors off\n"
        f"  model    {student}\n"
        "next:\n" + "\n".join(f"  {command:<{width}}  {aim}" for command, aim in commands.items())
    )
