"""A comparison as tables: methods, differences with intervals, subsets, headroom above the floors."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from robustseg.experiments.bootstrap import HARM, RESAMPLES, Interval
from robustseg.experiments.grid import SCRATCH
from robustseg.experiments.job import Key
from robustseg.experiments.measured import OF_CASES, STATISTICS, Compared, Failing, Measured, compared
from robustseg.experiments.result import Result
from robustseg.report.charts.svg import number
from robustseg.report.tables import Cell, Grid

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

Failed = tuple[str, Cell, Cell, int]
"""Seeds, mean, worst, cases."""


def method_table(methods: Mapping[str, Measured]) -> Grid:
    """A row per method: scores as the mean over seeds and their standard deviation, what it costs."""
    head = ("method", "seeds", "sets", "mean", "s.d.", "all", "s.d.", "worst", "s.d.", "worst set", "harmful")
    rows = tuple(tuple(_method(entry, methods).values()) for entry in methods.values())
    return Grid(
        "Methods",
        (*head, "parameters in M", "GMAC", "minutes"),
        rows,
        caption=f"{MEANING} s.d.: over seeds. GMAC: billions of multiply-adds of one frame with every sensor. minutes: "
        "of training the method and all that it needs, teacher and start, the mean over seeds, by as many threads as "
        "the results tell; empty where one of these is not there.",
    )


def difference_table(found: Sequence[Compared]) -> Grid:
    """A row per difference, its statistics with intervals."""
    head = ("difference", "seeds", "sets", "mean", "all", "worst", "harmful")
    rows = tuple(
        (
            entry.name,
            seeds_text(entry),
            len(entry.subsets),
            *(spelled(entry.statistics[name], 0 if name == "harms" else 1) for name in STATISTICS),
        )
        for entry in found
    )
    return Grid("Differences", head, rows, caption=f"{MEANING} {INTERVALS}")


def difference_subset_table(found: Sequence[Compared]) -> Grid:
    """A row per subset, a column per difference."""
    names = tuple(dict.fromkeys(name for entry in found for name in entry.subsets))
    rows = tuple(
        (name, *(spelled(entry.subsets[name]) if name in entry.subsets else None for entry in found)) for name in names
    )
    return Grid("Differences of every set of sensors", ("set", *(entry.name for entry in found)), rows)


def subset_table(methods: Mapping[str, Measured]) -> Grid:
    """A row per subset, a column per method: the mean over seeds."""
    names = tuple(dict.fromkeys(name for entry in methods.values() for name in entry.subsets))
    columns = [dict(zip(entry.subsets, entry.overall.subsets[0].tolist(), strict=True)) for entry in methods.values()]
    rows = tuple((name, *(column.get(name) for column in columns)) for name in names)
    return Grid(
        "Every set of sensors", ("set", *methods), rows, caption="mIoU in percent, the mean over each method's seeds."
    )


def headroom_table(methods: Mapping[str, Measured], floors: Mapping[str, str]) -> Grid | None:
    """For each modality alone, how much better a network is that has nothing else; None where no floor was measured."""
    known = {modality: name for modality, name in floors.items() if name in methods}
    if not known:
        return None
    others = [entry for name, entry in methods.items() if name not in known.values()]
    floor = ("the network that has it alone", *(_full(methods[name]) for name in known.values()))
    rows = tuple(
        (
            entry.name,
            *(
                _headroom(methods[name], entry) if modality in entry.subsets else None
                for modality, name in known.items()
            ),
        )
        for entry in others
    )
    return Grid(
        "Headroom",
        ("method", *(f"{modality} alone" for modality in known)),
        (floor, *rows),
        caption="First row: mIoU of a network trained on one modality alone. Below: by how much it is better than the "
        "method is when that modality alone is left; negative where the method is better. " + INTERVALS,
    )


def failure_tables(failing: Mapping[str, Failing]) -> dict[str, Grid]:
    """How sensors fail otherwise: a table of methods, and one of differences; three columns for each protocol.

    Args:
        failing: By protocol.
    """
    columns = tuple(f"{protocol}, {what}" for protocol in failing for what in ("mean", "worst", "cases"))
    entries = failing.values()
    methods = dict.fromkeys(name for entry in entries for name in entry.methods)
    grids = {
        "failures": Grid(
            "Other failures",
            ("method", "seeds", *columns),
            tuple(
                _row(name, [_failed(entry.methods[name]) if name in entry.methods else None for entry in entries])
                for name in methods
            ),
            caption=f"mIoU in percent by the protocols of `robustseg evaluate`, the mean over seeds. {CASES}",
        )
    }
    by_name = [{found.name: found for found in entry.differences} for entry in entries]
    if pairs := dict.fromkeys(name for known in by_name for name in known):
        grids["failure_differences"] = Grid(
            "Differences under other failures",
            ("difference", "seeds", *columns),
            tuple(
                _row(name, [_failed_less(known[name]) if name in known else None for known in by_name])
                for name in pairs
            ),
            caption=f"Differences are over the cases that both methods share. {CASES} {INTERVALS}",
        )
    return grids


def failure_json(failing: Mapping[str, Failing]) -> str:
    """What `failure_tables` hold, by protocol, with every case."""
    return _json(
        {
            protocol: {
                "methods": {name: _about_cases(measured) for name, measured in entry.methods.items()},
                "differences": [_cases_less(found) for found in entry.differences],
            }
            for protocol, entry in failing.items()
        }
    )


def method_json(methods: Mapping[str, Measured]) -> str:
    """Everything that `method_table` and `subset_table` hold, by name; minutes_alone: without what a method needs."""
    return _json({name: _about(entry, methods) for name, entry in methods.items()})


def difference_json(found: Sequence[Compared]) -> str:
    """Everything that the tables of differences hold; null = unknown."""
    return _json([asdict(entry) for entry in found])


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


def minutes(entry: Measured, methods: Mapping[str, Measured]) -> float | None:
    """Of training a method and all methods that it needs, its teacher, its start and theirs; the mean over seeds.

    Args:
        entry: The method.
        methods: All that have results, each of which counts once; None where one of the same seed is not there.
    """
    runs = {(name, run.seed): run for name, measured in methods.items() for run in measured.results}
    totals = [_total(result, runs) for result in entry.results]
    known = [total for total in totals if total is not None]
    return statistics.mean(known) if len(known) == len(totals) else None


def _total(result: Result, runs: Mapping[Key, Result]) -> float | None:
    taken, todo = {result.method: result.made.minutes}, [result]
    while todo:
        last = todo.pop()
        for name in (last.teacher, last.start):
            if name in ("", SCRATCH) or name in taken:
                continue
            if (name, result.seed) not in runs:
                return None
            todo.append(runs[name, result.seed])
            taken[name] = todo[-1].made.minutes
    return sum(taken.values())


def _scores(entry: Measured) -> dict[str, Cell]:
    """Mean, all and worst with s.d., as far as the protocol has them, and the worst row."""
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


def _failed(entry: Measured) -> Failed:
    mean, worst = (float(getattr(entry.overall, key)[0]) for key in OF_CASES)
    return str(len(entry.results)), mean, worst, len(entry.subsets)


def _failed_less(entry: Compared) -> Failed:
    mean, worst = (spelled(entry.statistics[key]) for key in OF_CASES)
    return seeds_text(entry), mean, worst, len(entry.subsets)


def _row(name: str, found: Sequence[Failed | None]) -> tuple[Cell, ...]:
    """Name, seeds, three cells for each protocol, which are empty where nothing was scored by it."""
    seeds = [cells[0] for cells in found if cells]
    three = (cells[1:] if cells else (None,) * 3 for cells in found)
    return name, seeds[0] if len(set(seeds)) == 1 else ", ".join(seeds), *(cell for cells in three for cell in cells)


def _costs(entry: Measured, methods: Mapping[str, Measured]) -> dict[str, Cell]:
    made = entry.results[0].made
    return {"parameters_in_m": made.parameters / 1e6, "gmac": made.gmac, "minutes": minutes(entry, methods)}


def _full(entry: Measured) -> float:
    return float(entry.overall.all[0])


def _headroom(floor: Measured, entry: Measured) -> str:
    found = compared(floor, entry)
    return spelled(next(iter(found.subsets.values()))) if found else ""


def _method(entry: Measured, methods: Mapping[str, Measured]) -> dict[str, Cell]:
    """A method's row, by the names of the columns in JSON."""
    head: dict[str, Cell] = {"method": entry.name, "seeds": len(entry.results), "sets": len(entry.subsets)}
    return head | _scores(entry) | {"harmful": int(entry.overall.harms[0])} | _costs(entry, methods)


