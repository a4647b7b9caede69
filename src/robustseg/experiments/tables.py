"""A comparison as tables: methods, differences with intervals, subsets, headroom above the floors."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from robustseg.experiments.bootstrap import HARM, RESAMPLES, Interval
from robustseg.experiments.measured import STATISTICS, Compared, Failing, Measured, compared
from robustseg.report.charts.svg import number
from robustseg.report.tables import Cell, Grid

ONE_SEED = "1 (frames only)"

MEANING = (
    "mIoU in percent on the scored split. sets: so many sets of sensors were scored. mean: over them; all: with every "
    "sensor; worst: the lowest set of the mean over seeds; harmful: additions of a sensor to a set that cost more than "
    f"{HARM:g} points."
)

INTERVALS = (
    f"In brackets: 95 % of {RESAMPLES} resamples of scenes and seeds, the same ones for both sides; the seeds' spread "
    f"is corrected for their number. *: zero lies outside. {ONE_SEED}: the interval says nothing about other seeds."
)


def method_table(methods: Mapping[str, Measured]) -> Grid:
    """A row per method: scores as the mean over seeds and their standard deviation, what it costs."""
    head = ("method", "seeds", "sets", "mean", "s.d.", "all", "s.d.", "worst", "s.d.", "worst set", "harmful")
    rows = tuple((*_scores(entry), *_costs(entry)) for entry in methods.values())
    return Grid(
        "Methods",
        (*head, "parameters in M", "GMAC", "minutes"),
        rows,
        caption=f"{MEANING} s.d.: over seeds. GMAC: billions of multiply-adds of one frame with every sensor. minutes: "
        "of training, the mean over seeds, by as many threads as the results tell.",
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


def failure_tables(failing: Mapping[str, Failing]) -> list[Grid]:
    """How sensors fail otherwise: a table of methods, and one of differences; two columns for each protocol.

    Args:
        failing: By protocol.
    """
    head = tuple(f"{protocol}, {what}" for protocol in failing for what in ("mean", "worst"))
    methods = dict.fromkeys(name for entry in failing.values() for name in entry.methods)
    grids = [
        Grid(
            "Other failures",
            ("method", *head),
            tuple((name, *_cells(failing, name, _failed, None)) for name in methods),
            caption="mIoU in percent by the protocols of `robustseg evaluate`, the mean over seeds. mean: over a "
            "protocol's cases; worst: the lowest of them.",
        )
    ]
    if pairs := dict.fromkeys(found.name for entry in failing.values() for found in entry.differences):
        rows = tuple((name, *_cells(failing, name, _failed_less, "")) for name in pairs)
        grids.append(Grid("Differences under other failures", ("difference", *head), rows, caption=INTERVALS))
    return grids


def failure_json(failing: Mapping[str, Failing]) -> str:
    """What `failure_tables` hold, by protocol."""
    return _json(
        {
            protocol: {
                "methods": {name: _about(measured) for name, measured in entry.methods.items()},
                "differences": [asdict(found) for found in entry.differences],
            }
            for protocol, entry in failing.items()
        }
    )


def method_json(methods: Mapping[str, Measured]) -> str:
    """Everything that `method_table` and `subset_table` hold, by name."""
    return _json({name: _about(entry) for name, entry in methods.items()})


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


def _scores(entry: Measured) -> tuple[Cell, ...]:
    """Name, numbers of seeds and subsets, mean, all and worst with s.d., worst subset, harmful additions."""
    found = entry.overall
    scores = found.subsets[0].nan_to_num(nan=math.inf)
    place = int(scores.argmin())
    of = {
        "mean": [float(run.mean[0]) for run in entry.per_seed],
        "all": [float(run.all[0]) for run in entry.per_seed],
        "worst": [float(run.subsets[0, place]) for run in entry.per_seed],
    }
    cells = [cell for name in of for cell in (float(getattr(found, name)[0]), deviation(of[name]))]
    return (entry.name, len(entry.results), len(entry.subsets), *cells, entry.subsets[place], int(found.harms[0]))


def _cells(
    failing: Mapping[str, Failing], name: str, pair: Callable[[Failing, str], tuple[Cell, Cell] | None], nothing: Cell
) -> list[Cell]:
    """Two cells for each protocol, for which `nothing` stands where there is no result."""
    return [cell for entry in failing.values() for cell in pair(entry, name) or (nothing, nothing)]


def _failed(entry: Failing, name: str) -> tuple[Cell, Cell] | None:
    if name not in entry.methods:
        return None
    found = entry.methods[name].overall
    return float(found.mean[0]), float(found.worst[0])


def _failed_less(entry: Failing, name: str) -> tuple[Cell, Cell] | None:
    known = {found.name: found.statistics for found in entry.differences}
    return (spelled(known[name]["mean"]), spelled(known[name]["worst"])) if name in known else None


def _costs(entry: Measured) -> tuple[Cell, ...]:
    made = [result.made for result in entry.results]
    return made[0].parameters / 1e6, made[0].gmac, statistics.mean(run.minutes for run in made)


def _full(entry: Measured) -> float:
    return float(entry.overall.all[0])


def _headroom(floor: Measured, entry: Measured) -> str:
    found = compared(floor, entry)
    return spelled(next(iter(found.subsets.values()))) if found else ""


def _about(entry: Measured) -> dict[str, Any]:
    head = ("method", "seeds", "sets", "mean", "mean_sd", "all", "all_sd", "worst", "worst_sd", "worst_set", "harmful")
    about = dict(zip(head, _scores(entry), strict=True)) | dict(
        zip(("parameters_in_m", "gmac", "minutes"), _costs(entry), strict=True)
    )
    scores = dict(zip(entry.subsets, entry.overall.subsets[0].tolist(), strict=True))
    runs = {result.seed: dict(result.protocols[entry.protocol].scores) for result in entry.results}
    return about | {"seed_numbers": entry.seeds, "subsets": scores, "runs": runs}


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
