"""A comparison as tables: methods, differences with intervals, subsets, headroom above the floors, other failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustseg.experiments.cells import CASES, INTERVALS, MEANING, method_row, seeds_text, spelled
from robustseg.experiments.measured import OF_CASES, STATISTICS, Compared, Failing, Measured, compared
from robustseg.report.tables import Cell, Grid

Failed = tuple[str, Cell, Cell, int]
"""Seeds, mean, worst, cases."""


def method_table(methods: Mapping[str, Measured]) -> Grid:
    """A row per method: scores as the mean over seeds and their standard deviation, what it costs."""
    head = ("method", "seeds", "sets", "mean", "s.d.", "all", "s.d.", "worst", "s.d.", "worst set", "harmful")
    rows = tuple(tuple(method_row(entry, methods).values()) for entry in methods.values())
    return Grid(
        "Methods",
        (*head, "parameters in M", "GMAC", "minutes"),
        rows,
        caption=f"{MEANING} s.d.: over seeds. GMAC: billions of multiply-adds of one frame with every sensor. minutes: "
        "of training the method and all that it needs, teacher and start, of each the median over seeds, by as many "
        "threads as the results tell; empty where one of these is not there.",
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


def _full(entry: Measured) -> float:
    return float(entry.overall.all[0])


def _headroom(floor: Measured, entry: Measured) -> str:
    found = compared(floor, entry)
    return spelled(next(iter(found.subsets.values()))) if found else ""
