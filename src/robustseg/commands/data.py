"""Data: made, projected, checked, measured."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from robustseg.commands.shared import console, names
from robustseg.progress import progress_bar, tracked
from robustseg.recipe import BENCHMARKS, Recipe


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
        size: Height and width, as in [256,448].
    """
    from robustseg.data import world

    with progress_bar(f"rendering {out}") as report:
        world.make_world(out, train=train, val=val, seed=seed, size=size, progress=report)
    console.print(f"{train + val} frames: {out}\ncontact sheet: {out / 'contact_sheet.png'}")


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


def check_data(recipe: Recipe, *, splits: str = "") -> None:
    """Read every file of a recipe's data and name each bad one.

    Args:
        recipe: Whose data to check.
        splits: Which, as in train,val,test; by default those that the recipe trains on and reports.
    """
    from robustseg.data.benchmarks.check import check_benchmark
    from robustseg.data.check import check_frames
    from robustseg.report.data import check_lines

    if recipe.data.kind == "world":
        raise ValueError("the built-in world is made, not read: there are no files to check")
    if not recipe.data.root:
        raise ValueError("say where the data are: --data.root FOLDER")

    bad = 0
    for split in names(splits) or dict.fromkeys((recipe.data.train, recipe.data.val)):
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
