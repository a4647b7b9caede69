"""Every subset of modalities as a row: dots for what is left, a bar per model, the numbers.

An upset plot lying on its side, so that the numbers can be read like a table's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from markupsafe import Markup

from robustseg.metrics import AbsentClass
from robustseg.report.charts.svg import Scale, ceiling, clipped, drawing, element, line, number, text, ticks, wide
from robustseg.report.subsets import Mask, phrase
from robustseg.robustness.evaluation import Evaluation

WIDTH = 1040.0
TOP, HEADING, NUMBER, DOT = 34.0, 26.0, 78.0, 5.0


@dataclass(frozen=True)
class _Row:
    """A subset and each model's score, the subject's last."""

    mask: Mask
    scores: tuple[float, ...]


@dataclass(frozen=True)
class _Frame:
    """Where things stand from left to right."""

    names: tuple[str, ...]
    models: tuple[str, ...]
    pitch: float
    scale: Scale

    @property
    def bar(self) -> float:
        return {1: 11.0, 2: 8.0}.get(len(self.models), 6.0)

    @property
    def height(self) -> float:
        return len(self.models) * (self.bar + 1) + 9

    @property
    def difference(self) -> bool:
        return len(self.models) == 2


def upset_plot(
    evaluations: Mapping[str, Evaluation],
    *,
    order: Literal["size", "score"] = "size",
    absent: AbsentClass = "zero",
) -> Markup:
    """The plot, rows grouped by how many modalities are left or in one list from best to worst.

    Args:
        evaluations: Of the same subsets; the last one is the subject, by which rows are sorted.
        order: How rows are arranged.
        absent: What a class that occurs nowhere counts.
    """
    found = list(evaluations.values())
    masks = [tuple(mask) for mask in found[0].subsets.tolist()]
    scores = zip(*(entry.miou(absent).tolist() for entry in found), strict=True)
    rows = [_Row(mask, row) for mask, row in zip(masks, scores, strict=True)]
    rows.sort(key=lambda row: math.inf if math.isnan(row.scores[-1]) else -row.scores[-1])
    if order == "size":
        rows.sort(key=lambda row: -sum(row.mask))
    frame = _frame(found[0].modalities, tuple(evaluations), rows)
    drawn, bottom = _rows(rows, frame, headings=order == "size")
    label = (
        f"mIoU of {' and '.join(evaluations)} with each of {len(rows)} sets of sensors; the numbers stand at the right"
    )
    return drawing(WIDTH, bottom + 6, label, *_axis(frame, bottom), *_head(frame), *drawn, class_="upset")


def _frame(modalities: Sequence[str], models: tuple[str, ...], rows: Sequence[_Row]) -> _Frame:
    pitch = min(76.0, max(34.0, *(wide(name) + 14 for name in modalities)))
    pitch = min(pitch, 330 / len(modalities))
    columns = len(models) + (len(models) == 2)
    top = max((score for row in rows for score in row.scores if not math.isnan(score)), default=1.0)
    scale = Scale(0, ceiling(top), pitch * len(modalities) + 16, WIDTH - NUMBER * columns - 6)
    return _Frame(tuple(modalities), models, pitch, scale)


def _head(frame: _Frame) -> list[Markup]:
    names = [
        clipped((place + 0.5) * frame.pitch, TOP - 14, name, frame.pitch - 4, anchor="middle")
        for place, name in enumerate(frame.names)
    ]
    titles = [*frame.models, *(["difference"] if frame.difference else [])]
    numbers = [
        clipped(_column(frame, place), TOP - 14, title, NUMBER, size=11.5, anchor="end")
        for place, title in enumerate(titles)
    ]
    return [element("g", *names, *numbers, class_="head")]


def _column(frame: _Frame, place: int) -> float:
    columns = len(frame.models) + frame.difference
    return WIDTH - NUMBER * (columns - 1 - place)


def _axis(frame: _Frame, bottom: float) -> list[Markup]:
    marks = []
    for value in ticks(0, frame.scale.high):
        x = frame.scale(value)
        marks += [line(x, TOP - 6, x, bottom, "grid"), text(x, TOP - 14, f"{value:g}", anchor="middle", class_="tick")]
    return marks


def _rows(rows: Sequence[_Row], frame: _Frame, *, headings: bool) -> tuple[list[Markup], float]:
    """The rows' elements, and where the last one ends."""
    drawn, top = [], TOP
    for size, group in groupby(rows, key=lambda row: sum(row.mask) if headings else 0):
        if headings:
            drawn.append(text(0, top + HEADING - 9, _heading(size, len(frame.names)), class_="heading"))
            drawn.append(line(0, top + HEADING - 3, WIDTH, top + HEADING - 3, "rule"))
            top += HEADING
        for row in group:
            drawn.append(_row(row, frame, top))
            top += frame.height
    return drawn, top


def _heading(size: int, of: int) -> str:
    return f"all {of} left" if size == of else f"{size} of {of} left"


def _row(row: _Row, frame: _Frame, top: float) -> Markup:
    middle = top + frame.height / 2
    places = [(place + 0.5) * frame.pitch for place, here in enumerate(row.mask) if here]
    dots = [
        element("circle", cx=(place + 0.5) * frame.pitch, cy=middle, r=DOT, class_="dot" if here else "dot off")
        for place, here in enumerate(row.mask)
    ]
    link = [line(places[0], middle, places[-1], middle, "link")] if len(places) > 1 else []
    bars = [_bar(frame, place, score, top, row.mask) for place, score in enumerate(row.scores)]
    numbers = [
        text(_column(frame, place), middle + 4, number(score), anchor="end", class_=_weight(frame, place))
        for place, score in enumerate(row.scores)
    ]
    if frame.difference:
        change = row.scores[1] - row.scores[0]
        kind = "soft" if math.isnan(change) or round(change, 1) == 0 else "gain" if change > 0 else "loss"
        numbers.append(text(WIDTH, middle + 4, number(change, signed=True), anchor="end", class_=kind))
    band = element("rect", x=0, y=top, width=WIDTH, height=frame.height, class_="band")
    return element("g", band, *link, *dots, *bars, *numbers, class_="row")


def _weight(frame: _Frame, place: int) -> str:
    return "subject" if place == len(frame.models) - 1 else "soft"


def _bar(frame: _Frame, place: int, score: float, top: float, mask: Mask) -> Markup:
    if math.isnan(score):
        return Markup()
    tip = f"{frame.models[place]}, {phrase(mask, frame.names)}: {number(score)}"
    return element(
        "rect",
        element("title", tip),
        x=frame.scale.start,
        y=top + 4.5 + place * (frame.bar + 1),
        width=max(0.5, frame.scale(score) - frame.scale.start),
        height=frame.bar,
        rx=1.5,
        class_=bar_class(place, len(frame.models)),
    )


def bar_class(place: int, models: int) -> str:
    """The subject's color, the faint one of the model beside it, or one of many."""
    if place == models - 1:
        return "bar own"
    return "bar other" if models == 2 else f"bar c{place + 1}"
