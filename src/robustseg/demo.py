"""The main job on the built-in world, from nothing, in minutes: train, evaluate, look.

Two networks see the same frames for as many epochs: one always with complete sensors, one with every set of them.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from shutil import which

from rich.console import Console

from robustseg.build import load
from robustseg.data.sample import Frames
from robustseg.files import write_text
from robustseg.frames import open_frames
from robustseg.recipe import NO_TEACHER, Data, Distill, Machine, Model, Recipe, Schedule, Sight, Transforms, World
from robustseg.report.page import write_report
from robustseg.report.pictures import one_per_value, predict_subsets, subset_picture, telling_subsets
from robustseg.report.tables import comparison_table, markdown, terminal
from robustseg.robustness import Evaluation, save
from robustseg.scoring import evaluate_folder, recipe_task
from robustseg.training.run import train, train_teacher

TRAIN_FRAMES, EPOCHS = 600, 8
MARGIN = 5.0
"""Points of mean mIoU by which the robust network must beat the other one, in a demo of at least this length."""


def demo_recipe(out: Path, *, train_frames: int, epochs: int) -> Recipe:
    """The world with a short schedule: a network that sees complete sensors, and RobustSeg's student of it."""
    schedule = Schedule(epochs=epochs, batch_size=4, lr=3e-3, validate_every=max(1, epochs // 3))
    return Recipe(
        name="complete",
        data=Data(world=World(train_frames=train_frames, val_frames=100), transforms=Transforms(scale=(1.0, 1.25))),
        model=Model(dropout=0.0, drop_path=0.0),
        teacher=schedule,
        student=replace(schedule, lr=2e-3),
        machine=Machine(accelerator="cpu"),
        out=str(out),
    )


def robust_recipe(complete: Recipe) -> Recipe:
    """The same data, epochs and rate for a network that answers for many sets of sensors in every step.

    It has patch embeddings and norms for each modality, and fuses by weights: what is made for sets of sensors.
    """
    return replace(
        complete,
        name="robust",
        model=replace(complete.model, private=("patch", "norm"), fusion="weighted"),
        distill=Distill(teacher=NO_TEACHER, student_init="scratch", logit_kl=0.0, hpdm=0.0, rrm=0.0),
        sight=Sight(drawn=2, singles=4, everything=True),
        student=complete.teacher,
    )


def run_demo(out: Path, *, train_frames: int, epochs: int, restart: bool, console: Console) -> None:
    """Renders the world, trains both networks, scores them on every subset of sensors, leaves table and report.

    Raises:
        ValueError: The robust network's mean over the subsets is not at least 5 points above the other one's, though
            the demo is as long as it is by default.
    """
    began = time.monotonic()
    recipe = demo_recipe(out, train_frames=train_frames, epochs=epochs)
    folders = {
        "complete": train_teacher(recipe, restart=restart),
        "robust": train(robust_recipe(recipe), restart=restart),
    }
    val = open_frames(recipe.data, recipe.data.val)
    results = {name: evaluate_folder(recipe_task(folder))["emm"] for name, folder in folders.items()}
    for name, result in results.items():
        save(result, folders[name] / "evaluation" / "val")
    grid = comparison_table(results)
    write_text(out / "table.md", markdown(grid))
    _picture(out / "picture.png", folders, results, val)
    write_report([folders["robust"].parent, folders["complete"].parent], out / "report.html")
    console.print(terminal(grid))
    _tell(console, out, folders["robust"], time.monotonic() - began)
    gain = results["robust"].mean() - results["complete"].mean()
    full_length = train_frames >= TRAIN_FRAMES and epochs >= EPOCHS
    if full_length and not gain >= MARGIN:
        raise ValueError(
            f"the demo failed: the robust network's mean over the subsets is {gain:+.1f} points from the other one's, "
            f"at least +{MARGIN:.0f} were expected; the logs lie in {folders['robust']} and {folders['complete']}"
        )


def _picture(path: Path, folders: dict[str, Path], results: dict[str, Evaluation], frames: Frames) -> None:
    """Frames x subsets: one frame of each condition, its inputs and label, and what both networks say."""
    chosen = one_per_value(frames, "condition")
    samples = [frames[place] for place in chosen.values()]
    subsets = telling_subsets(results["robust"], results["complete"])
    models = {name: load(folder) for name, folder in folders.items()}
    subset_picture(
        path,
        samples,
        predict_subsets(models, samples, subsets),
        modalities=frames.modalities,
        classes=frames.classes,
        captions=[name.replace("_", " ") for name in chosen],
        title="The same frames with fewer and fewer sensors: trained on complete ones, and on every set of them",
    )


def _tell(console: Console, out: Path, model: Path, seconds: float) -> None:
    own, files = _called(), out / "files"
    commands = {
        f"{own} explore {model} --open": "break its sensors in the browser (see README: Explore)",
        f"{own} evaluate {model} --protocols all": "noise and faults, too",
        f"{own} report {model.parent} {out / 'complete'} --out {out / 'report.html'}": "then the report has them",
        f"{own} data make-world {files}": "the world as plain files, to look at",
        f"{own} predict {model} {files} --split val --without rgb --out {out / 'predicted'}": "without a camera",
        f"{own} train recipes/world.yaml": "the longer training",
    }
    width = max(map(len, commands))
    console.print(
        f"done in {seconds / 60:.1f} minutes\n"
        f"  table    {out / 'table.md'}\n"
        f"  picture  {out / 'picture.png'}\n"
        f"  report   {out / 'report.html'}: open it in a browser and switch sensors off\n"
        f"  model    {model}\n"
        "next:\n" + "\n".join(f"  {command:<{width}}  {aim}" for command, aim in commands.items())
    )


def _called() -> str:
    """How this command can be called again: by its name if that is on the PATH, else by where it lies."""
    if which("robustseg"):
        return "robustseg"
    own = Path(sys.argv[0])
    return os.path.relpath(own) if own.name == "robustseg" else f"{os.path.relpath(sys.executable)} -m robustseg"
