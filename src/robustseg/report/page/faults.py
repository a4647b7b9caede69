"""The section on faults: how the score falls as one sensor gets worse, and where it would better be switched off."""

from __future__ import annotations

import math
from dataclasses import dataclass

from robustseg.metrics import AbsentClass, mean_iou
from robustseg.report.charts.lines import Axis, Series, chart, score_axis
from robustseg.report.charts.svg import key, number
from robustseg.report.page.section import Section, details, empty, panels
from robustseg.report.runs import Runs
from robustseg.report.subsets import by_mask, devices, without
from robustseg.report.tables import Grid
from robustseg.robustness.cases import parse_state
from robustseg.robustness.evaluation import Evaluation

GONE = 6.0
"""Where the score without the sensor stands, behind the severities 1 to 5."""


@dataclass(frozen=True)
class Fault:
    """One fault of one sensor; all scores are mIoU on the same frames, those that every severity was scored on.

    Attributes:
        fault: Its name.
        sensor: That it hits; all others are well.
        scores: By severity.
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


def fault_section(runs: Runs, absent: AbsentClass = "zero") -> Section:
    """Small multiples, a panel per fault, a line per sensor, and the score without the sensor beside it."""
    study = runs.subject.study
    title = "When a sensor gets worse"
    if "faults" not in study:
        why = f"Faults were not evaluated: robustseg evaluate {runs.subject.folder} --protocols emm,faults"
        return empty("faults", title, why)
    found = read_faults(study["faults"], runs.subject.subsets, absent)
    if not found:
        return empty(
            "faults", title, "No fault could be scored: none applies to these sensors, or no frame has a past."
        )
    sensors = devices(study["faults"])
    lines: dict[str, list[Series]] = {}
    for entry in found:
        lines.setdefault(entry.fault, []).append(_line(entry, sensors))
    y = score_axis([entry for group in lines.values() for entry in group], from_zero=False)
    ends = ((0.0, "well"), *((float(step), f"{step}") for step in range(1, 6)), (GONE, "off"))
    x = Axis(-0.2, GONE + 0.35, ends, "severity")
    drawn = {
        _spoken(name): chart(group, x=x, y=y, label=_label(name, group), unit=" mIoU") for name, group in lines.items()
    }
    used = [place for place, name in enumerate(sensors) if any(entry.sensor == name for entry in found)]
    legend = key([sensors[place] for place in used], series=used)
    grid = fault_grid(found)
    lead = (
        f"One sensor at a time gets worse, severity 1 to 5, while all others work. Hollow marks: the sensor switched "
        f"off. {_advice(found)}"
    )
    body = legend + panels(drawn) + details("The numbers as a table", [grid])
    return Section("faults", title, lead, body, {"faults": grid})


def read_faults(faults: Evaluation, subsets: Evaluation, absent: AbsentClass = "zero") -> list[Fault]:
    """Every fault of every sensor that was scored on any frame.

    Args:
        faults: Of protocol "faults".
        subsets: Of protocol "emm", on the same frames.
        absent: What a class that occurs nowhere counts.
    """
    rows: dict[tuple[str, str], dict[int, int]] = {}
    for row, state in enumerate(faults.states):
        fault, sensor, severity = parse_state(state)
        rows.setdefault((fault, sensor), {})[severity] = row
    parts: dict[bytes, tuple[float, dict[str, float]]] = {}
    found = []
    for (fault, sensor), own in rows.items():
        places = list(own.values())
        frames = faults.scored[:, places].all(dim=1)  # F
        if not bool(frames.any()):
            continue
        mask = frames.numpy().tobytes()
        if mask not in parts:
            parts[mask] = _well_and_gone(subsets.where(frames), absent)
        well, gone = parts[mask]
        scores = mean_iou(faults.counts[frames][:, places].sum(dim=0), absent).tolist()
        found.append(Fault(fault, sensor, dict(zip(own, scores, strict=True)), well, gone[sensor], int(frames.sum())))
    return found


def fault_grid(found: list[Fault]) -> Grid:
    """A row per fault and sensor, a column per severity."""
    rows = tuple(
        (
            _spoken(entry.fault),
            entry.sensor,
            entry.well,
            *(entry.scores.get(severity, math.nan) for severity in range(1, 6)),
            entry.gone,
            entry.frames,
        )
        for entry in found
    )
    return Grid(
        title="mIoU by fault, sensor and severity",
        head=("fault", "sensor", "well", "1", "2", "3", "4", "5", "switched off", "frames"),
        rows=rows,
        caption="Each row is scored on the frames that every severity was scored on.",
    )


def _well_and_gone(evaluation: Evaluation, absent: AbsentClass) -> tuple[float, dict[str, float]]:
    """The mIoU with all sensors, and without each."""
    scores = by_mask(evaluation, evaluation.miou(absent))
    gone = {name: scores.get(without(evaluation, name), math.nan) for name in devices(evaluation)}
    return evaluation.full(absent), gone


def _line(entry: Fault, sensors: tuple[str, ...]) -> Series:
    steps = sorted(entry.scores.items())
    return Series(
        entry.sensor,
        ((0.0, entry.well), *((float(severity), score) for severity, score in steps)),
        place=sensors.index(entry.sensor),
        lone=((GONE, entry.gone),),
    )


def _label(name: str, group: list[Series]) -> str:
    ends = ", ".join(f"{entry.name} {number(entry.points[-1][1])}" for entry in group)
    return f"mIoU under {_spoken(name)} by severity; at the worst: {ends}"


def _advice(found: list[Fault]) -> str:
    """How many faults cost more than the sensor's loss, and which first."""
    worse = {
        f"{_spoken(entry.fault)} of {entry.sensor}": min(bad)
        for entry in found
        if (bad := [step for step, score in entry.scores.items() if score < entry.gone])
    }
    if not worse:
        return "No fault is worse than losing the sensor altogether."
    name, severity = min(worse.items(), key=lambda entry: entry[1])
    many = f"{len(worse)} of {len(found)} faults become" if len(worse) > 1 else f"1 of {len(found)} faults becomes"
    return f"{many} worse than losing the sensor altogether, the earliest {name}, from severity {severity} on."


def _spoken(fault: str) -> str:
    return fault.replace("_", " ")
