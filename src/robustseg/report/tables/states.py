"""Tables of protocols whose rows are states: noise, faults, subsets with something in place of what is missing."""

from __future__ import annotations

from robustseg.metrics import AbsentClass
from robustseg.report.tables.grid import Cell, Grid
from robustseg.report.tables.words import POLICY, caption_of, title_of
from robustseg.robustness.cases import parse_state
from robustseg.robustness.evaluation import Evaluation


def state_table(evaluation: Evaluation) -> Grid:
    """Each row's mIoU under both policies for absent classes; rows that no frame was scored in are left out."""
    frames = evaluation.scored.sum(dim=0).tolist()
    columns = [evaluation.names, evaluation.miou("zero").tolist(), evaluation.miou("skip").tolist(), frames]
    return Grid(
        title=f"{title_of(evaluation)}: {evaluation.protocol}",
        head=("state", "mIoU", "mIoU present", "frames"),
        rows=tuple(row for row in zip(*columns, strict=True) if row[-1]),
        caption=caption_of(evaluation, f"mIoU: {POLICY['zero']}; mIoU present: they are left out"),
    )


def fault_table(evaluation: Evaluation, absent: AbsentClass | None = None) -> Grid:
    """A row for each fault and sensor, a column for each severity; the other sensors are well.

    Raises:
        ValueError: The evaluation is not of faults.
    """
    absent = absent or evaluation.absent
    scores: dict[tuple[str, str], dict[int, float]] = {}
    frames: dict[tuple[str, str], int] = {}
    columns = zip(
        evaluation.names, evaluation.miou(absent).tolist(), evaluation.scored.sum(dim=0).tolist(), strict=True
    )
    for state, score, seen in columns:
        fault, sensor, severity = parse_state(state)
        row = fault, sensor
        scores.setdefault(row, {})[severity] = score
        frames[row] = min(seen, frames[row]) if row in frames else seen
    severities = sorted({severity for row in scores.values() for severity in row})
    rows: list[tuple[Cell, ...]] = [
        (fault.replace("_", " "), sensor, *(row.get(severity) for severity in severities), frames[fault, sensor])
        for (fault, sensor), row in scores.items()
    ]
    return Grid(
        title=f"{title_of(evaluation)}: faults by severity",
        head=("fault", "sensor", *map(str, severities), "frames"),
        rows=tuple(rows),
        caption=caption_of(
            evaluation,
            f"mIoU: {POLICY[absent]}",
            "frames: scored at every severity; a late sensor needs a past that reaches back far enough",
        ),
    )
