"""A table before it is drawn: plain text and numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

Cell = str | int | float | None


@dataclass(frozen=True)
class Grid:
    """A table before it is drawn.

    Attributes:
        title: Above it.
        head: Names of the columns; the first column holds the rows' names.
        rows: Of text, counts, scores; None or NaN = nothing to tell.
        summary: Rows below a line.
        signed: Columns that hold differences.
        caption: Below it: what the numbers mean.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    summary: tuple[tuple[Cell, ...], ...] = ()
    signed: frozenset[int] = frozenset()
    caption: str = ""

    def __post_init__(self) -> None:
        wrong = [row for row in (*self.rows, *self.summary) if len(row) != len(self.head)]
        if wrong:
            raise ValueError(
                f"table {self.title!r} has {len(self.head)} columns, a row has {len(wrong[0])}: {wrong[0]}"
            )

    def numeric(self, column: int) -> bool:
        """Whether a column holds numbers, which stand to the right."""
        return any(isinstance(row[column], int | float) for row in (*self.rows, *self.summary))

    def text(self, cell: Cell, column: int, decimals: int) -> str:
        """A cell as people read it: empty where there is nothing to tell, differences with their sign."""
        match cell:
            case None:
                return ""
            case float() if math.isnan(cell):
                return ""
            case float():
                return f"{cell:{'+' if column in self.signed else ''}.{decimals}f}"
            case _:
                return str(cell)

    def texts(self, row: tuple[Cell, ...], decimals: int) -> list[str]:
        """A row as people read it."""
        return [self.text(cell, column, decimals) for column, cell in enumerate(row)]
