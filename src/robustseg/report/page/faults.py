"""The section on faults: how the score falls as one sensor gets worse, and where it would better be switched off."""

from __future__ import annotations

import math

from robustseg.failures import SEVERITIES
from robustseg.report.charts.lines import Axis, Series, chart, score_axis
from robustseg.report.charts.svg import key, number
from robustseg.report.page.section import Section, details, empty, panels
from robustseg.report.runs import Runs
from robustseg.report.subsets import capital, devices
from robustseg.report.tables.faults import Fault, fault_table, read_faults

LEVELS = len(SEVERITIES)

GONE = 6.0
"""Where the score without the sensor stands, behind the severities 1 to 5."""


def fault_section(runs: Runs) -> Section:
    """Small multiples, a panel per fault, a line per sensor, and the score without the sensor beside it."""
    study = runs.subject.study
    title = "When a sensor gets worse"
    if "faults" not in study:
        why = f"Faults were not evaluated: robustseg evaluate {runs.subject.folder} --protocols emm,faults"
        return empty("faults", title, why)
    found = read_faults(study["faults"], runs.subject.subsets)
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
    grid = fault_table(study["faults"], runs.subject.subsets)
    frames = len(study["faults"].frames)
    sentences = (
        "One sensor at a time gets worse, severity 1 to 5, while all others work.",
        _advice(found),
        _past(found, frames),
    )
    lead = " ".join(filter(None, sentences))
    body = legend + panels(drawn) + details("The numbers as a table", [grid])
    return Section("faults", title, lead, body, {"faults": grid})


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
    """How many faults cost more than the sensor's loss, and which is the worst of those that do so first."""
    known = [entry for entry in found if not math.isnan(entry.gone)]
    if not known:
        return ""
    hollow = "Hollow marks: the sensor switched off."
    worse = [(onset, -extra, entry) for entry in known for onset, extra in _onset(entry)]
    if not worse:
        return f"{hollow} No fault is worse than losing the sensor altogether."
    severity, extra, entry = min(worse, key=lambda case: case[:2])
    many = f"{len(worse)} of {len(known)} faults become" if len(worse) > 1 else f"1 of {len(known)} faults becomes"
    early = sum(onset == severity for onset, *_ in worse)
    first = f"{_spoken(entry.fault)} of {entry.sensor}, which then costs {number(-extra)} points more than its loss"
    which = f"{early} of them at severity {severity}, above all {first}" if early > 1 else f"first {first}"
    at = "" if early > 1 else f", at severity {severity}"
    return f"{hollow} {many} worse than losing the sensor altogether, {which}{at}."


def _onset(entry: Fault) -> list[tuple[int, float]]:
    """The first severity at which the fault costs more than the sensor's loss, by how many points; else empty."""
    extra = {severity: entry.gone - score for severity, score in sorted(entry.scores.items())}
    return [(severity, points) for severity, points in extra.items() if round(points, 1) > 0][:1]


def _past(found: list[Fault], frames: int) -> str:
    """Which faults were scored on fewer frames or severities than the others, because few frames have a past."""
    short = {_spoken(entry.fault): entry.frames for entry in found if entry.frames < frames}
    cut = any(len(entry.scores) < LEVELS for entry in found)
    told = [
        f"{capital(name)}: on the {some} of {frames} frames whose past reaches back." for name, some in short.items()
    ]
    return " ".join([*told, *(["Severities that no frame's past reaches are left out."] if cut else [])])


def _spoken(fault: str) -> str:
    return fault.replace("_", " ")
