"""A forest: for each row and column an estimate as a mark, its interval as a line, and where zero is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from robustseg.report.charts.svg import Scale, clipped, drawing, element, line, mark, number, path, text, ticks, wide

WIDTH, ROW, TOP, BOTTOM, APART = 1040.0, 38.0, 26.0, 22.0, 26.0
MOST_NAME = 300.0


@dataclass(frozen=True)
class Estimate:
    """A value and its interval; NaN = nothing to show.

    Attributes:
        value: The estimate.
        low: Where its interval begins.
        high: Where it ends.
        hollow: Whether the mark is hollow: the interval leaves something out.
    """

    value: float
    low: float
    high: float
    hollow: bool = False

    @property
    def sure(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0 or self.high < 0


def forest(rows: Mapping[str, Sequence[Estimate]], columns: Sequence[str], *, label: str, unit: str = "") -> Markup:
    """The drawing; each column has a scale of its own, and zero in it.

    Args:
        rows: Name -> an estimate for each column.
        columns: Their titles.
        label: What it shows, for screen readers.
        unit: Stands behind the numbers of tooltips.
    """
    names = min(MOST_NAME, max(wide(name) for name in rows) + 18)
    wide_column = (WIDTH - names - APART * len(columns)) / len(columns)
    height = TOP + ROW * len(rows) + BOTTOM
    parts = [clipped(names - 12, _middle(place) + 4, name, names - 12, anchor="end") for place, name in enumerate(rows)]
    for place, title in enumerate(columns):
        own = {name: estimates[place] for name, estimates in rows.items()}
        start = names + place * (wide_column + APART) + APART / 2
        parts += _column(own, title, start, start + wide_column, unit)
    return drawing(WIDTH, height, label, *parts, class_="upset")


def _column(own: Mapping[str, Estimate], title: str, start: float, end: float, unit: str) -> list[Markup]:
    bottom = TOP + ROW * len(own)
    known = [end for entry in own.values() for end in (entry.low, entry.value, entry.high) if not math.isnan(end)]
    low, high = min([0.0, *known]), max([0.0, *known])
    span = max(high - low, 1.0)
    scale = Scale(low - 0.08 * span, low + 1.08 * span, start, end)
    parts = [text(start, TOP - 12, title, class_="soft")]
    for tick in ticks(scale.low, scale.high, 5):
        x = scale(tick)
        parts.append(line(x, TOP, x, bottom, "grid"))
        parts.append(text(x, bottom + 15, number(tick, 0 if tick == int(tick) else 1), anchor="middle", class_="tick"))
    parts.append(line(scale(0), TOP, scale(0), bottom, "zero"))
    return parts + [_estimate(entry, scale, place, name, unit) for place, (name, entry) in enumerate(own.items())]


def _estimate(entry: Estimate, scale: Scale, place: int, name: str, unit: str) -> Markup:
    if math.isnan(entry.value):
        return Markup()
    middle, x = _middle(place), scale(entry.value)
    kind = "c0" if entry.sure else "other"
    known = not math.isnan(entry.low)
    ends = f", {number(entry.low, signed=True)} to {number(entry.high, signed=True)}" if known else ""
    span = path([(scale(entry.low), middle), (scale(entry.high), middle)], f"line {kind}") if known else Markup()
    tip = f"{name}: {number(entry.value, signed=True)}{unit}{ends}"
    told = text(
        x, middle - 8, number(entry.value, signed=True), anchor="middle", class_="subject" if entry.sure else "soft"
    )
    return element("g", span, mark(x, middle, 0, tip, hollow=entry.hollow), told, class_=f"series {kind}")


def _middle(place: int) -> float:
    return TOP + ROW * place + ROW / 2 + 5
