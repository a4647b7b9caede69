"""Grids as accessible HTML tables, and heat maps as tables whose cells are colored."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from jaxtyping import Float
from markupsafe import Markup
from torch import Tensor

from robustseg.report.charts.svg import element, number
from robustseg.report.tables import Cell, Grid

STEPS = 10
"""Colors of a heat map besides the palest."""

LONG = 40
"""Letters of a cell that gets a wide column."""

STRONG = 7
"""From this step on the numbers are written in the surface's color."""


def grid_html(grid: Grid, *, decimals: int = 1, bold: Collection[int] = ()) -> Markup:
    """Any grid as a table: named columns and rows, numbers to the right, a sign and a color for differences.

    Args:
        grid: The table.
        decimals: Of scores.
        bold: Places of rows that stand out.
    """
    head = (
        element("th", name, scope="col", class_="num" if grid.numeric(column) else None)
        for column, name in enumerate(grid.head)
    )
    body = (_row(row, grid, decimals, bold=place in bold) for place, row in enumerate(grid.rows))
    foot = (_row(row, grid, decimals) for row in grid.summary)
    table = element(
        "table",
        element("caption", grid.title) if grid.title else Markup(),
        element("thead", element("tr", *head)),
        element("tbody", *body),
        element("tfoot", *foot) if grid.summary else Markup(),
    )
    return scrolling(table, grid.title or "Table") + (
        element("p", grid.caption, class_="note") if grid.caption else Markup()
    )


def heat_map(
    values: Float[Tensor, "R C"],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    corner: str,
    hints: Sequence[str] = (),
    high: float = 100.0,
) -> Markup:
    """Numbers in cells colored on a sequential scale from 0 to `high`; NaN cells stay blank and say so.

    Args:
        values: In percent.
        rows: Names.
        columns: Names, short ones.
        title: Above it.
        corner: What rows are, and columns.
        hints: The columns' full names, for tooltips and screen readers.
        high: The darkest color's value.
    """
    full = hints or columns
    head = (
        element("th", element("abbr", name, title=hint) if hint != name else name, scope="col")
        for name, hint in zip(columns, full, strict=True)
    )
    lines = (
        element("tr", element("th", name, scope="row"), *(_heat_cell(value, high) for value in line))
        for name, line in zip(rows, values.tolist(), strict=True)
    )
    table = element(
        "table",
        element("caption", title),
        element("thead", element("tr", element("th", corner, scope="col"), *head)),
        element("tbody", *lines),
        class_="heat",
    )
    return scrolling(table, title)


def heat_step(value: float, high: float = 100.0) -> int:
    """The color of a value, 0..10.

    Example:
        >>> [heat_step(value, high=50) for value in (-3, 0, 26, 50, 90)]
        [0, 0, 5, 10, 10]
    """
    return min(STEPS, max(0, round(STEPS * value / high)))


def scrolling(content: Markup, label: str) -> Markup:
    """What is wider than the page scrolls on its own, by keyboard too."""
    return element("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)


def _heat_cell(value: float, high: float) -> Markup:
    if math.isnan(value):
        return element("td", "–", class_="none", title="never seen")
    step = heat_step(value, high)
    return element("td", number(value), class_=f"h{step}{' strong' if step >= STRONG else ''}")


def _row(row: tuple[Cell, ...], grid: Grid, decimals: int, *, bold: bool = False) -> Markup:
    cells = (
        element("td", _text(cell, grid, column, decimals), class_=_kind(cell, grid, column, decimals))
        for column, cell in enumerate(row)
        if column
    )
    name = element("th", _text(row[0], grid, 0, decimals), scope="row")
    return element("tr", name, *cells, class_="bold" if bold else None)


def _text(cell: Cell, grid: Grid, column: int, decimals: int) -> str:
    words = grid.text(cell, column, decimals)
    return words if isinstance(cell, str) else words.replace("-", "\u2212")


def _kind(cell: Cell, grid: Grid, column: int, decimals: int) -> str | None:
    kind = "num" if grid.numeric(column) else ""
    if column in grid.signed and isinstance(cell, float) and not math.isnan(cell) and round(cell, decimals):
        kind += " gain" if cell > 0 else " loss"
    if isinstance(cell, str) and len(cell) > LONG:
        kind += " long"
    return kind.strip() or None
