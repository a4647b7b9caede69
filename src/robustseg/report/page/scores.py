"""The sections on sets of sensors: every subset, the models side by side, classes, conditions.

Shapes: S subsets, K classes.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from markupsafe import Markup
from torch import Tensor

from robustseg.metrics import AbsentClass
from robustseg.report.charts.lines import Axis, Series, chart, score_axis
from robustseg.report.charts.svg import element, key, number
from robustseg.report.charts.upset import upset_plot
from robustseg.report.html_table import grid_html, heat_map
from robustseg.report.page.section import Section, beside, details, either, empty, figure
from robustseg.report.runs import Runs
from robustseg.report.subsets import by_size, capital, listed, narrowed, phrase, telling_rows
from robustseg.report.tables import class_table, comparison_table, condition_table, subset_table
from robustseg.report.tables.words import POLICY
from robustseg.report.verdict import comparison
from robustseg.robustness.evaluation import Evaluation

MOST_ROWS = 63
"""Of the upset plot; more subsets than that are cut down in the same way."""

MOST_COLUMNS = 16
"""Of a heat map; more subsets than that are cut down to singles, leave-one-out and all."""


def subset_section(runs: Runs, absent: AbsentClass | None = None) -> Section:
    """Every subset as an upset plot."""
    absent = absent or runs.subject.subsets.absent
    rows = telling_rows(runs.subject.subsets, MOST_ROWS)
    found = {name: narrowed(entry, rows) for name, entry in runs.evaluations.items()}
    grids = {"subsets": subset_table(runs.subject.subsets)}
    plots = (
        ("by number left", figure(upset_plot(found, order="size", absent=absent))),
        ("best to worst", figure(upset_plot(found, order="score", absent=absent))),
    )
    names = _bar_key(tuple(found))
    lead = (
        "Each row is one set of working sensors: filled dots are there, hollow ones are missing. "
        f"Bars and numbers are mIoU in percent; {POLICY[absent]}."
    )
    left = len(runs.subject.subsets.subsets) - len(rows)
    rest = f"{left} more sets are in the table: here are all sensors, all but one, and each alone." if left else ""
    note = element("p", rest, class_="note") if rest else Markup()
    body = names + either(*plots, "Order of the rows") + note + details("The numbers as a table", grids.values())
    return Section("subsets", "Every set of sensors", lead, body, grids)


def comparison_section(runs: Runs, absent: AbsentClass | None = None) -> Section:
    """How the models lose as sensors go, and all their numbers side by side."""
    absent = absent or runs.subject.subsets.absent
    found = runs.evaluations
    several = len(found) > 1
    title = " against ".join(found) if several else "As sensors go"
    series = [_degradation(name, entry, place, len(found), absent) for place, (name, entry) in enumerate(found.items())]
    modalities = len(runs.subject.subsets.modalities)
    ends = tuple((float(-left), f"{left}") for left in range(modalities, 0, -1))
    x = Axis(-modalities - 0.15, -0.85, ends, "inputs left")
    drawn = chart(
        series,
        x=x,
        y=score_axis(series),
        label="Mean mIoU by number of inputs left, with the range from the worst to the best subset",
        size=(560.0, 300.0),
        unit=" mean mIoU",
    )
    lead = _sentences(runs, absent) if several else "What is left of the score as sensors go, one after another."
    caption = (
        "Lines: the mean over the subsets of that size. Shaded: from the worst subset of that size to the best. "
        + _unscored(runs.subject.subsets, absent)
    ).strip()
    grids = {"comparison": comparison_table(found, absent)} if several else {}
    body = _bar_key(tuple(found)) + figure(drawn, caption)
    if grids:
        grid = grids["comparison"]
        short = replace(grid, title="In short", rows=grid.summary, summary=(), caption="")
        body = beside(body, grid_html(short)) + details("The numbers as a table", [grid])
    return Section("comparison", capital(title), lead, body, grids)


def class_section(runs: Runs) -> Section:
    """The subject's IoU per class and subset."""
    found = runs.subject.subsets
    chosen = telling_rows(found, MOST_COLUMNS)
    values = found.iou()[chosen].T  # K columns
    worst = _most_lost(found)
    lead = f"IoU in percent of each class with the {runs.subject.name}, whatever is left. {worst}".strip()
    body = heat_map(
        torch.cat([values, found.iou().nanmean(dim=0)[:, None]], dim=1),
        rows=found.classes,
        columns=[*_column_names(found, chosen), "mean"],
        hints=[*(phrase(tuple(found.subsets[row].tolist()), found.modalities) for row in chosen), "mean of subsets"],
        title=f"IoU by class, {runs.subject.name}",
        corner="class",
    ) + _letters(found, chosen)
    return Section("classes", "Classes", lead, body, {"classes": class_table(found)})


