"""Where the time of our side goes, operator by operator: what is left to be gained, and what is not.

    python benchmarks/where_time_goes.py                2 threads; a minute
    python benchmarks/where_time_goes.py --threads 1

The works are those of the goals in docs/performance.md, as `as_released.py` runs them. The table names torch's
operators by their own time, in percent. Beside attention stands how many multiply-adds a second it reaches, and beside
that what a product of two large square matrices reaches, which is all that this processor can do. Writes
benchmarks/results/where_time_goes.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch
from sides import Case, inference_runs, step_runs, subset_runs
from timing import processor
from torch.profiler import ProfilerActivity, profile

from robustseg.benchmark.cost import GIGA
from robustseg.files import write_text
from robustseg.models.mit import SHAPES

ATTENTION = "scaled_dot_product"
SHOWN = 6
B0 = Case("mit_b0", 768, (1024, 1024))


def works() -> dict[str, Callable[[], object]]:
    """Our side of the goals' rows."""
    whole, small = inference_runs(B0, (4, 1)), replace(B0, size=(512, 512))
    return {
        "inference 1024x1024, 4 modalities": whole["ours, 4"],
        "inference 1024x1024, 1 of 4": whole["ours, 1"],
        "all 15 subsets 512x512": subset_runs(small)["ours"],
        "student step 512x512, batch 2": step_runs(replace(small, batch=2))["ours"],
    }


def operators(run: Callable[[], object]) -> dict[str, float]:
    """Seconds of each operator's own work in one run; the run before it warms up."""
    run()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        run()
    return {event.key.removeprefix("aten::"): event.self_cpu_time_total / 1e6 for event in found.key_averages()}


def attention_macs(size: tuple[int, int]) -> int:
    """Multiply-adds of all attention in one image's encoding: queries by keys, weights by values."""
    shape, total = SHAPES["mit_b0"], 0
    for place, (width, depth, reduction) in enumerate(zip(shape.widths, shape.depths, shape.reductions, strict=True)):
        tokens = (size[0] >> (place + 2)) * (size[1] >> (place + 2))
        total += depth * 2 * tokens * (tokens // reduction**2) * width
    return total


def product_speed(side: int = 2048, rounds: int = 5) -> float:
    """GMAC a second of a product of square matrices, the best of some rounds."""
    one, other = torch.randn(side, side), torch.randn(side, side)
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        torch.mm(one, other)
        seconds.append(time.perf_counter() - start)
    return side**3 / min(seconds) / GIGA


def row(name: str, seconds: dict[str, float]) -> str:
    """The operators that take longest."""
    total = sum(seconds.values())
    longest = sorted(seconds, key=seconds.__getitem__, reverse=True)[:SHOWN]
    shares = ", ".join(f"{operator.split('_for_cpu')[0]} {100 * seconds[operator] / total:.0f}" for operator in longest)
    return f"| {name} | {total:.2f} | {shares} |"


def main() -> None:
    """Prints the table and writes it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "where_time_goes.md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = {}
    for name, run in works().items():
        print(name, file=sys.stderr, flush=True)
        found[name] = operators(run)
    first = found["inference 1024x1024, 4 modalities"]
    spent = sum(seconds for operator, seconds in first.items() if ATTENTION in operator)
    speed = B0.modalities * attention_macs(B0.size) / spent / GIGA
    lines = [
        "| work | s | own time of operators, % |",
        "|:--|--:|:--|",
        *(row(name, seconds) for name, seconds in found.items()),
        "",
        f"Attention of the first row: {B0.modalities * attention_macs(B0.size) / GIGA:.1f} GMAC in {spent:.2f} s, "
        f"{speed:.0f} GMAC a second; a product of two 2048x2048 matrices reaches {product_speed():.0f}.",
        "",
        f"`python {' '.join(sys.argv)}`, {date.today()}, torch {torch.__version__}, {processor()}, "
        f"{options.threads} threads, under the profiler.",
    ]
    print("\n".join(lines))
    write_text(options.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
