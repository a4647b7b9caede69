"""Model folders are scored on the data their recipes name, and say how they were chosen.

A long evaluation keeps its counts in files, so that it goes on where it was stopped, and several processes share it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from torch.multiprocessing.spawn import ProcessException, spawn

from robustseg.build import load
from robustseg.data.benchmarks.conventions import habit_note, habits, headline_policy, true_split
from robustseg.data.sample import Frames
from robustseg.frames import fingerprint, open_frames
from robustseg.metrics import AbsentClass
from robustseg.models.card import read_card
from robustseg.models.segmenter import Segmenter
from robustseg.progress import progress_bar
from robustseg.recipe import Data, Recipe, Scoring
from robustseg.recipe_file import RECIPE_FILE, read_recipe
from robustseg.robustness import Evaluation
from robustseg.robustness.cases import Which
from robustseg.robustness.evaluate import Plan, Progress, check_frames, count_frames, evaluations, make_plan
from robustseg.robustness.tally import Shape, finished, in_folder, in_memory, prepare
from robustseg.version import __version__

SUMMARY_FILE = "training.json"
UNFINISHED = "unfinished"
"""The folder, in that of the results, of an evaluation that is not done."""


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

    def open(self, device: str) -> tuple[Segmenter, Frames, Plan]:
        """The model on a device, the frames, and what to count."""
        model, frames = load(self.model, device=device), open_frames(self.data, self.split)
        check_frames(model, frames)
        plan = make_plan(
            self.protocols,
            frames.modalities,
            subsets=self.subsets,
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
    return Task(model, recipe.data, split or recipe.data.val, scoring=recipe.scoring)


def evaluation_frames(model: Path, *, recipe_file: Path | None, root: str, split: str) -> tuple[Frames, str]:
    """The frames to score a model on, and their split: by default those that its recipe reports.

    Raises:
        FileNotFoundError: No recipe lies beside the model and none is given, or data are missing.
    """
    task = recipe_task(model, recipe_file=recipe_file, root=root, split=split)
    return open_frames(task.data, task.split), task.split


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


def scoring_note(scoring: Scoring) -> str:
    """What a reader must know of how frames became predictions; empty = each as it is, in one piece.

    Example:
        >>> scoring_note(Scoring(scales=(0.75, 1.0), flip=True, window=(64, 96)))
        'scored on views of each frame: at scales 0.75 and 1, mirrored, in windows of 64x96'
    """
    views = (
        "" if scoring.scales == (1.0,) else "at scales " + " and ".join(f"{scale:g}" for scale in scoring.scales),
        "mirrored" if scoring.flip else "",
        "in windows of {}x{}".format(*scoring.window) if scoring.window else "",
    )
    told = ", ".join(filter(None, views))
    return f"scored on views of each frame: {told}" if told else ""


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

    A model that was selected on this split is marked, and so are the habits of published code that are on.

    Args:
        task: What to score, and how.
        out: A folder where the counts are kept while it runs: the same task then goes on where it was stopped. None =
            in memory.
        processes: How many share the frames; with GPUs each takes one. More than one need `out`.

    Raises:
        ValueError: Data and model do not belong together; another evaluation is at work in `out`; a process stopped.
    """
    model, frames, plan = task.open(task.device)
    if out is None:
        tally = in_memory(plan.shape(frames))
        with progress_bar(f"evaluating {task.model}") as report:
            count_frames(model, frames, plan, tally, progress=report)
        return _named(evaluations(model, frames, plan, tally, split=task.split), task)
    folder = out / UNFINISHED
    shape = plan.shape(frames)
    with _only_one(out):
        done = prepare(folder, _identity(task, model), shape)
        with progress_bar(f"evaluating {task.model}" + (f", {done} frames done before" if done else "")) as report:
            if processes == 1:
                tally = in_folder(folder, shape)
                count_frames(model, frames, plan, tally, progress=report)
            else:
                _share(task, folder, shape, processes, report)
        return _named(evaluations(model, frames, plan, in_folder(folder, shape), split=task.split), task)


def discard_unfinished(out: Path) -> None:
    """Deletes the counts that `evaluate_folder` has kept in `out`, once the evaluations are saved."""
    shutil.rmtree(out / UNFINISHED, ignore_errors=True)


def _named(found: dict[str, Evaluation], task: Task) -> dict[str, Evaluation]:
    notes = (
        selection_note(task.model, task.split, task.data),
        habit_note(task.data, task.split),
        scoring_note(task.scoring),
    )
    note = "; ".join(part for part in notes if part)
    absent: AbsentClass = headline_policy(task.data)
    return {
        protocol: replace(result, model=task.model.name, note=note, absent=absent) for protocol, result in found.items()
    }


def _identity(task: Task, model: Segmenter) -> dict[str, object]:
    """All that the counts depend on."""
    plain = asdict(replace(task, model=Path(), data=Data(), device="", batch_size=1))
    known = {key: plain[key] for key in ("split", "protocols", "subsets", "scoring", "seed")}
    data = fingerprint(task.data, task.split)
    muses = asdict(replace(task.data.muses, cache=""))
    reading = {"size": task.data.resize, "habits": sorted(habits(task.data)), "muses": muses}
    return {**known, "model": model.card.sha256, "data": data, **reading, "version": __version__}


def _share(task: Task, folder: Path, shape: Shape, processes: int, report: Progress) -> None:
    """Several processes count a part of the frames each; this one watches."""
    context = spawn(_count_share, args=(task, folder, shape, processes), nprocs=processes, join=False)
    assert context is not None  # for it was not joined
    try:
        while not context.join(timeout=0.5):
            report(len(finished(folder)), shape.frames)
    except ProcessException as error:
        lines = str(error).strip().splitlines()
        raise ValueError(f"an evaluating process stopped: {lines[-1]}") from error
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


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keeps a folder of results to one evaluation at a time; the lock ends with the process, however that ends.

    Raises:
        ValueError: Another evaluation is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(f"another evaluation is at work in {folder}: wait for it, or give another --out") from error
    try:
        yield
    finally:
        lock.release()
