"""Pictures of a comparison: subsets with intervals, differences as a forest, learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patheffects import withStroke

from robustseg.benchmark.chart import spread
from robustseg.experiments.bootstrap import Interval
from robustseg.experiments.measured import Compared, Measured
from robustseg.files import write_atomically
from robustseg.report.charts.svg import number
from robustseg.report.pictures import FAINT, INK

GRID, LINE, SURE, UNSURE = "#eceef0", "#c3cad1", "#1f6aa8", "#9aa5b1"
COLORS = ("#1f6aa8", "#d9822b", "#3f9c78", "#b4437c", "#7a63b8", "#8a6d3b", "#4fa3c7", "#6b737c")
"""Of methods, whose names stand beside their curves: color is never alone."""

MOST_BARS = 5
"""Methods whose subsets stand beside each other; more are a picket fence."""

MOST_CURVES = len(COLORS)
"""Learning curves with a name; the others are faint."""

STAGES = {"teacher": "teachers: every sensor", "student": "students: the mean of all sets of sensors"}
STATISTICS = {"mean": "mean of all sets", "all": "every sensor", "worst": "worst set"}


def write_plot(path: Path, figure: Figure) -> None:
    """Writes the PNG."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=160, facecolor="white"))


def subset_plot(alone: Sequence[Compared], measured: Mapping[str, Measured]) -> Figure:
    """A group of bars for each subset, from the fewest modalities to all, with intervals.

    Args:
        alone: The methods with their intervals.
        measured: Their results, which tell the subsets' modalities.
    """
    first = max((measured[entry.one] for entry in alone), key=lambda entry: len(entry.subsets))
    sizes = first.present.sum(dim=1).tolist()
    starts = np.arange(len(sizes)) + 0.45 * np.unique(sizes, return_inverse=True)[1]  # a gap where one more is there
    figure = Figure(figsize=(max(6.0, min(15.0, 1.6 + 0.62 * len(sizes))), 4.6), layout="constrained")
    axes = figure.add_subplot()
    wide = 0.84 / len(alone)
    for place, entry in enumerate(alone):
        known = [row for row, name in enumerate(first.subsets) if name in entry.subsets]
        values = [entry.subsets[first.subsets[row]] for row in known]
        x = starts[known] + (place - (len(alone) - 1) / 2) * wide
        axes.bar(x, [value.value for value in values], 0.9 * wide, color=_color(place), label=_label(entry), zorder=2)
        for at, value in zip(x, values, strict=True):
            axes.plot([at, at], [value.low, value.high], color=INK, linewidth=1.1, alpha=0.75, zorder=3)
    names = [subset.replace("+", "\n") for subset in first.subsets]
    axes.set_ylabel("mIoU in percent", color=FAINT, fontsize=9.5)
    _quiet(axes, "y")
    axes.set_xticks(starts, names, fontsize=8, linespacing=1.15)
    _headline(figure, "Every set of sensors", "Thin lines: 95 % of resamples of scenes and seeds.")
    axes.legend(loc="upper left", ncols=len(alone), frameon=False, fontsize=9, labelcolor=INK)
    axes.set_ylim(0, 1.14 * axes.get_ylim()[1])
    axes.set_xlim(starts[0] - 0.7, starts[-1] + 0.7)
    return figure


def difference_plot(found: Sequence[Compared]) -> Figure:
    """A forest: for each difference a row in each statistic's panel, its interval as a line, and zero."""
    height = 1.55 + 0.42 * len(found)
    figure = Figure(figsize=(11.5, height), layout="constrained")
    panels = figure.subplots(1, len(STATISTICS), sharey=True, squeeze=False)[0]
    rows = range(len(found) - 1, -1, -1)  # the first at the top
    for axes, (name, title) in zip(panels, STATISTICS.items(), strict=True):
        for row, entry in zip(rows, found, strict=True):
            _interval(axes, row, entry.statistics[name], alone=entry.seeds == 1)
        axes.axvline(0, color=INK, linewidth=1, zorder=1)
        axes.set_title(title, fontsize=10, color=INK, loc="left")
        axes.margins(x=0.12)
        axes.set_ylim(-0.6, len(found) - 0.35)
        _quiet(axes, "x")
    panels[0].set_yticks(list(rows), [entry.name for entry in found], fontsize=10, color=INK)
    below = (
        "Lines: 95 % of paired resamples of scenes and seeds; blue: zero lies outside; hollow: one seed, frames alone."
    )
    _headline(figure, "Differences in points of mIoU", below)
    return figure