def _about(entry: Measured, methods: Mapping[str, Measured]) -> dict[str, Any]:
    alone = statistics.mean(result.made.minutes for result in entry.results)
    return (
        _method(entry, methods) | {"minutes_alone": alone, "seed_numbers": entry.seeds} | _every_row(entry, "subsets")
    )


def _about_cases(entry: Measured) -> dict[str, Any]:
    """What a protocol other than emm tells of a method; what it costs stands beside emm."""
    scores = _scores(entry)
    worst = {"worst_case": scores.pop("worst_set")}
    head = {"method": entry.name, "seeds": len(entry.results)}
    return head | scores | worst | {"seed_numbers": entry.seeds} | _every_row(entry, "cases")


def _every_row(entry: Measured, rows: str) -> dict[str, Any]:
    scores = dict(zip(entry.subsets, entry.overall.subsets[0].tolist(), strict=True))
    runs = {result.seed: dict(result.protocols[entry.protocol].scores) for result in entry.results}
    return {rows: scores, "runs": runs}


def _cases_less(found: Compared) -> dict[str, Any]:
    about = asdict(found)
    return about | {"cases": about.pop("subsets")}


def _json(value: Any) -> str:
    return json.dumps(_rounded(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _rounded(value: Any) -> Any:
    """Plain values with four decimals, None for what is no number."""
    match value:
        case dict():
            return {key: _rounded(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_rounded(entry) for entry in value]
        case float():
            return round(value, 4) if math.isfinite(value) else None
        case _:
            return value
