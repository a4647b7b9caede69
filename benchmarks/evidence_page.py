"""Writes the measured parts of docs/evidence.md and README.md from the results of the comparisons; the words around
them stay.

    python benchmarks/evidence_page.py

What it reads was written by `robustseg compare`: benchmarks/results/evidence/STAGE/table.json, differences.json,
failures.json and the runs' own files. A measured part stands between the lines `<!-- STAGE KIND CHOICE -->` and
`<!-- end of ... -->`; every other line that is a comment is an error, so that none is passed over for a slip. Kinds are
methods, sets, differences, failures and runs; the choice is some methods, as in `teacher, robustseg`, or some
differences, as in `robustseg-teacher`; without one it is all that there are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from performance_page import threads_text

from robustseg.files import write_text

RESULTS = Path(__file__).parent / "results" / "evidence"
ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "docs" / "evidence.md", ROOT / "README.md")

STATISTICS = ("mean", "all", "worst")
KINDS = ("methods", "sets", "differences", "failures", "runs")
WORST = ":5"
"""How the cases of the greatest severity end."""
NOISE = ("low", "mid", "high")
MARKED = re.compile(r"^<!-- (?!end of )(.*?) -->$", re.MULTILINE)


def method_lines(table: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """A row per method: scores as the mean over seeds and their standard deviation, and what it costs.

    Its minutes are those of all that it needs, see `robustseg.experiments.cells.minutes`.
    """
    head = ["| method | seeds | mean | all | worst | harmful | parameters | MMAC | minutes |", "|:--|" + "--:|" * 8]
    rows = []
    for name in names:
        row = table[name]
        scores = [_with_deviation(row, statistic) for statistic in STATISTICS]
        scores[2] += f" ({row['worst_set']})"
        operations = f"{1000 * row['gmac']:.1f}"
        costs = [str(row["harmful"]), f"{row['parameters_in_m']:.2f} M", operations, _score(row["minutes"], 0)]
        rows.append("| " + " | ".join([f"`{name}`", str(row["seeds"]), *scores, *costs]) + " |")
    return [*head, *rows]


def difference_lines(differences: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """A row per difference: its three statistics with their intervals.

    Bold where zero lies outside and there are several seeds: the interval of one says nothing about others.
    """
    head = ["| difference | seeds | mean | all | worst |", "|:--|--:|--:|--:|--:|"]
    rows = []
    for entry in (differences[name] for name in names):
        several = entry["seeds"] > 1
        scores = [_interval(entry["statistics"][statistic], several=several) for statistic in STATISTICS]
        cells = [f"`{entry['one']}` − `{entry['other']}`", str(entry["seeds"]), *scores]
        rows.append("| " + " | ".join(cells) + " |")
    return [*head, *rows]


def set_lines(table: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """A row per set of sensors that any of the methods has, a column per method."""
    sets = dict.fromkeys(subset for name in names for subset in table[name]["subsets"])
    head = ["| set | " + " | ".join(f"`{name}`" for name in names) + " |", "|:--|" + "--:|" * len(names)]
    rows = [
        f"| {subset} | " + " | ".join(_score(table[name]["subsets"].get(subset)) for name in names) + " |"
        for subset in sets
    ]
    return [*head, *rows]


def failure_lines(table: Mapping[str, Any], failures: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """A row per method: what it scores with one sensor at fault or all noisy, and how often that is worse than off.

    Off: the set of all other sensors, beside the fault in its greatest severity.
    """
    head = [
        "| method | seeds | all well | one at fault | worst fault | worse than off | noise low | mid | high |",
        "|:--|" + "--:|" * 8,
    ]
    rows = []
    for name in names:
        row, found = table[name], failures["faults"]["methods"][name]
        noise = failures["nm"]["methods"][name]["cases"]
        gravest = {
            case.removesuffix(WORST): score
            for case, score in found["cases"].items()
            if case.endswith(WORST) and score is not None  # no frame could be broken so
        }
        worse = sum(score < _without(case.partition("@")[2], row["subsets"]) for case, score in gravest.items())
        scores = [_score(row["all"]), _score(found["mean"]), f"{_score(found['worst'])} ({found['worst_case']})"]
        cells = [*scores, f"{worse} of {len(gravest)}", *(_score(noise[level]) for level in NOISE)]
        rows.append("| " + " | ".join([f"`{name}`", str(found["seeds"]), *cells]) + " |")
    return [*head, *rows]


def _without(sensor: str, subsets: Mapping[str, float]) -> float:
    """The score of all sensors but one."""
    full = max((name.split("+") for name in subsets), key=len)
    return subsets["+".join(name for name in full if name != sensor)]


def run_lines(stage: Path, table: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """How many runs, when, with what, how long."""
    made = [
        json.loads((stage / name / f"seed_{seed}.json").read_text(encoding="utf-8"))["made"]
        for name in names
        for seed in table[name]["seed_numbers"]
    ]
    dates = sorted({entry["date"] for entry in made})
    hours = sum(entry["minutes"] for entry in made) / 60
    torches = ", ".join(sorted({entry["torch"] for entry in made}))
    when = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    threads = " or ".join(threads_text(count) for count in sorted({entry["threads"] for entry in made}))
    return [f"{len(made)} runs, {hours:.1f} hours of training on {threads} each, {when}, torch {torches}."]


def _with_deviation(row: Mapping[str, Any], statistic: str) -> str:
    deviation = row[f"{statistic}_sd"]
    return _score(row[statistic], 2) + ("" if deviation is None else f" ± {deviation:.2f}")


def _interval(found: Mapping[str, float | None], *, several: bool) -> str:
    value, low, high = (found[key] for key in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return ""
    text = f"{value:+.2f} ({low:+.2f} to {high:+.2f})".replace("-", "−")
    return f"**{text}**" if several and (low > 0 or high < 0) else text


def _score(value: float | None, decimals: int = 1) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def measured_lines(results: Path, marker: str) -> list[str]:
    """The lines of one part of the page.

    Args:
        results: The folder of all stages.
        marker: STAGE KIND CHOICE.

    Raises:
        ValueError: There is no such stage, kind, method or difference.
    """
    stage, kind, choice = (*marker.split(maxsplit=2), "", "", "")[:3]
    _known(marker, "stage", [stage], sorted(path.parent.name for path in results.glob("*/table.json")))
    _known(marker, "kind", [kind], KINDS)
    folder = results / stage
    table = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    names = [name.strip() for name in choice.split(",") if name.strip()]
    if kind == "differences":
        found = json.loads((folder / "differences.json").read_text(encoding="utf-8"))
        differences = {f"{entry['one']}-{entry['other']}": entry for entry in found}
        return difference_lines(differences, _known(marker, "difference", names or list(differences), differences))
    names = _known(marker, "method", names or list(table), table)
    match kind:
        case "methods":
            return method_lines(table, names)
        case "sets":
            return set_lines(table, names)
        case "failures":
            failures = json.loads((folder / "failures.json").read_text(encoding="utf-8"))
            return failure_lines(table, failures, names)
        case _:
            return run_lines(folder, table, names)


def _known(marker: str, what: str, names: Sequence[str], known: Iterable[str]) -> Sequence[str]:
    """The names, all of which must be known."""
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"<!-- {marker} -->: no {what} {unknown[0]!r}; there are {', '.join(known) or 'none'}")
    return names


def filled(text: str, results: Path) -> str:
    """The page with every measured part anew.

    Raises:
        ValueError: A marker says nothing that is known, or its end is missing.
    """
    pieces, place = [], 0
    while found := MARKED.search(text, place):
        end = f"<!-- end of {found[1]} -->"
        following = MARKED.search(text, found.end())
        stop = text.find(end, found.end(), following.start() if following else len(text))
        if stop < 0:
            raise ValueError(f"<!-- {found[1]} --> has no line {end} before the next part")
        pieces += [
            text[place : found.end()],
            "\n\n",
            *(f"{line}\n" for line in measured_lines(results, found[1])),
            "\n",
        ]
        place = stop
    return "".join(pieces) + text[place:]


def write_page(page: Path, results: Path = RESULTS) -> None:
    """Fills every measured part of the page anew; nothing is written where one of them cannot be filled.

    Raises:
        FileNotFoundError: There is no page, whose words people write.
        ValueError: A marker says nothing that is known, or its end is missing.
    """
    if not page.is_file():
        raise FileNotFoundError(f"there is no {page}: write it first, with a marker for each measured part")
    write_text(page, filled(page.read_text(encoding="utf-8"), results))


if __name__ == "__main__":
    for place in PAGES:
        write_page(place)
