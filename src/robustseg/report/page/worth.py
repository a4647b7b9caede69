"""The section on what each sensor is worth: Shapley values, what it adds to each set, where it hurts."""

from __future__ import annotations

import math

from markupsafe import Markup

from robustseg.report.charts.bars import bars
from robustseg.report.charts.svg import element, number
from robustseg.report.html_table import scrolling
from robustseg.report.page.section import Section, beside, details, empty, figure
from robustseg.report.runs import Runs
from robustseg.report.subsets import listed
from robustseg.report.tables import Grid, gain_table, harm_table, worth_class_table, worth_condition_table, worth_table
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.nothing import nothing_class, nothing_words, unknown_worth
from robustseg.robustness.worth import Harm, knows_worth, worth

SHOWN_HARMS = 8
"""Sets in which a sensor hurts that are told one by one; the table holds more."""

MOST_SETS = 64
"""Rows of the table of gains; it is cut after them, the export is not."""

GAIN_STEPS, STRONG_GAIN = 5, 4
"""Colors on each side of zero, and from which one on numbers are written in the surface's color."""


def shapley_values(evaluation: Evaluation) -> dict[str, float]:
    """Sensor -> Shapley value; empty where some set of sensors was not evaluated."""
    if not knows_worth(evaluation):
        return {}
    found = worth(evaluation, nothing_class(evaluation))
    return dict(zip(found.players, found.shapley().tolist(), strict=True))


def worth_section(runs: Runs) -> Section:
    """Shapley bars, the sets in which a sensor hurts, what each adds to each set."""
    evaluation = runs.subject.subsets
    title = "What each sensor is worth"
    if not knows_worth(evaluation):
        return empty("worth", title, unknown_worth(evaluation))
    found = worth(evaluation, nothing_class(evaluation))
    values = shapley_values(evaluation)
    lead = (
        f"From {number(found.nothing)} with nothing left to {number(found.everything)} with everything: each sensor's "
        f"fair share in points of mIoU, its Shapley value. With {nothing_words(evaluation)}."
    )
    told = "Shapley values in points: " + ", ".join(f"{name} {number(value)}" for name, value in values.items())
    shares = figure(bars(values, label=told), "They add up to the mIoU of all minus that of nothing.")
    grids = {
        "worth": worth_table(evaluation),
        "worth_classes": worth_class_table(evaluation),
        "worth_conditions": worth_condition_table(evaluation),
        "harms": harm_table(evaluation),
    }
    grids = {name: grid for name, grid in grids.items() if grid.rows}
    gains = gain_table(evaluation)
    body = beside(shares, _harms(found.harms())) + _gains(gains) + details("More tables", grids.values())
    return Section("worth", title, lead, body, {**grids, "gains": gains})


def _harms(harms: list[Harm]) -> Markup:
    """Where a sensor hurts, in sentences."""
    heading = element("h3", "Sets in which a sensor hurts")
    if not harms:
        return heading + element("p", "None: each sensor adds something to every set of the others.", class_="plain")
    entries = [
        element(
            "li",
            f"{harm.player} costs ",
            element("b", number(-harm.points)),
            f" with {listed(harm.joins)}" if harm.joins else " against the most frequent class everywhere",
        )
        for harm in harms[:SHOWN_HARMS]
    ]
    rest = len(harms) - SHOWN_HARMS
    more = element("p", f"and {rest} more", class_="note") if rest > 0 else Markup()
    return heading + element("ul", *entries, class_="plain") + more


def _gains(grid: Grid) -> Markup:
    """The table of gains, colored by sign and size; the row of nothing is far from all others and sets no scale."""
    rows = grid.rows[:MOST_SETS]
    sizes = [abs(value) for row in rows[1:] for value in row[2:] if isinstance(value, float) and not math.isnan(value)]
    largest = max([1.0, *sizes])
    head = (element("th", name, scope="col") for name in grid.head)
    lines = (
        element(
            "tr",
            element("th", row[0], scope="row"),
            element("td", grid.text(row[1], 1, 1), class_="plain-cell"),
            *(_gain_cell(value, largest) for value in row[2:]),
        )
        for row in rows
    )
    caption = "What one more sensor adds to each set, in points of mIoU"
    table = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *head)),
        element("tbody", *lines),
        class_="heat gains",
    )
    cut = f"{len(grid.rows) - len(rows)} larger sets are in the exported table." if len(grid.rows) > len(rows) else ""
    return scrolling(table, caption) + (element("p", cut, class_="note") if cut else Markup())


def _gain_cell(value: object, largest: float) -> Markup:
    if not isinstance(value, float) or math.isnan(value):
        return element("td", "", class_="none")
    step = min(GAIN_STEPS, math.ceil(GAIN_STEPS * abs(value) / largest)) if round(value, 1) else 0
    side = "p" if value > 0 else "m"
    return element("td", number(value, signed=True), class_=f"{side}{step}{' strong' if step >= STRONG_GAIN else ''}")