def _interval(axes: Axes, row: int, value: Interval, *, alone: bool) -> None:
    """A difference in its row: a line, a dot, which is hollow for one seed alone, and the number above."""
    color = SURE if value.sure else UNSURE
    axes.plot([value.low, value.high], [row, row], color=color, linewidth=2.2, solid_capstyle="round", zorder=2)
    axes.plot(
        [value.value],
        [row],
        marker="o",
        markersize=7,
        color="white" if alone else color,
        markeredgecolor=color if alone else "white",
        markeredgewidth=1.4,
        zorder=3,
    )
    if value.value == value.value:
        axes.annotate(
            number(value.value, signed=True),
            (value.value, row),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=INK,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def curve_plot(methods: Mapping[str, Measured], named: Sequence[str]) -> Figure:
    """The score that chooses the weights, by epoch: a panel per stage, the mean over seeds, each seed faintly.

    Args:
        methods: Their results.
        named: Those whose curves have a color and a name, at most `MOST_CURVES`.
    """
    stages = {
        stage: title for stage, title in STAGES.items() if any(_stage(entry) == stage for entry in methods.values())
    }
    figure = Figure(figsize=(1.4 + 5.4 * len(stages), 5.0), layout="constrained")
    panels = figure.subplots(1, max(1, len(stages)), squeeze=False)[0]
    for axes, (stage, title) in zip(panels, stages.items(), strict=False):
        ends = []
        for entry in methods.values():
            if _stage(entry) == stage and entry.name not in named:
                axes.plot(*_coordinates(learning_curve(entry)), color=LINE, linewidth=1.1, zorder=1)
        for place, name in enumerate(named):
            if _stage(methods[name]) == stage and (mean := _curves(axes, methods[name], place)):
                ends.append((mean[-1], name, place))
        axes.set_title(title, fontsize=10, color=INK, loc="left")
        axes.set_xlabel("epoch", color=FAINT, fontsize=9.5)
        _quiet(axes, "y")
        _names_at_ends(axes, ends)
    panels[0].set_ylabel("mIoU in percent, on the frames that select", color=FAINT, fontsize=9.5)
    others = "; grey: other methods." if len(named) < len(methods) else "."
    _headline(figure, "Learning curves", f"Thick: the mean over seeds; thin: each seed{others}")
    return figure


def _curves(axes: Axes, entry: Measured, place: int) -> list[tuple[int, float]]:
    """Draws a method's curves and gives their mean."""
    for result in entry.results if len(entry.results) > 1 else ():
        axes.plot(*_coordinates(result.selection.scores), color=_color(place), linewidth=0.7, alpha=0.3, zorder=2)
    mean = learning_curve(entry)
    axes.plot(*_coordinates(mean), color=_color(place), linewidth=2, zorder=3)
    return mean


def _coordinates(curve: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [epoch for epoch, _ in curve], [score for _, score in curve]


def learning_curve(entry: Measured) -> list[tuple[int, float]]:
    """The score that chooses a method's weights, by epoch, the mean over seeds; empty where nothing was chosen."""
    return mean_curve([result.selection.scores for result in entry.results if result.selection.scores])


def mean_curve(curves: Sequence[Sequence[tuple[int, float]]]) -> list[tuple[int, float]]:
    """The mean of several curves at the epochs that all of them have.

    Example:
        >>> mean_curve([[(1, 10.0), (2, 20.0)], [(2, 30.0), (3, 5.0)]])
        [(2, 25.0)]
    """
    tables = [dict(curve) for curve in curves]
    shared = sorted(set.intersection(*map(set, tables))) if tables else []
    return [(epoch, sum(table[epoch] for table in tables) / len(tables)) for epoch in shared]


def _names_at_ends(axes: Axes, ends: list[tuple[tuple[int, float], str, int]]) -> None:
    """Each curve's name at its end, moved apart where names would overlap."""
    if not ends:
        return
    axes.autoscale_view()
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    axes.set_xticks([tick for tick in axes.get_xticks() if max(0.0, left) <= tick <= right])
    ends = sorted(ends, key=lambda end: end[0][1])
    places = spread([score for (_, score), _, _ in ends], 0.05 * (high - low))
    edge = max(epoch for (epoch, _), _, _ in ends) + 0.03 * (right - left)
    for ((epoch, score), name, place), y in zip(ends, places, strict=True):
        axes.plot([epoch, edge], [score, y], color=LINE, linewidth=0.7, zorder=1)
        axes.text(edge, y, f" {name}", va="center", fontsize=9, color=_color(place), fontweight="bold")
    axes.set_xlim(left, edge + 0.34 * (right - left))
    axes.set_ylim(min(low, places[0] - 0.03 * (high - low)), max(high, places[-1] + 0.03 * (high - low)))


def _stage(entry: Measured) -> str:
    return entry.results[0].stage


def _color(place: int) -> str:
    return COLORS[place % len(COLORS)]


def _label(entry: Compared) -> str:
    return entry.name if entry.seeds > 1 else f"{entry.name}, one seed"


def _quiet(axes: Axes, grid: Literal["x", "y"]) -> None:
    """Faint lines across, no box."""
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=LINE)
    axes.grid(axis=grid, color=GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, length=0, labelsize=9)


def _headline(figure: Figure, title: str, below: str) -> None:
    """Title and a line of explanation, with some air around the panels."""
    if isinstance(engine := figure.get_layout_engine(), ConstrainedLayoutEngine):
        engine.set(w_pad=0.12, h_pad=0.08)
    figure.suptitle(title, x=0.012, ha="left", fontsize=13, fontweight="bold", color=INK)
    figure.supxlabel(below, x=0.012, ha="left", fontsize=8.5, color=FAINT)
