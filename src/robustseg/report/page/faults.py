"""The section on faults: how the score falls as one sensor gets worse, and where it would better be switched off."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from robustseg.metrics import AbsentClass
from robustseg.report.charts.lines import Axis, Series, chart, score_axis
from robustseg.report.charts.svg import key, number
from robustseg.report.page.section import Section, details, empty, panels
from robustseg.report.runs import Runs
from robustseg.report.subsets import by_mask, devices, without
from robustseg.report.tables import Grid
from robustseg.robustness.evaluation import Evaluation

STATE = re.compile(r"(?P<fault>[^@]+)@(?P<sensor>.+):(?P<severity>[1-9])")
"""A row of the protocol: beam_loss@lidar:3."""

GONE = 6.0
"""Where the score without the sensor stands, behind the severities 1 to 5."""


@dataclass(frozen=True)
class Fault:
    """One fault of one sensor: severity -> mIoU."""

    fault: str
    sensor: str
    scores: dict[int, float]


def fault_section(runs: Runs, absent: AbsentClass = "zero") -> Section:
    """Small multiples, a panel per fault, a line per sensor, and the score without the sensor beside it."""
    study = runs.subject.study
    title = "When a sensor gets worse"
    if "faults" not in study:
        why = f"Faults were not evaluated: robustseg evaluate {runs.subject.folder} --protocols all."
        return empty("faults", title, why)
    found = read_faults(study["faults"], absent)
    if not found:
        return empty("faults", title, "None of the known faults applies to these sensors.")
    well, gone = _well_and_gone(runs.subject.subsets, absent)
    sensors = devices(study["faults"])
    groups: dict[str, list[Fault]] = {}
    for entry in found:
        groups.setdefault(entry.fault, []).append(entry)
    lines = {name: [_line(entry, sensors, well, gone) for entry in group] for name, group in groups.items()}
    y = score_axis([entry for group in lines.values() for entry in group], from_zero=False)
    ends = ((0.0, "well"), *((float(step), f"{step}") for step in range(1, 6)), (GONE, "off"))
    x = Axis(-0.2, GONE + 0.35, ends, "severity")
    drawn = {
        _spoken(name): chart(group, x=x, y=y, label=_label(name, group), unit=" mIoU") for name, group in lines.items()
    }
    used = [place for place, name in enumerate(sensors) if any(entry.sensor == name for entry in found)]
    legend = key([sensors[place] for place in used], series=used)
    grid = fault_grid(found, well, gone)
    lead = (
        f"One sensor at a time gets worse, severity 1 to 5, while all others work. Hollow marks: the sensor "
        f"switched off. {_advice(found, gone)}"
    )
    body = legend + panels(drawn) + details("The numbers as a table", [grid])
    return Section("faults", title, lead, body, {"faults": grid})


def read_faults(evaluation: Evaluation, absent: AbsentClass = "zero") -> list[Fault]:
    """The rows of protocol "faults" by fault and sensor, in their order."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for state, score in zip(evaluation.states, evaluation.miou(absent).tolist(), strict=True):
        if match := STATE.fullmatch(state):
            found.setdefault((match["fault"], match["sensor"]), {})[int(match["severity"])] = score
    return [Fault(fault, sensor, scores) for (fault, sensor), scores in found.items()]


def fault_grid(found: list[Fault], well: float, gone: Mapping[str, float]) -> Grid:
    """A row per fault and sensor, a column per severity."""
    rows = tuple(
        (
            f"{_spoken(entry.fault)}, {entry.sensor}",
            well,
            *(entry.scores.get(severity, math.nan) for severity in range(1, 6)),
            gone.get(entry.sensor, math.nan),
        )
        for entry in found
    )
    return Grid(
        title="mIoU by fault, sensor and severity",
        head=("fault", "well", "1", "2", "3", "4", "5", "switched off"),
        rows=rows,
    )


def _well_and_gone(evaluation: Evaluation, absent: AbsentClass) -> tuple[float, dict[str, float]]:
    """The mIoU with all sensors, and without each."""
    scores = by_mask(evaluation, evaluation.miou(absent))
    gone = {name: scores.get(without(evaluation, name), math.nan) for name in devices(evaluation)}
    return evaluation.full(absent), gone


def _line(entry: Fault, sensors: tuple[str, ...], well: float, gone: Mapping[str, float]) -> Series:
    steps = sorted(entry.scores.items())
    return Series(
        entry.sensor,
        ((0.0, well), *((float(severity), score) for severity, score in steps)),
        place=sensors.index(entry.sensor),
        lone=((GONE, gone.get(entry.sensor, math.nan)),),
    )


def _label(name: str, group: list[Series]) -> str:
    ends = ", ".join(f"{entry.name} {number(entry.points[-1][1])}" for entry in group)
    return f"mIoU under {_spoken(name)} by severity; at the worst: {ends}"


def _advice(found: list[Fault], gone: Mapping[str, float]) -> str:
    """How many faults cost more than the sensor's loss, and which first."""
    worse = {
        f"{_spoken(entry.fault)} of {entry.sensor}": min(bad)
        for entry in found
        if (bad := [step for step, score in entry.scores.items() if score < gone.get(entry.sensor, math.nan)])
    }
    if not worse:
        return "No fault is worse than losing the sensor altogether."
    name, severity = min(worse.items(), key=lambda entry: entry[1])
    many = f"{len(worse)} of {len(found)} faults become" if len(worse) > 1 else f"1 of {len(found)} faults becomes"
    return f"{many} worse than losing the sensor altogether, the earliest {name}, from severity {severity} on."


def _spoken(fault: str) -> str:
    return fault.replace("_", " ")
