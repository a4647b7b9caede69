"""What stands in the cells of a comparison's tables, and in its JSON.

One row of scores per method: the mean over seeds, its spread, what it costs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from robustseg.experiments.bootstrap import HARM, RESAMPLES, Interval
from robustseg.experiments.grid import SCRATCH
from robustseg.experiments.measured import Compared, Measured
from robustseg.report.charts.svg import number
from robustseg.report.tables import Cell

ONE_SEED = "1 (frames only)"

CASES = (
    "mean: over a protocol's cases; worst: the lowest of them; cases: so many, and numbers of different cases do not "
    "compare. seeds: for each protocol in turn, where they differ."
)

MEANING = (
    "mIoU in percent on the scored split. sets: so many sets of sensors were scored. mean: over them; all: with every "
    "sensor; worst: the lowest set of the mean over seeds; harmful: additions of a sensor to a set that cost more than "
    f"{HARM:g} points."
)

INTERVALS = (
    f"In brackets: 95 % of {RESAMPLES} resamples of scenes and seeds, the same ones for both sides; the seeds' spread "
    f"is corrected for their number. *: zero lies outside. {ONE_SEED}: the interval says nothing about other seeds."
)


def method_row(entry: Measured, methods: Mapping[str, Measured]) -> dict[str, Cell]:
    """A method's row, by the names of the columns in JSON; `methods`: all that have results."""
    head: dict[str, Cell] = {"method": entry.name, "seeds": len(entry.results), "sets": len(entry.subsets)}
    return head | score_cells(entry) | {"harmful": int(entry.overall.harms[0])} | _costs(entry, methods)


def score_cells(entry: Measured) -> dict[str, Cell]:
    """Mean, all and worst with s.d. over seeds, as far as the protocol has them, and the worst row."""
    found = entry.overall
    scores = found.subsets[0].nan_to_num(nan=math.inf)
    place = int(scores.argmin())
    of = {
        "mean": [float(run.mean[0]) for run in entry.per_seed],
        "all": [float(run.all[0]) for run in entry.per_seed],
        "worst": [float(run.subsets[0, place]) for run in entry.per_seed],
    }
    cells: dict[str, Cell] = {}
    for name in of:
        if name in entry.statistics:
            cells |= {name: float(getattr(found, name)[0]), f"{name}_sd": deviation(of[name])}
    return cells | {"worst_set": entry.subsets[place]}


def minutes(entry: Measured, methods: Mapping[str, Measured]) -> float | None:
    """Of training a method and all methods that it needs, its teacher, its start and theirs.

    Each counts once, with the median over all its seeds, as runs share their machine with other work.

    Args:
        entry: The method.
        methods: All that have results; None where one that is needed has none.
    """
    taken, todo = {entry.name: minutes_alone(entry)}, [entry]
    while todo:
        last = todo.pop().results[0]
        for name in (last.teacher, last.start):
            if name in ("", SCRATCH) or name in taken:
                continue
            if name not in methods:
                return None
            todo.append(methods[name])
            taken[name] = minutes_alone(methods[name])
    return sum(taken.values())


def minutes_alone(entry: Measured) -> float:
    """Of training a method and nothing else, the median over its seeds."""
    return statistics.median(run.made.minutes for run in entry.results)


def spelled(value: Interval, decimals: int = 1) -> str:
    """An interval as people read it; empty where nothing is known.

    Example:
        >>> spelled(Interval(1.23, 0.4, 2.0))
        '+1.2 (+0.4 to +2.0) *'
    """
    if math.isnan(value.value):
        return ""
    middle, low, high = (
        number(entry, decimals, signed=bool(round(entry, decimals))) for entry in (value.value, value.low, value.high)
    )
    return f"{middle} ({low} to {high})" + (" *" if value.sure else "")


def deviation(values: Sequence[float]) -> float | None:
    """Standard deviation of a sample; None of one value."""
    return statistics.stdev(values) if len(values) > 1 else None


def seeds_text(entry: Compared) -> str:
    """How many seeds an interval is of."""
    return str(entry.seeds) if entry.seeds > 1 else ONE_SEED


def _costs(entry: Measured, methods: Mapping[str, Measured]) -> dict[str, Cell]:
    made = entry.results[0].made
    return {"parameters_in_m": made.parameters / 1e6, "gmac": made.gmac, "minutes": minutes(entry, methods)}
