"""A run beside published rows: what is the same, and what makes them unlike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from robustseg.data.benchmarks.conventions import true_split
from robustseg.metrics import AbsentClass
from robustseg.models.card import RANDOM_ORIGIN, ModelCard
from robustseg.recipe import Data
from robustseg.report.published import Benchmark, Conventions, PublishedRow, Regime, field_order, published_rows
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.views import VIEWS

LETTERS: dict[str, dict[str, str]] = {
    "deliver": {"rgb": "R", "depth": "D", "event": "E", "lidar": "L"},
    "muses": {"camera": "F", "event": "E", "lidar": "L", "radar": "R"},
    "mcubes": {"rgb": "R", "aolp": "A", "dolp": "D", "nir": "N"},
}
"""Benchmark -> modality -> the field's letter. F is MUSES' frame camera."""

FIELD: dict[str, str] = {"deliver": "RDEL", "muses": "FEL", "mcubes": "RADN"}
"""The sensors of the field's tables, in their order."""


CHOICE = {
    "reported": "checkpoint chosen on the split",
    "other": "checkpoint not chosen on the split",
    "unknown": "choice of checkpoint unknown",
}


@dataclass(frozen=True)
class RunFacts:
    """What decides whether a run's numbers may stand beside published ones.

    Attributes:
        dataset: The benchmark.
        backbone: The run's.
        split: The frames that were scored: "test" for the list of MCubeS that the field calls val.
        sensors: Letters of the model's modalities, in the field's order.
        regime: "removed" or "zero-fill".
        labels: The size of the labels that were scored: "1024x1024", "stored".
        conventions: Of reading and scoring.
        chosen_on: Whether the checkpoint was chosen on the split that is reported.
        pretrained: Whether the encoder began from ImageNet weights, as all published ones did.
        views: Whether a prediction is made of several views of a frame, such as scales or a sliding window.
    """

    dataset: Benchmark
    backbone: str
    split: str
    sensors: str
    regime: Regime
    labels: str
    conventions: Conventions
    chosen_on: Literal["reported", "other"]
    pretrained: bool
    views: bool = False


@dataclass(frozen=True)
class Beside:
    """A published row, and the short reasons why it is no fair comparison; () = it is one."""

    row: PublishedRow
    marks: tuple[str, ...]


def run_facts(evaluation: Evaluation, data: Data, card: ModelCard) -> RunFacts | None:
    """What a run's recipe, model card and evaluation say; None if its data are no benchmark.

    Args:
        evaluation: Its note tells whether the checkpoint was chosen on this split, and of several views.
        data: The recipe's.
        card: The model's.

    Raises:
        ValueError: A modality is none of the benchmark's.
    """
    dataset = data.kind
    if dataset == "world" or dataset == "folders":
        return None
    habits = data.conventions == "published"
    zero = "zero" in evaluation.protocol or evaluation.absence == "zero"
    return RunFacts(
        dataset=dataset,
        backbone=card.backbone,
        split=true_split(data, evaluation.split),
        sensors=_join(dataset, letters_of(dataset, evaluation.modalities)),
        regime="zero-fill" if zero else "removed",
        labels=_label_size(data),
        conventions="published" if habits else "partly published" if data.habits else "strict",
        chosen_on="reported" if "selected on this very split" in evaluation.note else "other",
        pretrained=card.origin != RANDOM_ORIGIN,
        views=VIEWS in evaluation.note,
    )


def _label_size(data: Data) -> str:
    """The size of the labels that are scored, as published rows say it."""
    habit = "centre_crop" if data.kind == "mcubes" else "resized_labels"
    if data.conventions == "strict" and habit not in data.habits:
        return "stored"
    if data.resize is None:
        return "1024x1024" if data.kind == "mcubes" else "stored"  # MCubeS' central square has this side
    return f"{data.resize[0]}x{data.resize[1]}"


def letters_of(dataset: str, modalities: tuple[str, ...]) -> tuple[str, ...]:
    """The field's letter of each modality.

    Raises:
        ValueError: One is none of the benchmark's, or two have one letter.
    """
    known = LETTERS[dataset]
    unknown = [name for name in modalities if name not in known]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of {dataset}'s modalities, which are {', '.join(known)}")
    letters = tuple(known[name] for name in modalities)
    if len(set(letters)) < len(letters):
        raise ValueError(f"two of {', '.join(modalities)} are one sensor in the tables of {dataset}")
    return letters


def subset_scores(dataset: str, evaluation: Evaluation, absent: AbsentClass = "zero") -> dict[str, float]:
    """The field's letters of each subset, in the field's order -> mIoU.

    Raises:
        ValueError: A modality is none of the benchmark's, or the evaluation's rows are no subsets.
    """
    letters = letters_of(dataset, evaluation.modalities)
    scores: dict[str, float] = {}
    for row, score in zip(evaluation.subsets.tolist(), evaluation.miou(absent).tolist(), strict=True):
        name = _join(dataset, [letter for letter, here in zip(letters, row, strict=True) if here])
        if name in scores:
            raise ValueError(
                f"the rows of protocol {evaluation.protocol!r} are no subsets of sensors: give that of emm"
            )
        scores[name] = score
    order = field_order(_join(dataset, letters))
    return {name: scores[name] for name in order if name in scores}


def beside(facts: RunFacts) -> tuple[Beside, ...]:
    """The published rows of the run's benchmark: fewest differences first, then the best mean, then full score."""
    rows = [Beside(row, marks(row, facts)) for row in published_rows() if row.dataset == facts.dataset]
    return tuple(sorted(rows, key=lambda found: (len(found.marks), -(found.row.mean or 0), -(found.row.full or 0))))


def marks(row: PublishedRow, facts: RunFacts) -> tuple[str, ...]:
    """Short reasons why a row is no fair comparison to a run; () = it is one."""
    same_way = row.conventions == facts.conventions
    reasons = {
        f"backbone {row.backbone or 'unknown'}": row.backbone != facts.backbone,
        f"{row.split} split": row.split != facts.split,
        f"sensors {row.sensors or 'unknown'}": row.sensors != facts.sensors,
        "one model per set": row.regime == "one model per set",
        "missing filled with zeros": row.regime == "zero-fill" != facts.regime,
        "missing removed": row.regime == "removed" != facts.regime,
        f"{row.conventions} conventions": not same_way,
        f"labels {row.labels}": same_way and row.labels != facts.labels,
        CHOICE[row.chosen_on]: row.chosen_on != facts.chosen_on,
        "ImageNet weights": not facts.pretrained,
        "one view of a frame": facts.views,
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def _join(dataset: str, letters: Sequence[str]) -> str:
    """In the field's order; sensors that its tables lack come last."""
    order = FIELD[dataset]
    return "".join(sorted(letters, key=lambda letter: order.index(letter) if letter in order else len(order)))
