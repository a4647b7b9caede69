"""Tables in the field's columns: a run's own rows, and published ones beside them. All scores are mIoU in percent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from robustseg.metrics import AbsentClass
from robustseg.report.beside import FIELD, Beside, RunFacts, beside, subset_scores
from robustseg.report.published import PublishedRow, field_order
from robustseg.report.tables.grid import Cell, Grid
from robustseg.report.tables.summaries import summary_values
from robustseg.report.tables.words import POLICY, sentences, shared_policy
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.protocols import EMM_RATES, NM_LEVELS, RMM_SHARES, rmm_protocol

OWN = "this run"

PROTOCOL_COLUMNS = {
    "emm_zero average": "EMM Avg",
    **{f"emm_zero expected {rate}": f"E {rate}" for rate in EMM_RATES},
    **{
        key: title
        for share in RMM_SHARES
        for key, title in (
            (f"{rmm_protocol(share)} average", f"RMM {share} Avg"),
            *((f"{rmm_protocol(share)} expected {rate}", f"E {rate}") for rate in EMM_RATES),
        )
    },
    **{f"nm {level}": f"NM {level}" for level in NM_LEVELS},
}


def field_table(evaluations: Mapping[str, Evaluation], dataset: str = "", absent: AbsentClass | None = None) -> Grid:
    """A row per model, a column per subset in the field's order (R D E L RD ... RDEL), then their mean.

    Args:
        evaluations: What tables call a model -> its evaluation; all of the same modalities.
        dataset: A benchmark, whose letters and order are used; "" = initials, in the modalities' own order.
        absent: How classes that occur nowhere enter mIoU; None = as the evaluation says.

    Raises:
        ValueError: The evaluations are of different subsets, or a modality is none of the benchmark's.
    """
    absent = absent or shared_policy(evaluations.values())
    found = {name: _scores(dataset, entry, absent) for name, entry in evaluations.items()}
    columns = list(next(iter(found.values()), {}))
    for name, scores in found.items():
        if list(scores) != columns:
            raise ValueError(f"{name} was evaluated on other subsets than {next(iter(found))}: evaluate them again")
    split = next((entry.split for entry in evaluations.values()), "")
    notes = [f"{name}: {entry.note}" for name, entry in evaluations.items() if entry.note]
    return Grid(
        title=f"mIoU of each subset{f' on {split}' if split else ''}",
        head=("model", *columns, "mean"),
        rows=tuple((name, *scores.values(), evaluations[name].mean(absent)) for name, scores in found.items()),
        caption=" ".join([sentences(POLICY[absent]), *(f"{note}." for note in notes)]),
    )


def published_table(evaluations: Mapping[str, Evaluation], facts: RunFacts, absent: AbsentClass = "zero") -> Grid:
    """The run's own rows above the published rows of subsets, each marked with what makes it unlike.

    Args:
        evaluations: What tables call a model -> its evaluation.
        facts: Of all of them.
        absent: How classes that occur nowhere enter mIoU; "zero" as in published tables.
    """
    columns = field_order(FIELD[facts.dataset])
    rows: list[tuple[Cell, ...]] = []
    for name, entry in evaluations.items():
        scores = subset_scores(facts.dataset, entry, absent)
        own = [scores.get(key) for key in columns]
        rows.append((*_own(name, facts), *own, _mean(own), OWN, ""))
    shown = [found for found in beside(facts) if found.row.subsets or found.row.mean is not None]
    for found in shown:
        scores = _subsets(found.row)
        rows.append((*_told(found), *(scores.get(key) for key in columns), found.row.mean, *_ends(found)))
    return Grid(
        title=f"{facts.dataset}: mIoU of each subset, beside published results",
        head=("method", "backbone", "split", "missing", *columns, "mean", "differs in", "source"),
        rows=tuple(rows),
        caption=_caption(shown, POLICY[absent]),
    )


def published_full_table(evaluations: Mapping[str, Evaluation], facts: RunFacts, absent: AbsentClass = "zero") -> Grid:
    """The run's own mIoU with all its sensors above the published ones, each marked with what makes it unlike."""
    own = [
        (name, facts.backbone, facts.split, facts.sensors, entry.full(absent), OWN, "")
        for name, entry in evaluations.items()
    ]
    shown = [_for_full(found) for found in beside(facts) if found.row.full is not None]
    shown.sort(key=lambda found: (len(found.marks), -(found.row.full or 0.0)))
    rows = [
        (
            found.row.method,
            found.row.backbone or "?",
            found.row.split,
            found.row.sensors or "?",
            found.row.full,
            *_ends(found),
        )
        for found in shown
    ]
    return Grid(
        title=f"{facts.dataset}: mIoU with all sensors, beside published results",
        head=("method", "backbone", "split", "sensors", "mIoU", "differs in", "source"),
        rows=(*own, *rows),
        caption=_caption(shown, POLICY[absent]),
    )


