"""Writes the measured parts of docs/performance.md from the results; what people wrote around them stays.

    python benchmarks/performance_page.py     from the results that are there, without measuring anything

A measured part stands between the lines `<!-- NAME -->` and `<!-- end of NAME -->`.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from timing import Ratio, ratio, read_rows
from works import MAIN, SMALL, Claim, Work

from robustseg.files import write_text

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"

Rows = Mapping[str, Mapping[str, Any]]
"""Measurements of `as_released.py`."""

HEAD = (
    "| work | goal | two threads | one thread | opponent | ours | GFLOP |",
    "|:--|--:|--:|--:|--:|--:|--:|",
)


def row_name(work: str, threads: int) -> str:
    """What a measurement is called in the results."""
    return f"{work} | {threads_text(threads)}"


def threads_text(threads: int) -> str:
    """In words: 1 thread, 2 threads."""
    return f"{threads} thread{'s' * (threads > 1)}"


def comparison_lines(rows: Rows, folder: Path = RESULTS) -> list[str]:
    """The table of goals, what other scripts' results in `folder` say, small work, and how it was all measured."""
    if not rows:
        return ["Not measured yet."]
    lines = [*HEAD, *(line for work in MAIN for line in _work_lines(work, rows))]
    lines += ["", *beside_lines(folder), "", "Small frames, batches and a small network, where no goal was set:", ""]
    lines += [*HEAD, *(line for work in SMALL for line in _work_lines(work, rows))]
    return [*lines, "", *_conditions(rows)]


def _work_lines(work: Work, rows: Rows) -> list[str]:
    measured = {threads: rows[name] for threads in (2, 1) if (name := row_name(work.name, threads)) in rows}
    return [_claim_line(work, claim, measured) for claim in work.claims] if measured else []


def _claim_line(work: Work, claim: Claim, measured: Mapping[int, Mapping[str, Any]]) -> str:
    shown = next(iter(measured.values()))  # seconds and operations are those with most threads
    text = f"{work.name}: {claim.text}" if claim.text else work.name
    cells = [_measured(claim, measured[threads]) if threads in measured else "" for threads in (2, 1)]
    names = (claim.over, claim.under)
    sides = [[name for name in names if name.startswith("opponent") == theirs] for theirs in (True, False)]
    beside = [_value(shown, side[0]) if side else "" for side in sides]
    return "| " + " | ".join([text, _goal(claim), *cells, *beside, _operations(shown, claim)]) + " |"


def _goal(claim: Claim) -> str:
    if claim.least is not None:
        return f"{claim.least:g}x"
    return "" if claim.most is None else f"{claim.most:.0%} at most"


def _measured(claim: Claim, row: Mapping[str, Any]) -> str:
    found = ratio(row["values"][claim.over], row["values"][claim.under])
    missed = (claim.least is not None and found.median < claim.least) or (
        claim.most is not None and found.median > claim.most
    )
    return f"{'missed: ' if missed else ''}**{_number(found.median, claim)}** ({_spread(found, claim)})"


def _spread(found: Ratio, claim: Claim) -> str:
    return f"{_number(found.low, claim)} to {_number(found.high, claim)}"


def _number(value: float, claim: Claim) -> str:
    return f"{value:.1%}" if claim.share else f"{value:.2f}x"


def _value(row: Mapping[str, Any], name: str) -> str:
    values = row["values"][name]
    middle = statistics.median(values)
    digits = 3 if middle < 0.1 else 2 if middle < 10 else 1
    return f"{middle:.{digits}f} {row['unit']}"


def _operations(row: Mapping[str, Any], claim: Claim) -> str:
    counted = [row["gflop"].get(name) for name in (claim.over, claim.under)]
    if claim.share or None in counted:
        return ""
    return " → ".join(f"{value:,.1f}" for value in counted)


def _conditions(rows: Rows) -> list[str]:
    """How the sides agreed, and where, when and with which command they were measured."""
    same = [row["agreement"] for row in rows.values()]
    logits, losses = (max(entry[name] for entry in same) for name in ("logits", "losses"))
    labels = min(entry["labels"] for entry in same)
    kinds = {(row["processor"], row["torch"], row["clock"]) for row in rows.values()}
    dates = sorted({row["date"] for row in rows.values()})
    machines = "; ".join(f"{processor}, torch {torch}, {clock} time" for processor, torch, clock in sorted(kinds))
    return [
        f"Both sides agree: logits within {logits:.1g}, losses within {losses:.1g} of their value, at least "
        f"{labels:.3%} of the labels.",
        f"`python benchmarks/as_released.py`, {' to '.join(dict.fromkeys((dates[0], dates[-1])))}, {machines}. "
        "Ratios are medians of pairs measured in turn, the least and the largest behind them; seconds are medians.",
    ]


def beside_lines(folder: Path) -> list[str]:
    """Starting and loading beside their goals, as far as `startup.py` and `loading.py` measured them."""
    startup, loading = read_rows(folder / "startup.json"), read_rows(folder / "loading.json")
    lines = []
    if startup:
        imported = startup["seconds"]["import robustseg, every name, beyond import torch"]
        helped = startup["seconds"]["robustseg --help"]
        for text, taken in (
            ("`import robustseg`, every public name, beyond torch's own import", imported),
            ("`robustseg --help`", helped),
        ):
            spread = f"{taken['fastest']:.2f} to {taken['slowest']:.2f}"
            lines.append(f"| {text} | under 1 s | **{taken['median']:.2f} s** ({spread}) | `startup.py` |")
    for name, row in loading.items():
        share = row["loading, percent"]["student"]
        lines.append(f"| loading, of a student's step: {name} | under 10 % | **{share:.1f} %** | `loading.py` |")
    return ["| work | goal | measured | script |", "|:--|--:|--:|:--|", *lines] if lines else []


def write_section(page: Path, name: str, lines: Sequence[str]) -> None:
    """Puts lines in the place of that name; a page that lacks it gets it at its end."""
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Performance\n"
    first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if first not in text:
        text = f"{text.rstrip()}\n\n{first}\n{last}\n"
    body = "\n".join([first, "", *lines, "", last])
    whole = re.compile(f"{re.escape(first)}.*?{re.escape(last)}", re.DOTALL)
    write_text(page, whole.sub(lambda _: body, text, count=1))


if __name__ == "__main__":
    write_section(PAGE, "as_released", comparison_lines(read_rows(RESULTS / "as_released.json")))
