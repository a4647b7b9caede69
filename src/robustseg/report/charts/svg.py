"""Small pieces of SVG and HTML: escaped elements, scales, ticks, marks.

Colors are classes of the page's style sheet, so that one drawing serves light, dark and print. All names are escaped:
they come from files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

SERIES = 8
"""How many series the style sheet tells apart, by color and by mark."""

EM = 0.6
"""Mean width of a letter in heights of the font."""


def element(name: str, *children: object, **attributes: object) -> Markup:
    """One element; children and attributes are escaped, unless they are markup already.

    A trailing underscore of an attribute is dropped, others become hyphens; None and False leave it out, True is an
    attribute without value, floats keep two decimals.

    Example:
        >>> element("text", "a < b", class_="name", text_anchor="end", x=1.0)
        Markup('<text class="name" text-anchor="end" x="1">a &lt; b</text>')
    """
    pairs = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    flat = "".join(
        f" {key}" if value is True else f' {key}="{escape(_plain(value))}"'
        for key, value in pairs
        if value is not None and value is not False
    )
    inner = "".join(str(escape(child)) for child in children)
    return Markup(f"<{name}{flat}>{inner}</{name}>")


def join(parts: Iterable[str]) -> Markup:
    """Several pieces in a row; what is no markup yet is escaped."""
    return Markup().join(parts)


def drawing(width: float, height: float, label: str, *children: object, class_: str = "") -> Markup:
    """An SVG that screen readers announce as one image with a label, and that scales with its column.

    Args:
        width: Of the drawing, in CSS pixels at full size.
        height: Likewise.
        label: What it shows, in a sentence.
        children: Its elements.
        class_: For the style sheet.
    """
    return element(
        "svg",
        *children,
        class_=f"chart {class_}".strip(),
        viewBox=f"0 0 {_plain(float(width))} {_plain(float(height))}",
        width=width,
        height=height,
        role="img",
        aria_label=label,
    )


def text(x: float, y: float, words: object, *, anchor: str = "start", class_: str | None = None) -> Markup:
    """Words at a place; `anchor` is start, middle or end."""
    return element(
        "text", words, x=float(x), y=float(y), text_anchor=None if anchor == "start" else anchor, class_=class_
    )


def clipped(x: float, y: float, words: str, width: float, *, size: float = 12, anchor: str = "start") -> Markup:
    """Words cut to a width, with all of them in a tooltip."""
    room = max(2, int(width / (EM * size)))
    if len(words) <= room:
        return text(x, y, words, anchor=anchor)
    return text(x, y, Markup("{}{}").format(words[: room - 1] + "…", element("title", words)), anchor=anchor)


def wide(words: str, size: float = 12) -> float:
    """About how many pixels some words need."""
    return EM * size * len(words)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def path(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """A line through points; one that is NaN breaks it."""
    steps, pen = [], "M"
    for x, y in points:
        if math.isnan(y):
            pen = "M"
            continue
        steps.append(f"{pen}{_plain(x)} {_plain(y)}")
        pen = "L"
    return element("path", d="".join(steps), class_=class_) if steps else Markup()


def mark(x: float, y: float, series: int, tip: str = "", *, hollow: bool = False) -> Markup:
    """A point of a series: each has a shape of its own, so that color is never alone."""
    size = 3.4
    shapes = {
        0: f"M{-size} 0a{size} {size} 0 1 0 {2 * size} 0a{size} {size} 0 1 0 {-2 * size} 0Z",
        1: f"M{-size} {-size}H{size}V{size}H{-size}Z",
        2: f"M0 {-4.4}L4 3H-4Z",
        3: "M0 -4.6L4.6 0L0 4.6L-4.6 0Z",
        4: "M0 4.4L4 -3H-4Z",
        5: "M-4.4 -1.4H-1.4V-4.4H1.4V-1.4H4.4V1.4H1.4V4.4H-1.4V1.4H-4.4Z",
        6: "M-4 0L-2 -3.6H2L4 0L2 3.6H-2Z",
        7: "M-1.6 -4.4H1.6V4.4H-1.6Z",
    }
    if math.isnan(y):
        return Markup()
    kind = series % SERIES
    return element(
        "path",
        *([element("title", tip)] if tip else []),
        d=shapes[kind],
        transform=f"translate({_plain(float(x))} {_plain(float(y))})",
        class_=f"mark c{kind}{' hollow' if hollow else ''}",
    )


def key(names: Sequence[str], *, series: Sequence[int] | None = None, label: str = "Legend") -> Markup:
    """A legend in HTML: each series' mark and name."""
    places = series if series is not None else range(len(names))
    entries = (
        element("li", element("svg", mark(7, 7, place), width=14, height=14, aria_hidden="true"), name)
        for place, name in zip(places, names, strict=True)
    )
    return element("ul", *entries, class_="key", aria_label=label)


@dataclass(frozen=True)
class Scale:
    """Values low..high become places start..end.

    Example:
        >>> Scale(0, 10, 100, 200)(2.5)
        125.0
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between low and high, at most so many.

    Example:
        >>> ticks(0, 63)
        [0.0, 20.0, 40.0, 60.0]
    """
    span = high - low
    rough = 10.0 ** math.floor(math.log10(span / most))
    step = next(rough * factor for factor in (1, 2, 5, 10, 20) if span / (rough * factor) <= most - 1)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 10) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def ceiling(value: float, step: float = 10) -> float:
    """The next multiple of `step`, for an axis's end; at least one step.

    Example:
        >>> ceiling(60.1), ceiling(60.0), ceiling(0.0)
        (70, 60, 10)
    """
    return max(step, math.ceil(value / step) * step)


def number(value: float | None, decimals: int = 1, *, signed: bool = False) -> str:
    """A score for people; "–" where there is none; a true minus."""
    if value is None or math.isnan(value):
        return "–"
    shown = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    return (shown.replace("-0.0", "0.0") if float(shown) == 0 and decimals == 1 else shown).replace("-", "\u2212")


def _plain(value: object) -> object:
    return f"{round(value, 2):g}" if isinstance(value, float) else value
