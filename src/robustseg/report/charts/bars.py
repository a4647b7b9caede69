"""Horizontal bars for a few named values, negative ones to the left of zero."""

from __future__ import annotations

import math
from collections.abc import Mapping

from markupsafe import Markup

from robustseg.report.charts.svg import Scale, clipped, drawing, element, line, number, text, wide

ROW, BAR = 30.0, 16.0


def bars(values: Mapping[str, float], *, label: str, width: float = 460.0, unit: str = "points") -> Markup:
    """A bar for each value, its number at its end.

    Args:
        values: Name -> value; NaN is said, not drawn.
        label: What it shows, for screen readers.
        width: Of the drawing.
        unit: Of the values, for tooltips.
    """
    names = min(170.0, max(wide(name) for name in values) + 14)
    real = [value for value in values.values() if not math.isnan(value)]
    low, high = min([0.0, *real]), max([0.0, *real])
    room = 52.0
    start = names + (room if low < 0 else 0)
    scale = Scale(low, high if high > low else low + 1, start, width - room)
    zero = scale(0)
    parts = []
    for place, (name, value) in enumerate(values.items()):
        middle = place * ROW + ROW / 2
        parts.append(clipped(names - 12, middle + 4, name, names - 8, anchor="end"))
        parts.append(_bar(scale, zero, middle, name, value, unit))
    height = ROW * len(values)
    return drawing(width, height + 2, label, *parts, line(zero, 2, zero, height - 2, "base"))


def _bar(scale: Scale, zero: float, middle: float, name: str, value: float, unit: str) -> Markup:
    if math.isnan(value):
        return text(zero + 6, middle + 4, "not known", class_="soft")
    end = scale(value)
    rect = element(
        "rect",
        element("title", f"{name}: {number(value, signed=True)} {unit}"),
        x=min(zero, end),
        y=middle - BAR / 2,
        width=max(0.5, abs(end - zero)),
        height=BAR,
        rx=2,
        class_="bar own" if value >= 0 else "bar harm",
    )
    beside, anchor = (end + 6, "start") if value >= 0 else (end - 6, "end")
    return rect + text(beside, middle + 4, number(value, signed=True), anchor=anchor, class_="subject")
