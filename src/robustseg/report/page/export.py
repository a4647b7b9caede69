"""The report's tables as files, each as CSV, JSON, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robustseg.report.page.section import Section
from robustseg.report.tables import Grid, write_grid

ENDINGS = (".csv", ".json", ".md", ".tex")


def export_tables(folder: Path, sections: Sequence[Section], facts: Grid) -> list[str]:
    """Writes every table in four forms and gives the tables' names."""
    grids = {"facts": facts, **{name: grid for section in sections for name, grid in section.grids.items()}}
    for name, grid in grids.items():
        for ending in ENDINGS:
            write_grid(folder / f"{name}{ending}", grid)
    return list(grids)
