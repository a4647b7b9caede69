"""A comparison as sections of a page: methods and their differences, every set of sensors, learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from markupsafe import Markup

from robustseg.experiments.bootstrap import Interval
from robustseg.experiments.measured import Compared, Failing, Measured
from robustseg.experiments.plots import STAGES, STATISTICS, learning_curve
from robustseg.experiments.tables import (
    difference_subset_table,
    difference_table,
    failure_tables,
    headroom_table,
    method_table,
    subset_table,
)
from robustseg.report.charts.forest import Estimate, forest
from robustseg.report.charts.lines import Series, chart, numbers_axis, score_axis
from robustseg.report.charts.svg import key, number
from robustseg.report.html_table import grid_html, heat_map
from robustseg.report.page.section import Section, details, figure, panels
from robustseg.report.tables import Grid
from robustseg.report.verdict import Tile


def comparison_sections(
    methods: Mapping[str, Measured],
    found: Sequence[Compared],
    *,
    floors: Mapping[str, str],
    named: Sequence[str],
    failing: Mapping[str, Failing],
) -> list[Section]:
    """What a page says of a comparison.

    Args:
        methods: Their results.
        found: The differences that are shown.
        floors: Modality -> the method that has it alone.
        named: The methods whose learning curves are shown, at most 8.
        failing: What became of them by other protocols.
    """
    curves = _learning_section({name: methods[name] for name in named}, others=len(methods) - len(named))
    return [
        _method_section(methods, found),
        _set_section(methods, floors),
        *([_failure_section(failing)] if failing else []),
        *([curves] if curves else []),
    ]


def sentence(entry: Compared) -> str:
    """A difference of the mean over subsets as a sentence."""
    value, sets = entry.statistics["mean"], list(entry.subsets)
    where = f"with {sets[0]}" if len(sets) == 1 else f"on the mean over {len(sets)} sets of sensors"
    ends = f"95 % of resamples: {number(value.low, signed=True)} to {number(value.high, signed=True)}"
    about = f"{ends}, {'of frames alone, for there is one seed' if entry.seeds == 1 else f'{entry.seeds} seeds'}"
    if not value.sure:
        return f"{entry.one} and {entry.other} are not told apart {where} ({about})."
    word = "above" if value.value > 0 else "below"
    return f"{entry.one} is {number(abs(value.value))} points {word} {entry.other} {where} ({about})."


def headline(methods: Mapping[str, Measured]) -> str:
    """Which method is best on the mean over all sets, in one sentence."""
    first, *others = _ranked(methods, "mean")
    best = f"{first[0]} is best on the mean over all sets of sensors, with {number(first[1])} % mIoU"
    return f"{best}; {others[0][0]} follows with {number(others[0][1])}." if others else f"{best}."


def best_tiles(methods: Mapping[str, Measured]) -> tuple[Tile, ...]:
    """The best method by each score."""
    tiles = []
    for name, title in STATISTICS.items():
        method, score = _ranked(methods, name)[0]
        tiles.append(Tile(f"Best, {title}", number(score), method))
    return tuple(tiles)


def complete(methods: Mapping[str, Measured]) -> dict[str, Measured]:
    """The methods that were scored on most sets: a network with fewer inputs has another mean."""
    most = max(len(entry.subsets) for entry in methods.values())
    return {name: entry for name, entry in methods.items() if len(entry.subsets) == most}


def _ranked(methods: Mapping[str, Measured], statistic: str) -> list[tuple[str, float]]:
    scores = {name: float(getattr(entry.overall, statistic)[0]) for name, entry in complete(methods).items()}
    return sorted(scores.items(), key=lambda item: -item[1])


def _method_section(methods: Mapping[str, Measured], found: Sequence[Compared]) -> Section:
    grids = {"methods": method_table(methods)}
    best = [place for place, name in enumerate(methods) if name == _ranked(methods, "mean")[0][0]]
    body = grid_html(grids["methods"], decimals=2, bold=best)
    if found:
        grids |= {"differences": difference_table(found), "difference_subsets": difference_subset_table(found)}
        rows = {entry.name: [_estimate(entry.statistics[name], entry.seeds) for name in STATISTICS] for entry in found}
        label = "Differences of methods with intervals: " + " ".join(map(sentence, found))
        caption = (
            "Differences in points of mIoU. Lines: 95 % of paired resamples of scenes and seeds; strong: zero lies "
            "outside; hollow: one seed, so frames alone were resampled."
        )
        drawn = forest(rows, tuple(STATISTICS.values()), label=label, unit=" points")
        tables = [grids["differences"], grids["difference_subsets"]]
        body += figure(drawn, caption) + details("The differences as tables", tables)
    lead = "Every method with every seed was trained and scored alike; numbers are means over seeds."
    return Section("methods", "Methods compared", lead, body, grids)


def _set_section(methods: Mapping[str, Measured], floors: Mapping[str, str]) -> Section:
    grid = subset_table(methods)
    full = next(iter(complete(methods).values()))
    values = torch.tensor(
        [
            [float("nan") if cell is None else cell for cell in column]
            for column in list(zip(*grid.rows, strict=True))[1:]
        ],
        dtype=torch.float64,
    )
    singles = [row for row, subset in enumerate(full.present.tolist()) if sum(subset) == 1]
    letters = ", ".join(f"{full.letters[row]} = {full.subsets[row]}" for row in singles)
    body = heat_map(
        values,
        rows=list(methods),
        columns=full.letters,
        hints=full.subsets,
        title="mIoU by method and set of sensors, the mean over seeds",
        corner="method",
    )
    grids: dict[str, Grid] = {"method_subsets": grid}
    notes = Markup('<p class="note">{}. The fuller the color, the better.</p>').format(letters)
    headroom = headroom_table(methods, floors)
    if headroom:
        grids["headroom"] = headroom
        notes += grid_html(replace(headroom, title="Headroom above each sensor alone"))
    return Section("sets", "Every set, by method", "", body + notes + details("The numbers", [grid]), grids)


def _failure_section(failing: Mapping[str, Failing]) -> Section:
    grids = failure_tables(failing)
    body = Markup("").join(grid_html(grid, decimals=2) for grid in grids.values())
    lead = "Sensors that fail in other ways than being left out: damaged, noisy, or zero in whole or in part."
    return Section("other_failures", "Other failures", lead, body, grids)


def _learning_section(methods: Mapping[str, Measured], *, others: int) -> Section | None:
    drawn = {}
    for stage, title in STAGES.items():
        series = [
            Series(name, tuple((float(epoch), score) for epoch, score in mean), place=place)
            for place, (name, entry) in enumerate(methods.items())
            if entry.results[0].stage == stage and (mean := learning_curve(entry))
        ]
        if series:
            last = max(x for entry in series for x, _ in entry.points)
            drawn[title] = chart(
                series,
                x=numbers_axis(0, last, "epoch"),
                y=score_axis(series, from_zero=False),
                label=f"Score on the frames that select the weights, by epoch, {title}",
                size=(500.0, 300.0),
            )
    if not drawn:
        return None
    lead = "The score that chooses each method's weights, on training frames that were held out; the mean over seeds."
    lead += f" {others} more are faint in curves.png, beside the tables." if others else ""
    return Section("learning", "Learning curves", lead, panels(drawn) + key(list(methods)))


def _estimate(value: Interval, seeds: int) -> Estimate:
    return Estimate(value.value, value.low, value.high, hollow=seeds == 1)