def published_protocol_table(
    study: Mapping[str, Evaluation], facts: RunFacts, name: str = OWN, absent: AbsentClass = "zero"
) -> Grid:
    """The run's own averages and expectations under all protocols above the published ones.

    Published EMM fills missing inputs with zeros, so the run's own is of protocol emm_zero, or of emm if the model
    itself fills with zeros.

    Args:
        study: Protocol -> evaluation.
        facts: Of the run.
        name: What the table calls it.
        absent: How classes that occur nowhere enter mIoU; None = as the evaluation says.
    """
    study = dict(study)
    if "emm_zero" not in study and "emm" in study and study["emm"].absence == "zero":
        study["emm_zero"] = study["emm"]
    own = {f"{key} {what}": value for key, entry in study.items() for what, value in _values(entry, absent).items()}
    rows: list[tuple[Cell, ...]] = [(*_own(name, facts)[:3], *(own.get(key) for key in PROTOCOL_COLUMNS), OWN, "")]
    found = beside(replace(facts, regime="zero-fill"))
    shown = [entry for entry in found if entry.row.protocols.keys() & PROTOCOL_COLUMNS.keys()]
    for entry in shown:
        scores = entry.row.protocols
        rows.append((*_told(entry)[:3], *(scores.get(key) for key in PROTOCOL_COLUMNS), *_ends(entry)))
    return Grid(
        title=f"{facts.dataset}: sensor failures, beside published results",
        head=("method", "backbone", "split", *PROTOCOL_COLUMNS.values(), "differs in", "source"),
        rows=tuple(rows),
        caption=_caption(shown, POLICY[absent], "EMM and RMM: Avg over subsets, E p = expected if each fails with p"),
    )


def _scores(dataset: str, evaluation: Evaluation, absent: AbsentClass) -> dict[str, float]:
    if dataset:
        return subset_scores(dataset, evaluation, absent)
    scores = dict(zip(evaluation.letters, evaluation.miou(absent).tolist(), strict=True))
    if len(scores) < len(evaluation.subsets):
        raise ValueError(f"the rows of protocol {evaluation.protocol!r} are no subsets of sensors: give that of emm")
    return scores


def _values(evaluation: Evaluation, absent: AbsentClass) -> dict[str, float]:
    """The summary of a published protocol; nothing of faults, whose rows are no subsets and no levels."""
    published = evaluation.protocol == "nm" or evaluation.protocol.startswith(("emm", "rmm"))
    return summary_values(evaluation, absent) if published else {}


def _mean(scores: list[float | None]) -> float | None:
    """Of all the field's subsets; None for a run that lacks some, whose mean would be of other sets."""
    found = [score for score in scores if score is not None and not math.isnan(score)]
    return sum(found) / len(found) if len(found) == len(scores) else None


def _subsets(row: PublishedRow) -> dict[str, float]:
    return row.subsets or ({row.sensors: row.full} if row.full is not None else {})


def _for_full(found: Beside) -> Beside:
    """Without the marks on missing inputs: with all sensors nothing is missing."""
    kept = tuple(mark for mark in found.marks if not mark.startswith("missing ") and mark != "one model per set")
    return replace(found, marks=kept)


def _own(name: str, facts: RunFacts) -> tuple[Cell, ...]:
    return name, facts.backbone, facts.split, facts.regime


def _told(found: Beside) -> tuple[Cell, ...]:
    return found.row.method, found.row.backbone or "?", found.row.split, found.row.regime


def _ends(found: Beside) -> tuple[Cell, ...]:
    return ", ".join(found.marks) or "nothing known", f"[{found.row.grade}] {found.row.source}"


def _caption(shown: list[Beside], *parts: str) -> str:
    """What the marks and grades mean, and the notes of the rows."""
    notes = [f"{found.row.method}: {found.row.note}." for found in shown if found.row.note]
    meaning = sentences(
        *parts,
        "differs in: what makes a published row no fair comparison to this run",
        "grades: A read in a primary source, B second-hand notes of it, C written by a machine",
    )
    return " ".join([meaning, *dict.fromkeys(notes)])
