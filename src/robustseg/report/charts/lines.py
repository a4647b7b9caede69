"""Line charts: small panels with a few series, marks as well as colors, an optional band and extra point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from robustseg.report.charts.svg import Scale, ceiling, drawing, element, line, mark, number, path, text, ticks

LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 12.0, 38.0


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    Attributes:
        name: For tooltips.
        points: (x, y); y may be NaN, which breaks the line.
        place: Its color and mark.
        lone: Points beside the line, drawn hollow.
        band: (x, low, high), filled faintly.
        kind: Further classes for the style sheet: "own", "other".
    """

    name: str
    points: tuple[tuple[float, float], ...]
    place: int = 0
    lone: tuple[tuple[float, float], ...] = ()
    band: tuple[tuple[float, float, float], ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class Axis:
    """An axis: its range, what stands at its ticks, its name."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    name: str = ""


def numbers_axis(low: float, high: float, name: str = "", *, most: int = 6) -> Axis:
    """An axis with round numbers."""
    return Axis(low, high, tuple((value, f"{value:g}") for value in ticks(low, high, most)), name)


def score_axis(series: Sequence[Series], name: str = "mIoU", *, from_zero: bool = True) -> Axis:
    """An axis of percent that holds all series."""
    values = [y for entry in series for _, y in (*entry.points, *entry.lone) if not math.isnan(y)]
    values += [value for entry in series for _, *ends in entry.band for value in ends]
    low = 0.0 if from_zero or not values else max(0.0, ceiling(min(values)) - 10.0)
    return numbers_axis(low, max(low + 10, ceiling(max(values, default=10.0))), name)


def chart(
    series: Sequence[Series],
    *,
    x: Axis,
    y: Axis,
    label: str,
    size: tuple[float, float] = (250.0, 180.0),
    diagonal: bool = False,
    unit: str = "",
) -> Markup:
    """One panel.

    Args:
        series: What is drawn.
        x: The horizontal axis.
        y: The vertical axis.
        label: What it shows, for screen readers.
        size: Width and height.
        diagonal: Draws the line y = x, on which a calibrated model lies.
        unit: What stands behind the numbers of tooltips.
    """
    width, height = size
    across = Scale(x.low, x.high, LEFT, width - RIGHT)
    up = Scale(y.low, y.high, height - BOTTOM, TOP)
    parts = [*_axes(x, y, across, up, size)]
    if diagonal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        parts.append(line(across(low), up(low), across(high), up(high), "diagonal"))
    for entry in series:
        parts.append(_series(entry, across, up, unit))
    return drawing(width, height, label, *parts)


def _axes(x: Axis, y: Axis, across: Scale, up: Scale, size: tuple[float, float]) -> list[Markup]:
    width, height = size
    parts = []
    for value, name in y.ticks:
        parts.append(line(LEFT, up(value), width - RIGHT, up(value), "grid"))
        parts.append(text(LEFT - 6, up(value) + 4, name, anchor="end", class_="tick"))
    for value, name in x.ticks:
        parts.append(text(across(value), height - BOTTOM + 15, name, anchor="middle", class_="tick"))
    middle = (LEFT + width - RIGHT) / 2
    parts.append(text(middle, height - 5, x.name, anchor="middle", class_="axis"))
    if y.name:
        turned = f"translate(13 {(TOP + height - BOTTOM) / 2:g}) rotate(-90)"
        parts.append(element("text", y.name, transform=turned, text_anchor="middle", class_="axis"))
    parts.append(line(LEFT, height - BOTTOM, width - RIGHT, height - BOTTOM, "base"))
    return parts


def _series(entry: Series, across: Scale, up: Scale, unit: str) -> Markup:
    kind = f"c{entry.place} {entry.kind}".strip()
    parts = []
    if entry.band:
        upper = [(across(x), up(high)) for x, _, high in entry.band]
        lower = [(across(x), up(low)) for x, low, _ in reversed(entry.band)]
        parts.append(path([*upper, *lower], f"area {kind}"))
    parts.append(path([(across(x), up(y)) for x, y in entry.points], f"line {kind}"))
    for hollow, points in ((False, entry.points), (True, entry.lone)):
        for x, y in points:
            parts.append(mark(across(x), up(y), entry.place, f"{entry.name}: {number(y)}{unit}", hollow=hollow))
    return element("g", *parts, class_=f"series {kind}")
