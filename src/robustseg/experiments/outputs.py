"""What a comparison leaves beside its results: tables, plots and a page, made from the results alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from robustseg.experiments import as_json, plots, tables
from robustseg.experiments.grid import Comparison
from robustseg.experiments.job import Key
from robustseg.experiments.measured import Compared, Failing, Measured, compared, gather
from robustseg.experiments.result import Result
from robustseg.experiments.section import best_tiles, comparison_sections, headline, sentence
from robustseg.files import write_text
from robustseg.report.page.section import Section
from robustseg.report.page.write import Head, render
from robustseg.report.tables import Grid, markdown

PAGE = "report.html"

FAILURES = "failures.md"
"""Of protocols other than emm; not there without them."""

MOST_SENTENCES = 3
"""Differences that are told above all tables and charts: the file's first ones."""


@dataclass(frozen=True, eq=False)
class Findings:
    """A comparison's results, gathered and subtracted.

    Attributes:
        comparison: What was compared.
        methods: Those that have results.
        differences: Those that can be told from them.
        alone: The methods whose subsets are drawn, with intervals.
        named: The methods whose learning curves are drawn with a name.
        failing: Other protocol -> the methods that were scored by it, and their differences.
    """

    comparison: Comparison
    methods: dict[str, Measured]
    differences: tuple[Compared, ...]
    alone: tuple[Compared, ...]
    named: tuple[str, ...]
    failing: dict[str, Failing]

    def sections(self) -> list[Section]:
        """For a page."""
        return comparison_sections(
            self.methods, self.differences, floors=self.comparison.floors, named=self.named, failing=self.failing
        )


def find(comparison: Comparison, results: Mapping[Key, Result]) -> Findings:
    """Gathers results and draws the intervals.

    Raises:
        ValueError: The results are not of the same frames and classes.
    """
    methods = gather(results)
    order = _foremost(comparison, methods)
    chosen = [name for name in methods if name in order[: plots.MOST_BARS]]
    alone = tuple(found for name in chosen if (found := compared(methods[name])))
    failing = {
        protocol: Failing(gathered, _differences(comparison, gathered))
        for protocol in comparison.protocols
        if protocol != "emm" and (gathered := gather(results, protocol))
    }
    named = tuple(order[: plots.MOST_CURVES])
    return Findings(comparison, methods, _differences(comparison, methods), alone, named, failing)


def _differences(comparison: Comparison, methods: Mapping[str, Measured]) -> tuple[Compared, ...]:
    """Those that the file names, of methods that have results."""
    pairs = [(methods[a], methods[b]) for a, b in comparison.differences if a in methods and b in methods]
    return tuple(found for one, other in pairs if (found := compared(one, other)))


def write_all(found: Findings, folder: Path) -> Grid:
    """Writes everything and gives the table of the methods.

    Raises:
        OSError: It cannot be written.
    """
    grid = tables.method_table(found.methods)
    write_text(folder / "table.md", markdown(grid))
    write_text(folder / "table.json", as_json.method_json(found.methods))
    headroom = tables.headroom_table(found.methods, found.comparison.floors)
    sets = [tables.subset_table(found.methods), *([headroom] if headroom else [])]
    write_text(folder / "subsets.md", _sheet(*sets))
    if found.differences:
        shown = tables.difference_table(found.differences), tables.difference_subset_table(found.differences)
        write_text(folder / "differences.md", _sheet(*shown))
        write_text(folder / "differences.json", as_json.difference_json(found.differences))
        plots.write_plot(folder / "differences.png", plots.difference_plot(found.differences))
    if found.failing:
        write_text(folder / FAILURES, _sheet(*tables.failure_tables(found.failing).values()))
        write_text(folder / "failures.json", as_json.failure_json(found.failing))
    else:  # those of an earlier file, which had other protocols
        for name in (FAILURES, "failures.json"):
            (folder / name).unlink(missing_ok=True)
    plots.write_plot(folder / "subsets.png", plots.subset_plot(found.alone, found.methods))
    plots.write_plot(folder / "curves.png", plots.curve_plot(found.methods, found.named))
    write_text(folder / PAGE, page(found))
    return grid


def page(found: Findings) -> str:
    """A page of the results alone, with no weights at hand."""
    name = found.comparison.name
    head = Head(
        title=f"{name}, methods compared",
        place=f"{name} / methods compared",
        headline=headline(found.methods),
        sentences=tuple(map(sentence, found.differences[:MOST_SENTENCES])),
        tiles=best_tiles(found.methods),
        facts=_facts(found),
    )
    return render(head, found.sections())


def _facts(found: Findings) -> tuple[tuple[str, str], ...]:
    first = next(iter(found.methods.values())).results[0]
    made = [result.made for entry in found.methods.values() for result in entry.results]
    dates = sorted({entry.date for entry in made})
    seeds = sorted({len(entry.results) for entry in found.methods.values()})
    return (
        ("Methods", ", ".join(found.methods)),
        ("Runs", f"{len(made)}, of {' or '.join(map(str, seeds))} seeds each"),
        ("Data", f"{first.recipe.data.kind}, {len(first.frames)} frames of {first.recipe.data.val}"),
        ("Classes", str(len(first.classes))),
        ("Sensors", ", ".join(max((entry.modalities for entry in found.methods.values()), key=len))),
        ("Trained", dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"),
        ("With", f"RobustSeg {made[-1].version}, torch {made[-1].torch}"),
    )


def _foremost(comparison: Comparison, methods: Mapping[str, Measured]) -> list[str]:
    """The methods, those of the differences first, then the others, floors last."""
    named = [name for pair in comparison.differences for name in pair if name in methods]
    floors = set(comparison.floors.values())
    return list(dict.fromkeys([*named, *(name for name in methods if name not in floors), *methods]))


def _sheet(*grids: Grid) -> str:
    """Tables below each other, each with its title."""
    return "\n".join(f"# {grid.title}\n\n{markdown(grid)}" for grid in grids)