def condition_section(runs: Runs, absent: AbsentClass = "skip") -> Section:
    """The subject's mIoU per condition and subset."""
    found = runs.subject.subsets
    parts = {
        (value if len(found.conditions()) == 1 else f"{name}: {value}"): part
        for name, group in found.conditions().items()
        for value, part in group.items()
    }
    if not parts:
        return empty("conditions", "Conditions", "The data name no condition (weather, time of day, failure case).")
    chosen = telling_rows(found, MOST_COLUMNS)
    scores = torch.stack([part.miou(absent) for part in parts.values()])  # conditions S
    body = heat_map(
        torch.cat([scores[:, chosen], scores.nanmean(dim=1, keepdim=True)], dim=1),
        rows=[f"{name} ({len(part.frames)})" for name, part in parts.items()],
        columns=[*_column_names(found, chosen), "mean"],
        hints=[*(phrase(tuple(found.subsets[row].tolist()), found.modalities) for row in chosen), "mean of subsets"],
        title=f"mIoU by condition, {runs.subject.name}",
        corner="condition (frames)",
    ) + _letters(found, chosen)
    lead = f"mIoU in percent; {POLICY[absent]}, because most conditions lack some."
    return Section("conditions", "Conditions", lead, body, {"conditions": condition_table(found, absent)})


def _sentences(runs: Runs, absent: AbsentClass | None) -> str:
    subject = (runs.subject.name, runs.subject.subsets)
    others = runs.models[:-1]
    return " ".join(comparison(subject, (other.name, other.subsets), absent) for other in others)


def _unscored(evaluation: Evaluation, absent: AbsentClass | None) -> str:
    """Which sizes have no score of their own, though the line runs across them."""
    known = by_size(evaluation, absent)
    left = [size for size in range(max(known), min(known), -1) if size not in known]
    return f"With {listed([str(size) for size in left])} left nothing was scored." if left else ""


def _degradation(name: str, evaluation: Evaluation, place: int, models: int, absent: AbsentClass | None) -> Series:
    sizes = by_size(evaluation, absent)
    kind = "own" if place == models - 1 else "other" if models == 2 else ""
    return Series(
        name,
        tuple((-float(size), sum(scores) / len(scores)) for size, scores in sizes.items()),
        place=0 if place == models - 1 else place + 1,
        band=tuple((-float(size), min(scores), max(scores)) for size, scores in sizes.items()),
        kind=kind,
    )


def _bar_key(names: tuple[str, ...]) -> Markup:
    if len(names) == 1:
        return Markup()
    series = [0 if place == len(names) - 1 else place + 1 for place in range(len(names))]
    legend = key(names, series=series)
    return element("div", legend, class_="pair") if len(names) == 2 else legend


def _column_names(evaluation: Evaluation, chosen: list[int]) -> list[str]:
    return [evaluation.letters[row] for row in chosen]


def _letters(evaluation: Evaluation, chosen: list[int]) -> Markup:
    singles = [row for row, subset in enumerate(evaluation.subsets.tolist()) if sum(subset) == 1]
    names = ", ".join(f"{evaluation.letters[row]} = {evaluation.names[row]}" for row in singles)
    partly = (
        f" {len(chosen)} of {len(evaluation.subsets)} subsets are shown."
        if len(chosen) < len(evaluation.subsets)
        else ""
    )
    return element("p", f"{names}.{partly} The fuller the color, the better; –: never seen.", class_="note")


def _most_lost(evaluation: Evaluation) -> str:
    """The class that loses most on average over the subsets."""
    scores: Float[Tensor, "S K"] = evaluation.iou()
    lost = (scores[-1] - scores[:-1].nanmean(dim=0)).tolist()
    known = {name: value for name, value in zip(evaluation.classes, lost, strict=True) if not math.isnan(value)}
    if not known or max(known.values()) <= 0:
        return ""
    name = max(known, key=known.__getitem__)
    return f"When sensors are missing, {name} suffers most: {number(known[name])} points on average."
