"""The section on faults: how the score falls as one sensor gets worse, and where it would better be switched off."""

from __future__ import annotations

from robustseg.report.charts.lines import Axis, Series, chart, score_axis
from robustseg.report.charts.svg import key, number
from robustseg.report.page.section import Section, details, empty, panels
from robustseg.report.runs import Runs
from robustseg.report.subsets import devices
from robustseg.report.tables.faults import Fault, fault_table, read_faults

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
    lead = (
        f"One sensor at a time gets worse, severity 1 to 5, while all others work. Hollow marks: the sensor switched "
        f"off. {_advice(found)}"
    )
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
