"""Writes the measured parts of docs/evidence.md from the results of the comparisons; the words around them stay.

    python benchmarks/evidence_page.py

What it reads was written by `robustseg compare`: benchmarks/results/evidence/STAGE/table.json, differences.json and the
runs' own files. A measured part stands between the lines `<!-- STAGE KIND CHOICE -->` and `<!-- end of ... -->`. Kinds
are methods, sets, differences and runs; the choice is some methods, as in `teacher, robustseg`, or some differences, as
in `robustseg-teacher`; without one it is all that there are.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from performance_page import write_section

RESULTS = Path(__file__).parent / "results" / "evidence"
PAGE = Path(__file__).parent.parent / "docs" / "evidence.md"

STATISTICS = ("mean", "all", "worst")
MARKED = re.compile(r"<!-- (?!end of )(\w+) (methods|differences|sets|runs)((?: \w+(?:-\w+)?,?)*) -->")


def method_lines(table: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """A row per method: scores as the mean over seeds and their standard deviation, and what it costs."""
    head = ["| method | seeds | mean | all | worst | harmful | parameters | minutes |", "|:--|" + "--:|" * 7]
    rows = []
    for name in names:
        row = table[name]
        scores = [_with_deviation(row, statistic) for statistic in STATISTICS]
        scores[2] += f" ({row['worst_set']})"
        costs = [str(row["harmful"]), f"{row['parameters_in_m']:.2f} M", f"{row['minutes']:.0f}"]
        rows.append("| " + " | ".join([f"`{name}`", str(row["seeds"]), *scores, *costs]) + " |")
    return [*head, *rows]


def difference_lines(differences: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> list[str]:
    """A row per difference: its three statistics with their intervals, bold where zero lies outside."""
    head = ["| difference | seeds | mean | all | worst |", "|:--|--:|--:|--:|--:|"]
    rows = [
        "| "
        + " | ".join(
            [
                f"`{entry['one']}` − `{entry['other']}`",
                str(entry["seeds"]),
                *(_interval(entry["statistics"][statistic]) for statistic in STATISTICS),
            ]
        )
        + " |"
        for entry in differences
        if not names or f"{entry['one']}-{entry['other']}" in names
    ]
    return [*head, *rows]


def set_lines(table: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """A row per set of sensors, a column per method."""
    sets = max((table[name]["subsets"] for name in names), key=len)
    head = ["| set | " + " | ".join(f"`{name}`" for name in names) + " |", "|:--|" + "--:|" * len(names)]
    rows = [
        f"| {subset} | " + " | ".join(_score(table[name]["subsets"].get(subset)) for name in names) + " |"
        for subset in sets
    ]
    return [*head, *rows]


def run_lines(stage: Path, table: Mapping[str, Any]) -> list[str]:
    """How many runs, when, with what, how long."""
    made = [
        json.loads((stage / name / f"seed_{seed}.json").read_text(encoding="utf-8"))["made"]
        for name, row in table.items()
        for seed in row["seed_numbers"]
    ]
    dates = sorted({entry["date"] for entry in made})
    hours = sum(entry["minutes"] for entry in made) / 60
    torches = ", ".join(sorted({entry["torch"] for entry in made}))
    when = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    return [f"{len(made)} runs, {hours:.1f} hours of training on one thread each, {when}, torch {torches}."]


def _with_deviation(row: Mapping[str, Any], statistic: str) -> str:
    deviation = row[f"{statistic}_sd"]
    return f"{row[statistic]:.2f}" + ("" if deviation is None else f" ± {deviation:.2f}")


def _interval(value: Mapping[str, float]) -> str:
    low, high = value["low"], value["high"]
    text = f"{value['value']:+.2f} ({low:+.2f} to {high:+.2f})".replace("-", "−")
    return f"**{text}**" if low > 0 or high < 0 else text


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def measured_lines(stage: Path, kind: str, names: Sequence[str]) -> list[str]:
    """The lines of one part of the page."""
    table = json.loads((stage / "table.json").read_text(encoding="utf-8"))
    known = [name for name in names or table if name in table]
    match kind:
        case "methods":
            return method_lines(table, known)
        case "sets":
            return set_lines(table, known)
        case "runs":
            return run_lines(stage, table)
        case _:
            found = json.loads((stage / "differences.json").read_text(encoding="utf-8"))
            return difference_lines(found, names)


def write_page(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Fills every measured part of the page anew."""
    for stage, kind, names in MARKED.findall(page.read_text(encoding="utf-8")):
        chosen = [name.strip() for name in names.split(",") if name.strip()]
        write_section(page, f"{stage} {kind}{names}", measured_lines(results / stage, kind, chosen))


if __name__ == "__main__":
    sys.exit(write_page())
