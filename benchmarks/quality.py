"""Trains what a recipe tells to, and a network per sensor on request, and prints how they stand.

    python benchmarks/quality.py recipes/world_robustseg.yaml --longer
    python benchmarks/quality.py recipes/world.yaml --beside RobustSeg=runs/world_robustseg/student
    python benchmarks/quality.py recipes/ombria_robustseg.yaml --root FOLDER --singles

Runs go on where they stopped. Writes benchmarks/results/NAME.json and NAME.md with command, machine and date.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path

import torch

from robustseg.files import write_text
from robustseg.recipe import NO_TEACHER, Recipe
from robustseg.recipe_file import read_recipe
from robustseg.report.tables import comparison_table, condition_table, markdown
from robustseg.robustness import Evaluation
from robustseg.scoring import SUMMARY_FILE, evaluate_folder, recipe_task
from robustseg.training import train
from robustseg.training.run import measured_recipe, train_teacher

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--root", default="", help="data folder, for recipes of your own sensors")
    parser.add_argument("--beside", default="", metavar="NAME=MODEL", help="a model that is there, to compare with")
    parser.add_argument("--singles", action="store_true", help="also one network per modality (own sensors only)")
    parser.add_argument("--longer", action="store_true", help="also a teacher trained for as long as both stages")
    arguments, overrides = parser.parse_known_args()
    recipe = read_recipe(arguments.recipe, overrides)
    recipe = measured_recipe(replace(recipe, data=replace(recipe.data, root=arguments.root or recipe.data.root)))
    folders = trained(recipe)
    minutes = sum(map(training_minutes, folders.values()))
    if arguments.beside:
        name, _, folder = arguments.beside.partition("=")
        folders = {name: Path(folder), **folders}
    results = {name: evaluate_folder(recipe_task(folder))["emm"] for name, folder in folders.items()}
    singles = single_scores(recipe) if arguments.singles else {}
    longer = longer_teacher(recipe) if arguments.longer else None
    report(recipe, results, singles, longer, minutes=minutes)


def trained(recipe: Recipe) -> dict[str, Path]:
    """The models of all stages that the recipe has."""
    student = train(recipe)
    if recipe.distill.teacher == NO_TEACHER:
        return {"one stage": student}
    return {"teacher": student.parent / "teacher", "student": student}


def training_minutes(folder: Path) -> float:
    """How long a stage's training took, as it says itself: it may have been done by an earlier command."""
    return json.loads((folder / SUMMARY_FILE).read_text())["seconds"] / 60


def single_scores(recipe: Recipe) -> dict[str, float]:
    """One network per modality, trained like the teacher: its mIoU."""
    scores = {}
    for modality in recipe.data.modalities:
        alone = replace(
            recipe, name=f"{recipe.name}_{modality.name}", data=replace(recipe.data, modalities=(modality,))
        )
        result = evaluate_folder(recipe_task(train_teacher(alone)))["emm"]
        scores[modality.name] = result.full()
    return scores


def longer_teacher(recipe: Recipe) -> Evaluation:
    """What training for longer is worth by itself: complete sensors, for the epochs of both stages."""
    epochs = recipe.teacher.epochs + recipe.student.epochs
    longer = replace(recipe, name=f"{recipe.name}_longer", teacher=replace(recipe.teacher, epochs=epochs))
    return evaluate_folder(recipe_task(train_teacher(longer)))["emm"]


def report(
    recipe: Recipe,
    results: dict[str, Evaluation],
    singles: dict[str, float],
    longer: Evaluation | None,
    *,
    minutes: float,
) -> None:
    """Prints the tables and writes them beside this script."""
    words = ["FOLDER" if word == recipe.data.root and word else word for word in sys.argv]
    facts = {
        "command": "python " + " ".join(words),
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
        "threads": torch.get_num_threads(),
        "minutes of training": round(minutes, 1),
    }
    text = markdown(comparison_table(results))
    for result in results.values():
        if (grid := condition_table(result)).rows:
            text += "\n" + markdown(grid)
    for name, score in singles.items():
        text += f"\nA network of its own for {name}: {score:.2f}\n"
    record = {**facts, "singles": singles}
    if longer:
        record["teacher of both stages' epochs"] = {"mean": longer.mean(), "all": longer.full()}
        text += f"\nA teacher trained for both stages' epochs: mean {longer.mean():.2f}, all {longer.full():.2f}\n"
    text += "\n" + "  \n".join(f"{key}: {value}" for key, value in facts.items()) + "\n"
    print(text)
    scores = {name: dict(zip(result.names, result.miou().tolist(), strict=True)) for name, result in results.items()}
    means = {name: result.mean() for name, result in results.items()}
    record |= {"mean": means, "miou": scores}
    write_text(RESULTS / f"{recipe.name}.json", json.dumps(record, indent=1) + "\n")
    write_text(RESULTS / f"{recipe.name}.md", text)


if __name__ == "__main__":
    main()
