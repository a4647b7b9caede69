"""One job of a comparison: a method with a seed is trained and scored, and its result written."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from robustseg.benchmark.cost import GIGA, frame_macs
from robustseg.experiments.grid import Method
from robustseg.experiments.result import Made, Result, Selection, found_rows, write_result
from robustseg.frames import fingerprint, open_frames
from robustseg.models.card import ModelCard, read_card
from robustseg.models.weights import structure
from robustseg.recipe import NO_TEACHER, Data, Recipe
from robustseg.robustness import Evaluation
from robustseg.scoring import SUMMARY_FILE, Task, evaluate_folder, recipe_task
from robustseg.training.identity import check_made_from, stage_identity
from robustseg.training.learners import teacher_weights
from robustseg.training.run import measured_recipe, model_card, train, train_teacher
from robustseg.version import __version__

Key = tuple[str, int]
"""A method's name and a seed."""


@dataclass(frozen=True)
class Places:
    """Where a comparison's files lie.

    Attributes:
        out: Runs: OUT/METHOD/seed_K, with a log beside each.
        results: RESULTS/METHOD/seed_K.json.
        root: The data folder, instead of the recipe's; "" = the recipe's.
    """

    out: Path
    results: Path
    root: str = ""

    def run(self, key: Key) -> Path:
        """The run's folder."""
        return self.out / key[0] / f"seed_{key[1]}"

    def log(self, key: Key) -> Path:
        """What the run said."""
        return self.out / key[0] / f"seed_{key[1]}.log"

    def lock(self, key: Key) -> Path:
        """The folder that whoever does the job holds; training and evaluation lock folders of their own."""
        return self.out / ".jobs" / key[0] / f"seed_{key[1]}"

    def result(self, key: Key) -> Path:
        """The run's result."""
        return self.results / key[0] / f"seed_{key[1]}.json"


@dataclass(frozen=True)
class Job:
    """All that a process needs to know to do it.

    Attributes:
        method: What.
        seed: From which draws.
        stages: Of the methods that it needs: "teacher" or "student".
        protocols: By which it is scored.
        places: Where.
        redo: What was made from another recipe is thrown away.
    """

    method: Method
    seed: int
    stages: dict[str, str]
    protocols: tuple[str, ...]
    places: Places
    redo: bool = False

    @property
    def key(self) -> Key:
        return self.method.name, self.seed

    @property
    def needs(self) -> tuple[Key, ...]:
        """The jobs whose weights it needs."""
        return tuple((name, self.seed) for name in self.method.needs)

    @property
    def model(self) -> Path:
        """The model folder that it leaves."""
        return self.places.run(self.key) / self.method.stage

    @property
    def result_file(self) -> Path:
        """The result that it writes."""
        return self.places.result(self.key)

    @property
    def recipe(self) -> Recipe:
        """The recipe of this seed, with its folders and those of the methods that it needs."""
        known = located(self.method.recipe, self.places.root)
        known = replace(known, seed=self.seed, name=f"seed_{self.seed}", out=str(self.places.out / self.method.name))
        if self.method.stage == "teacher":
            return known
        teacher, start = (
            str(self.places.run((name, self.seed)) / self.stages[name]) if name in self.stages else name
            for name in (self.method.teacher or NO_TEACHER, self.method.start)
        )
        init = "teacher" if start == teacher else start
        return replace(known, distill=replace(known.distill, teacher=teacher, student_init=init))


def located(recipe: Recipe, root: str) -> Recipe:
    """A recipe with its data where they lie."""
    return replace(recipe, data=replace(recipe.data, root=root)) if root else recipe


def trained(model: Path) -> bool:
    """Whether a model folder is finished: the summary is written last."""
    return (model / SUMMARY_FILE).is_file()


def done(job: Job) -> bool:
    """Whether a job has left all that it should."""
    return job.result_file.is_file() and trained(job.model)


def fingerprints(data: Data) -> dict[str, str]:
    """Of the training frames and of the scored ones."""
    return {"train": fingerprint(data, data.train), "val": fingerprint(data, data.val)}


def do(job: Job) -> None:
    """Trains, scores, writes the result; what is done is not done again.

    Raises:
        ValueError, FileNotFoundError, OSError: As training and evaluation do.
    """
    recipe = job.recipe
    folder = _train(job, recipe)
    if job.result_file.is_file():  # only the weights were missing
        return
    task = replace(recipe_task(folder, root=recipe.data.root), protocols=job.protocols, device=_device(recipe))
    study = evaluate_folder(task, out=folder / "evaluation" / task.split)
    write_result(job.result_file, _result(job, folder, task, study))


def cost(card: ModelCard) -> tuple[int, float]:
    """Parameters, and billions of multiply-adds of one frame with all its modalities."""
    parameters = sum(entry.numel() for entry in structure(card).parameters())
    return parameters, frame_macs(card, card.resize or card.input_size, len(card.modalities)) / GIGA


def planned_card(recipe: Recipe) -> ModelCard:
    """The card of a model that is not trained yet, whoever teaches it."""
    return model_card(recipe, open_frames(recipe.data, recipe.data.train, training=True), "teacher")


def _train(job: Job, recipe: Recipe) -> Path:
    restart = job.redo and _made_otherwise(job, recipe)
    if job.method.stage == "teacher":
        return train_teacher(recipe, restart=restart)
    return train(recipe, restart=restart)


def _made_otherwise(job: Job, recipe: Recipe) -> bool:
    """Whether the run's folder holds a model, or the beginning of one, of another recipe, other data or teacher."""
    identity = stage_identity(measured_recipe(recipe), job.method.stage)
    if recipe.distill.teacher:  # of a student
        identity["weights"] = teacher_weights(recipe)
    try:
        check_made_from(job.model, identity)
    except ValueError:
        return True
    return False


def _device(recipe: Recipe) -> str:
    return "cpu" if recipe.machine.accelerator == "cpu" else "auto"


def _result(job: Job, folder: Path, task: Task, study: dict[str, Evaluation]) -> Result:
    clean = study["emm"]
    card = read_card(folder)
    frames = open_frames(task.data, task.split)
    return Result(
        method=job.method.name,
        seed=job.seed,
        stage=job.method.stage,
        teacher=job.method.teacher,
        start=job.method.start,
        recipe=job.method.recipe,
        fingerprints=fingerprints(job.recipe.data),
        selection=_selection(folder),
        made=_made(folder, card),
        modalities=clean.modalities,
        classes=clean.classes,
        absent=clean.absent,
        protocols={protocol: found_rows(found) for protocol, found in study.items()},
        frames=clean.frames,
        sequences=frames.sequences,
    )


def _selection(folder: Path) -> Selection:
    summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    scores = tuple((int(epoch), round(float(score), 4)) for epoch, score in summary["scores"])
    return Selection(summary["select"], summary["epoch"], scores)


def _made(folder: Path, card: ModelCard) -> Made:
    summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    parameters, gmac = cost(card)
    return Made(
        minutes=round(summary["seconds"] / 60, 2),
        parameters=parameters,
        gmac=round(gmac, 4),
        date=time.strftime("%Y-%m-%d"),
        torch=str(torch.__version__),
        threads=torch.get_num_threads(),
        version=__version__,
        weights=card.sha256,
    )
