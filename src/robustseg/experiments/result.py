"""The result of one run, a method with a seed, as one JSON file: all that tables and intervals are made from.

Shapes: F frames, S rows of a protocol, K classes.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from robustseg.experiments.grid import Method
from robustseg.experiments.packing import Packed, pack, unpack
from robustseg.files import write_text
from robustseg.metrics import AbsentClass
from robustseg.recipe import Distill, Machine, Recipe, Schedule, Sight
from robustseg.recipe_file import differences, plain
from robustseg.robustness import Evaluation
from robustseg.strict import from_plain, load_json

LARGEST = 2**28
"""Bytes of a result's file; a larger one is refused before it is read."""

PLACES = (("name",), ("out",), ("seed",), ("data", "root"), ("distill", "teacher"), ("distill", "student_init"))
"""Keys of a recipe that say where things lie, or that stand in the result under names of their own."""


@dataclass(frozen=True)
class Rows:
    """What a protocol found.

    Attributes:
        scores: Row -> mIoU in percent; None = scored on no frame.
        mean: Over the rows.
        all: With every sensor.
        worst: The lowest.
        present: Of each row, the modalities that are not missing.
        counts: "F S K 3": TP, FP, FN.
    """

    scores: dict[str, float | None]
    mean: float | None
    all: float | None
    worst: float | None
    present: tuple[tuple[bool, ...], ...]
    counts: Packed


@dataclass(frozen=True)
class Selection:
    """How the best weights were chosen.

    Attributes:
        select: The recipe's way.
        epoch: Whose weights were kept.
        scores: Epoch and score, as often as it was looked at.
    """

    select: str
    epoch: int
    scores: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Made:
    """What it cost, and where and when it was made.

    Attributes:
        minutes: Of training.
        parameters: Of the network.
        gmac: Billions of multiply-adds of one frame with all its modalities.
        date: Year-month-day.
        torch: Its version.
        threads: Of the processor.
        version: Of this package.
        weights: SHA-256.
    """

    minutes: float
    parameters: int
    gmac: float
    date: str
    torch: str
    threads: int
    version: str
    weights: str


@dataclass(frozen=True)
class Result:
    """One run's result.

    Attributes:
        method: Its name.
        seed: Of its draws.
        stage: What was trained.
        teacher: The method that taught; "" = none did.
        start: The method whose weights it started from, "scratch", or "" for a teacher.
        recipe: As it was resolved, without places; see `PLACES`.
        fingerprints: Of the training frames and of the scored ones.
        protocols: Protocol -> what it found.
        selection: How the weights were chosen.
        made: What it cost.
        frames: Names of the scored ones.
        sequences: The recording that each is of; "" = unknown.
        classes: Names.
        modalities: Names.
        absent: How classes that occur nowhere enter a mean.
    """

    method: str
    seed: int
    stage: Literal["teacher", "student"]
    teacher: str
    start: str
    recipe: Recipe
    fingerprints: dict[str, str]
    selection: Selection
    made: Made
    modalities: tuple[str, ...]
    classes: tuple[str, ...]
    absent: AbsentClass
    protocols: dict[str, Rows]
    frames: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.frames) != len(self.sequences):
            raise ValueError(f"{len(self.frames)} frames and {len(self.sequences)} sequences do not belong together")
        for protocol, rows in self.protocols.items():
            wrong = [row for row in rows.present if len(row) != len(self.modalities)]
            if len(rows.present) != len(rows.scores) or wrong:
                raise ValueError(f"the rows of {protocol} do not fit {len(self.modalities)} modalities")

    def counts(self, protocol: str = "emm") -> Int64[Tensor, "F S K 3"]:
        """TP, FP, FN of each frame, row and class.

        Raises:
            ValueError: They are damaged, or not of the size that belongs to the rest.
        """
        rows = self.protocols[protocol]
        return unpack(rows.counts, (len(self.frames), len(rows.scores), len(self.classes), 3))

    def present(self, protocol: str = "emm") -> Bool[Tensor, "S M"]:
        """The modalities that are not missing in each row."""
        return torch.tensor(self.protocols[protocol].present, dtype=torch.bool)


def found_rows(evaluation: Evaluation) -> Rows:
    """An evaluation as a result keeps it."""
    scores = evaluation.miou().tolist()
    return Rows(
        {name: _number(score) for name, score in zip(evaluation.names, scores, strict=True)},
        mean=_number(evaluation.mean()),
        all=_number(evaluation.full()),
        worst=_number(evaluation.worst()[1]),
        present=tuple(tuple(row) for row in evaluation.subsets.tolist()),
        counts=pack(evaluation.counts),
    )


def write_result(path: Path, result: Result) -> None:
    """Writes the file, whole or not at all."""
    about = plain(result) | {"recipe": _without_places(result.recipe)}
    write_text(path, _compact(about))


def read_result(path: Path) -> Result:
    """Reads what `write_result` wrote. A key of the recipe that is not there has its default.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged or too large, or its counts are not what the rest says.
    """
    try:
        result = from_plain(load_json(path, largest=LARGEST), Result)
        for protocol in result.protocols:
            result.counts(protocol)
    except ValueError as error:
        raise ValueError(f"{path} is no result that can be used: {error}") from error
    return result


def disagreements(result: Result, method: Method, seed: int, fingerprints: dict[str, str] | None) -> list[str]:
    """In what a stored result was made otherwise than it would be now; `fingerprints` None = not looked at."""
    was: dict[str, Any] = {"seed": result.seed, "stage": result.stage, "teacher": result.teacher, "start": result.start}
    now: dict[str, Any] = {"seed": seed, "stage": method.stage, "teacher": method.teacher, "start": method.start}
    if fingerprints is not None:
        was["frames"], now["frames"] = result.fingerprints, fingerprints
    old, new = (_without_places(deciding(entry.recipe, entry.stage)) for entry in (result, method))
    return differences(was, now) + differences(old, new)


def deciding(recipe: Recipe, stage: str) -> Recipe:
    """A recipe with defaults for what does not decide a stage's scores: the other stage, memory, time."""
    machine = replace(
        recipe.machine,
        **{key: getattr(Machine(), key) for key in ("accelerator", "workers", "checkpoint_every", "log_every")},
    )
    recipe = replace(recipe, machine=machine, model=replace(recipe.model, gradient_checkpointing=False))
    if stage == "student":
        return replace(recipe, teacher=Schedule())
    supervised = {key: getattr(recipe.distill, key) for key in ("ohem_threshold", "ohem_min_kept", "class_weights")}
    return replace(recipe, student=Schedule(), sight=Sight(), distill=Distill(**supervised))


def _without_places(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values, without what tells of somebody's folders."""
    values = plain(recipe)
    for *groups, last in PLACES:
        place = values
        for group in groups:
            place = place[group]
        del place[last]
    values["data"]["muses"]["cache"] = ""
    values["model"]["encoder_weights"] = Path(recipe.model.encoder_weights).name
    return values


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _compact(about: dict[str, Any]) -> str:
    """JSON with a line for each of its keys, so that people can look into it."""
    lines = (f" {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in about.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"
