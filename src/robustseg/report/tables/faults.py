"""Faults from the field: how the score falls as one sensor gets worse, and what it is without that sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from robustseg.metrics import AbsentClass, mean_iou
from robustseg.report.subsets import by_mask, devices, without
from robustseg.report.tables.grid import Grid
from robustseg.report.tables.words import POLICY, caption_of, title_of
from robustseg.robustness.cases import parse_state
from robustseg.robustness.evaluation import Evaluation


@dataclass(frozen=True)
class Fault:
    """One fault of one sensor; all scores are mIoU on the same frames, those that all its severities were scored on.

    Attributes:
        fault: Its name.
        sensor: That it hits; all others are well.
        scores: By severity; one that no frame's past reaches back to is left out.
        well: With all sensors well.
        gone: With the sensor switched off.
        frames: How many there are; a late sensor needs a past that reaches back far enough.
    """

    fault: str
    sensor: str
    scores: dict[int, float]
    well: float
    gone: float
    frames: int


def read_faults(faults: Evaluation, subsets: Evaluation | None, absent: AbsentClass | None = None) -> list[Fault]:
    """Every fault of every sensor that was scored on any frame.

    Args:
        faults: Of protocol "faults".
        subsets: Of protocol "emm", on the same frames; None = not evaluated.
        absent: How classes that occur nowhere enter mIoU; None = as the evaluation says.
    """
    absent = absent or faults.absent
    rows: dict[tuple[str, str], dict[int, int]] = {}
    for row, state in enumerate(faults.states):
        fault, sensor, severity = parse_state(state)
        rows.setdefault((fault, sensor), {})[severity] = row
    parts: dict[bytes, tuple[float, dict[str, float]]] = {}
    found = []
    for (fault, sensor), own in rows.items():
        own = {severity: row for severity, row in own.items() if bool(faults.scored[:, row].any())}
        places = list(own.values())
        if not places:
            continue
        frames = faults.scored[:, places].all(dim=1)  # F
        mask = frames.numpy().tobytes()
        if mask not in parts:
            parts[mask] = _well_and_gone(subsets.where(frames), absent) if subsets else (math.nan, {})
        well, gone = parts[mask]
        scores = mean_iou(faults.counts[frames][:, places].sum(dim=0), absent).tolist()
        found.append(
            Fault(
                fault, sensor, dict(zip(own, scores, strict=True)), well, gone.get(sensor, math.nan), int(frames.sum())
            )
        )
    return found


def fault_table(faults: Evaluation, subsets: Evaluation | None = None, absent: AbsentClass | None = None) -> Grid:
    """A row per fault and sensor, a column per severity; beside it the score with all well and without the sensor.

    Args:
        faults: Of protocol "faults".
        subsets: Of protocol "emm", on the same frames; None = not evaluated.
        absent: How classes that occur nowhere enter mIoU; None = as the evaluation says.
    """
    absent = absent or faults.absent
    found = read_faults(faults, subsets, absent)
    rows = tuple(
        (
            entry.fault.replace("_", " "),
            entry.sensor,
            entry.well,
            *(entry.scores.get(severity, math.nan) for severity in range(1, 6)),
            entry.gone,
            entry.frames,
        )
        for entry in found
    )
    return Grid(
        title=f"{title_of(faults)}: faults by severity",
        head=("fault", "sensor", "well", "1", "2", "3", "4", "5", "switched off", "frames"),
        rows=rows,
        caption=caption_of(
            faults,
            f"mIoU: {POLICY[absent]}",
            "each row is of the frames that all its severities were scored on: a late sensor needs a past",
        ),
    )


def _well_and_gone(evaluation: Evaluation, absent: AbsentClass) -> tuple[float, dict[str, float]]:
    """The mIoU with all sensors, and without each."""
    scores = by_mask(evaluation, evaluation.miou(absent))
    gone = {name: scores.get(without(evaluation, name), math.nan) for name in devices(evaluation)}
    return evaluation.full(absent), gone
