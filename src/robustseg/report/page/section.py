"""A part of the page: its place in the table of contents, what it says and shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from robustseg.report.charts.svg import element, join
from robustseg.report.html_table import grid_html
from robustseg.report.tables import Grid


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        key: Its anchor.
        title: In the page and in its contents.
        lead: What the reader learns here, in a sentence or two.
        body: Charts and tables.
        grids: The tables behind it by the names of their files in the export.
        data: For the page's script.
    """

    key: str
    title: str
    lead: str
    body: Markup
    grids: Mapping[str, Grid] = field(default_factory=dict)
    data: dict[str, Any] | None = None


def empty(key: str, title: str, why: str) -> Section:
    """A section that has nothing to show and says why."""
    return Section(key, title, "", element("p", why, class_="empty"))


def figure(chart: Markup, caption: str = "") -> Markup:
    """A chart with its caption; a wide one scrolls on its own."""
    inside = element("div", chart, class_="scroll", tabindex="0", role="region", aria_label=caption or "Chart")
    return element("figure", inside, element("figcaption", caption) if caption else Markup())


def panels(charts: Mapping[str, Markup]) -> Markup:
    """Small charts of one kind beside each other, each with its title."""
    return element(
        "div",
        *(element("figure", element("h4", title), drawn) for title, drawn in charts.items()),
        class_="panels",
    )


def beside(*columns: Markup) -> Markup:
    """Pieces next to each other where there is room."""
    return element("div", *(element("div", column) for column in columns), class_="beside")


def details(summary: str, grids: Iterable[Grid]) -> Markup:
    """Tables behind a chart, folded away on screens."""
    return element("details", element("summary", summary), join([grid_html(grid) for grid in grids]))


def either(first: tuple[str, Markup], second: tuple[str, Markup], label: str) -> Markup:
    """Two views of the same, one shown at a time; print shows the first."""
    buttons = (
        element("button", name, type="button", aria_pressed="true" if place == 0 else "false", data_view=str(place))
        for place, (name, _) in enumerate((first, second))
    )
    views = (
        element("div", content, class_="view", data_view=str(place), hidden=place == 1)
        for place, (_, content) in enumerate((first, second))
    )
    return element(
        "div", element("div", *buttons, class_="switch", role="group", aria_label=label), *views, class_="either"
    )
