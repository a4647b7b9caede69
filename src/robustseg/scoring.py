"""Model folders are scored on the data their recipes name, and say how they were chosen.

A long evaluation keeps its counts in files, so that it goes on where it was stopped, and several processes share it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

import torch
from torch.multiprocessing.spawn import ProcessException, spawn

from robustseg.build import load
from robustseg.data.benchmarks.conventions import habit_note, headline_policy, true_split
from robustseg.data.sample import FrameError, Frames
from robustseg.files import locked
from robustseg.frames import fingerprint, open_frames
from robustseg.metrics import AbsentClass
from robustseg.models.card import read_card
from robustseg.models.segmenter import Segmenter
from robustseg.progress import progress_bar
from robustseg.recipe import Data, Recipe, Scoring, Transforms
from robustseg.recipe_file import RECIPE_FILE, read_recipe, write_recipe
from robustseg.robustness import Evaluation, save_study
from robustseg.robustness.cases import Which
from robustseg.robustness.evaluate import Plan, Progress, check_frames, count_frames, evaluations, make_plan
from robustseg.robustness.tally import Shape, finished, in_folder, in_memory, prepare
from robustseg.robustness.views import views_note
from robustseg.traces import said
from robustseg.version import __version__

SUMMARY_FILE = "training.json"
GO_ON = "what was counted is kept: `robustseg data check` names every bad file, then the same command goes on"
UNFINISHED = "unfinished"
"""The folder, in that of the results, of evaluations that are not done, each in a folder of its own."""


@dataclass(frozen=True)
class Task:
    """Everything that a process needs to know to score a model.

    Attributes:
        model: Its folder.
        data: Where the frames are.
        split: Which of them.
        protocols: How sensors fail, see `robustseg.robustness.cases`.
        subsets: Which subsets of modalities they walk through.
        scoring: How a frame becomes a prediction.
        batch_size: Frames encoded at a time.
        device: "auto" = a GPU if there is one.
        seed: Of the protocols' noise.
        precision: What the model computes in.
        recipe: Where data and scoring are from; it is kept beside the results, for reports.
    """

    model: Path
    data: Data
    split: str
    protocols: tuple[str, ...] = ("emm",)
    subsets: Which = "auto"
    scoring: Scoring = field(default_factory=Scoring)
    batch_size: int = 8
    device: str = "auto"
    seed: int = 0
    precision: str = "fp32"
    recipe: Recipe | None = None

    def open(self, device: str) -> tuple[Segmenter, Frames, Plan]:
        """The model on a device, the frames, and what to count."""
        model, frames = load(self.model, device, precision=self.precision), open_frames(self.data, self.split)
        check_frames(model, frames)
        plan = make_plan(
            self.protocols,
            frames.modalities,
            subsets=self.subsets,
            one_of=self.data.needs_one_of,
            scoring=self.scoring,
            batch_size=self.batch_size,
            seed=self.seed,
        )
        return model, frames, plan


def recipe_task(model: Path, *, recipe_file: Path | None = None, root: str = "", split: str = "") -> Task:
    """The task of scoring a model on the data of its recipe, by default on the split that the recipe reports.

    Raises:
        FileNotFoundError: No recipe lies beside the model and none is given.
    """
    recipe = model_recipe(model, recipe_file=recipe_file, root=root)
    return Task(model, recipe.data, split or recipe.data.val, scoring=recipe.scoring, recipe=recipe)


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


def evaluate_folder(task: Task, *, out: Path | None = None, processes: int = 1) -> dict[str, Evaluation]:
    """Scores a model folder, with a progress bar; gives an evaluation for each protocol.

    The results say so if the model was selected on this split, if habits of published code are on, and if a prediction
    is made of several views, or in less than fp32.

    Args:
        task: What to score, and how.
        out: A folder for the results, see `save_study`. The counts are kept there until they are saved: the same task
            then goes on where it was stopped. None = in memory, and nothing is saved.
        processes: How many share the frames; with GPUs each takes one. More than one need `out`.

    Raises:
        ValueError: Data and model do not belong together; another evaluation is at work in `out`; a process stopped.
        OSError: The disk has no room for the counts or the results.
    """
    if processes < 1 or (processes > 1 and out is None):
        raise ValueError(f"processes must be 1 or more, and more than 1 need a folder for results, got {processes}")
    model, frames, plan = task.open(task.device)
    if out is None:
        tally = in_memory(plan.shape(frames))
        with progress_bar(f"evaluating {task.model}") as report:
            count_frames(model, frames, plan, tally, progress=report)
        return _named(evaluations(model, frames, plan, tally, split=task.split), task)
    shape, identity = plan.shape(frames), _identity(task, model)
    busy = f"another evaluation is at work in {out}: wait for it, or give another --out"
    with locked(out, busy):  # to the very end: what is saved and deleted must be of this evaluation
        folder = _counting_folder(out, identity, model.card.sha256)
        done = prepare(folder, identity, shape)
        with progress_bar(f"evaluating {task.model}" + (f", {done} frames done before" if done else "")) as report:
            if processes == 1:
                tally = in_folder(folder, shape)
                try:
                    count_frames(model, frames, plan, tally, progress=report)
                except FrameError as error:
                    raise ValueError(f"{error}; {GO_ON}") from error
            else:
                _share(task, folder, shape, processes, report)
        study = _named(evaluations(model, frames, plan, in_folder(folder, shape), split=task.split), task)
        save_study(study, out)
        if task.recipe:
            write_recipe(out / RECIPE_FILE, replace(task.recipe, data=task.data, scoring=task.scoring))
        shutil.rmtree(folder, ignore_errors=True)
        if not any((out / UNFINISHED).iterdir()):
            (out / UNFINISHED).rmdir()
    return study


def _named(found: dict[str, Evaluation], task: Task) -> dict[str, Evaluation]:
    notes = (
        selection_note(task.model, task.split, task.data),
        habit_note(task.data, task.split),
        views_note(task.scoring),
    )
    absent: AbsentClass = headline_policy(task.data)
    return {
        protocol: replace(
            result,
            model=task.model.name,
            note="; ".join(part for part in (result.note, *notes) if part),
            absent=absent,
        )
        for protocol, result in found.items()
    }


def _identity(task: Task, model: Segmenter) -> dict[str, object]:
    """All that the counts depend on; where things lie, and how training changed its frames, is none of it."""
    known = {key: getattr(task, key) for key in ("split", "protocols", "subsets", "seed", "precision")}
    reading = replace(task.data, root="", muses=replace(task.data.muses, cache=""), transforms=Transforms())
    return {
        **known,
        "scoring": asdict(task.scoring),
        "frames": fingerprint(task.data, task.split),
        "data": asdict(reading),
        "model": asdict(replace(model.card, temperatures=(), calibrated_on="")),
        "version": __version__,
    }


def _counting_folder(out: Path, identity: dict[str, object], weights: str) -> Path:
    """Where a plan's counts are kept: a shorter evaluation in between costs a long one that was stopped nothing.

    Counts of other weights, which are no longer there, are deleted.
    """
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    for other in (out / UNFINISHED).glob("*"):
        if not other.name.startswith(weights[:12]):
            shutil.rmtree(other, ignore_errors=True)
    return out / UNFINISHED / f"{weights[:12]}-{name}"


def _share(task: Task, folder: Path, shape: Shape, processes: int, report: Progress) -> None:
    """Several processes count a part of the frames each; this one watches."""
    context = spawn(_count_share, args=(task, folder, shape, processes), nprocs=processes, join=False)
    assert context is not None  # for it was not joined
    try:
        while not context.join(timeout=0.5):
            report(len(finished(folder)), shape.frames)
    except ProcessException as error:
        raise ValueError(f"an evaluating process stopped: {said(str(error))}; {GO_ON}") from error
    finally:  # none may go on counting where the next evaluation does
        for process in cast(list[BaseProcess], context.processes):
            process.terminate()
            process.join()
    report(shape.frames, shape.frames)


def _count_share(rank: int, task: Task, folder: Path, shape: Shape, processes: int) -> None:
    device = task.device
    if device == "auto" and torch.cuda.is_available():
        device = f"cuda:{rank % torch.cuda.device_count()}"
    torch.set_num_threads(max(1, torch.get_num_threads() // processes))
    model, frames, plan = task.open(device)
    tally = in_folder(folder, shape)
    mine: Sequence[int] = range(rank, len(frames), processes)
    count_frames(model, frames, plan, tally, indices=mine)
