"""The sections on published protocols, and on published results beside the run's own."""

from __future__ import annotations

from dataclasses import replace

from markupsafe import Markup

from robustseg.report.beside import run_facts
from robustseg.report.html_table import grid_html
from robustseg.report.page.section import Section, empty
from robustseg.report.runs import Runs
from robustseg.report.tables import (
    Grid,
    field_table,
    protocol_table,
    published_full_table,
    published_protocol_table,
    published_table,
)
from robustseg.report.tables.published import OWN

PUBLISHED = "Beside published results"


def protocol_section(runs: Runs) -> Section:
    """A row per protocol: averages and expectations over subsets, or the levels of noise."""
    grids = {
        ("protocols" if model is runs.subject else f"protocols_{place}"): protocol_table(model.study)
        for place, model in reversed(list(enumerate(runs.models)))
    }
    shown = [grid for grid in grids.values() if grid.rows]
    shown = [*(replace(grid, caption="") for grid in shown[:-1]), *shown[-1:]]  # they share one meaning
    body = Markup().join(map(grid_html, shown))
    lead = "Ways in which whole inputs, parts of them, or all of them get lost, as benchmarks define them."
    return Section("protocols", "Published protocols", lead, body, grids)


def published_section(runs: Runs) -> Section | None:
    """Published rows beside the run's own, each marked with what makes it unlike; None if the data are no benchmark."""
    subject = runs.subject
    if subject.recipe is None:
        return None
    try:
        facts = run_facts(subject.subsets, subject.recipe.data, subject.card)
        if facts is None:
            return None
        alike = {
            model.name: model.subsets
            for model in runs.models
            if model.recipe and run_facts(model.subsets, model.recipe.data, model.card) == facts
        }
        grids = {
            "published_subsets": published_table(alike, facts),
            "published_all_sensors": published_full_table(alike, facts),
            "published_protocols": published_protocol_table(subject.study, facts, subject.name),
            "field": field_table(alike, facts.dataset),
        }
    except ValueError as error:
        return empty("published", PUBLISHED, f"No published row can stand beside this run: {error}.")
    lead = (
        "Own rows are bold. Numbers are only comparable where nothing differs: the column “differs in” says for each "
        "published row what does, such as the backbone, the split, or what happens to missing inputs."
    )
    shown = [_marks_first(grid) for name, grid in grids.items() if name != "field"]
    body = Markup().join(grid_html(grid, decimals=2, bold=_own(grid)) for grid in shown)
    return Section("published", PUBLISHED, lead, body, grids)


def _marks_first(grid: Grid) -> Grid:
    """With what makes a row unlike before its numbers, so that nobody reads these without it; the mean comes first."""
    first = next(column for column in range(len(grid.head)) if grid.numeric(column))
    early = [grid.head.index(name) for name in ("differs in", "mean") if name in grid.head]
    order = [*range(first), *early, *(column for column in range(first, len(grid.head)) if column not in early)]
    rows = tuple(tuple(row[column] for column in order) for row in grid.rows)
    return replace(grid, head=tuple(grid.head[column] for column in order), rows=rows)


def _own(grid: Grid) -> frozenset[int]:
    """The rows that are the run's own."""
    column = grid.head.index("differs in")
    return frozenset(place for place, row in enumerate(grid.rows) if row[column] == OWN)
