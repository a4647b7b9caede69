"""How a frame's time grows: with the sensors present, the image's side, the batch and the backbone.

    python benchmarks/speed_curves.py                               two threads, wall time; about half an hour
    python benchmarks/speed_curves.py --only modalities side        some of the curves
    python benchmarks/speed_curves.py --threads 1 --clock cpu       on a machine that has other work to do
    python benchmarks/speed_curves.py --restart                     forget what an earlier run measured

Each point is the labels of a batch, ours and the opponent's of `as_released.py` in turns, the median of three rounds;
width 768, 25 classes. The opponent has no point where its attention matrices would take more than this kind of machine
has: above 1024x1024 with four modalities. Each point is kept as soon as it is measured; started again, the script goes
on where it was interrupted. Writes `results/speed_curves.json`, `docs/speed_curves.png` and their part of
`docs/performance.md`. Needs no data.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from performance_page import PAGE, RESULTS, threads_text, write_section
from sides import Case, inference_runs
from speed_chart import Panel, draw
from timing import CLOCKS, Results, conditions, in_turns, tried

from robustseg.recipe import Backbone

ROUNDS = 3
LARGEST_OPPONENT = 1024 * 1024 * 4
"""Pixels of all images of a forward pass."""

BACKBONES: tuple[Backbone, ...] = ("mit_b0", "mit_b1", "mit_b2", "mit_b3", "mit_b4", "mit_b5")


@dataclass(frozen=True)
class Point:
    """One frame size, or batch, or network of a curve, from the first so many modalities."""

    label: str
    case: Case
    present: int = 4

    @property
    def opponent(self) -> bool:
        """Whether the opponent has the memory for it."""
        return self.case.batch * self.case.size[0] * self.case.size[1] * self.present <= LARGEST_OPPONENT


def _b0(side: int, batch: int = 1, modalities: int = 4) -> Case:
    return Case("mit_b0", 768, (side, side), batch, modalities)


CURVES: dict[str, tuple[Point, ...]] = {
    "modalities": tuple(Point(str(count), _b0(512, modalities=8), count) for count in range(1, 9)),
    "side": tuple(Point(str(side), _b0(side)) for side in (256, 384, 512, 768, 1024, 1536, 2048)),
    "batch": tuple(Point(str(batch), _b0(256, batch)) for batch in (1, 2, 4, 8)),
    "backbone": tuple(Point(name[-2:].upper(), Case(name, 768, (512, 512))) for name in BACKBONES),
}
TITLES = {
    "modalities": "modalities present, B0, 512x512",
    "side": "side of the image in pixels, B0, four modalities",
    "batch": "frames at a time, B0, 256x256, four modalities",
    "backbone": "backbone, 512x512, four modalities",
}


def row_name(curve: str, label: str, threads: int) -> str:
    """What a point is called in the results."""
    return f"{curve} {label} | {threads_text(threads)}"


def measure(point: Point, clock: Callable[[], float]) -> dict[str, Any]:
    """Seconds of both sides by name."""
    runs = inference_runs(point.case, (point.present,))
    sides = {name.partition(",")[0]: run for name, run in runs.items() if point.opponent or name.startswith("ours")}
    return {"seconds": in_turns(sides, tried(sides, clock), clock, ROUNDS)}


def medians(rows: Mapping[str, Mapping[str, Any]], curve: str, threads: int) -> dict[str, dict[str, float]]:
    """Side -> label of a point -> seconds, of the points that were measured."""
    found: dict[str, dict[str, float]] = {"opponent": {}, "ours": {}}
    for point in CURVES[curve]:
        row = rows.get(row_name(curve, point.label, threads), {"seconds": {}})
        for side, seconds in row["seconds"].items():
            found[side][point.label] = statistics.median(seconds)
    return found


def table(rows: Mapping[str, Mapping[str, Any]], curve: str, threads: int) -> list[str]:
    """Both sides' seconds, and their ratio."""
    found = medians(rows, curve, threads)
    labels = [point.label for point in CURVES[curve] if point.label in found["ours"]]
    if not labels:
        return []
    both = {label: found["opponent"][label] / found["ours"][label] for label in labels if label in found["opponent"]}
    return [
        f"| {TITLES[curve]} | " + " | ".join(labels) + " |",
        "|:--|" + "--:|" * len(labels),
        *(f"| {side}, s | " + " | ".join(_cell(found[side].get(label)) for label in labels) + " |" for side in found),
        "| ratio | " + " | ".join(f"{both[label]:.1f}x" if label in both else "" for label in labels) + " |",
        "",
    ]


def _cell(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3f}" if seconds < 1 else f"{seconds:.2f}"


def page_lines(rows: Mapping[str, Mapping[str, Any]], threads: int) -> list[str]:
    """The picture, the tables and what they were measured with."""
    lines = ["![Seconds per batch against modalities, side, batch and backbone](speed_curves.png)", ""]
    lines += [line for curve in CURVES for line in table(rows, curve, threads)]
    last = max(rows.values(), key=lambda row: row["date"])
    return [
        *lines,
        "The opponent was not run above 1024x1024, where its attention matrices would fill this machine's memory. "
        f"`python benchmarks/speed_curves.py`, {last['date']}, {last['processor']}, torch {last['torch']}, "
        f"{threads_text(threads)}, {last['clock']} time, medians of {ROUNDS} rounds in turns.",
    ]


def main() -> None:
    """Measures what is not yet measured; writes picture and page."""
    options = parse()
    torch.set_num_threads(options.threads)
    results = Results(options.out)
    names = {row_name(curve, point.label, options.threads): point for curve in options.only for point in CURVES[curve]}
    for name in names if options.restart else ():
        results.forget(name)
    for name, point in names.items():
        if name not in results.rows:
            start = time.perf_counter()
            row = measure(point, CLOCKS[options.clock])
            results.keep(name, row | conditions(options.threads, options.clock))
            print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    panels = [
        Panel(TITLES[curve], [point.label for point in points], medians(results.rows, curve, options.threads))
        for curve, points in CURVES.items()
    ]
    draw(options.page.with_name("speed_curves.png"), panels)
    lines = page_lines(results.rows, options.threads)
    write_section(options.page, "speed_curves", lines)
    print("\n".join(lines))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(CURVES), default=list(CURVES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    parser.add_argument("--restart", action="store_true", help="measure the chosen curves again")
    parser.add_argument("--out", type=Path, default=RESULTS / "speed_curves.json")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the tables go, the picture beside it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
