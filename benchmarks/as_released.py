"""How much faster and smaller this package is than the same method computed as the paper and its released code do.

    python benchmarks/as_released.py                                 everything, wall time; about 40 minutes
    python benchmarks/as_released.py --threads 2                     with two threads only
    python benchmarks/as_released.py --only "inference 1024x1024"    one row of the table
    python benchmarks/as_released.py --list                          their names
    python benchmarks/as_released.py --clock cpu                     on a machine that has other work to do
    python benchmarks/as_released.py --restart                       forget what an earlier run measured

The opponent (`opponent/`) has our weights, and is first shown to compute the same: logits within 1e-4, each loss in its
released form within 1e-4 of its value, the same label for at least 99.99 % of the pixels. Then both sides run in turns
in one process, and the table has the median, the least and the largest ratio of the pairs. Each row is kept as soon
as it is measured; started again, the script goes on where it was interrupted. It writes `results/as_released.json` and
the table in `docs/performance.md`. Needs no data.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch
from performance_page import PAGE, RESULTS, comparison_lines, row_name, write_section
from timing import CLOCKS, Results, conditions
from works import WORKS


def main() -> None:
    """Measures what is not yet measured, and writes the table after each row."""
    options = parse()
    results = Results(options.out)
    chosen = [
        (work, threads)
        for work in WORKS.values()
        for threads in work.threads
        if work.name in (options.only or WORKS) and threads in options.threads
    ]
    for work, threads in chosen if options.restart else []:
        results.forget(row_name(work.name, threads))
    for work, threads in chosen:
        name = row_name(work.name, threads)
        if name in results.rows:
            continue
        start = time.perf_counter()
        torch.set_num_threads(threads)
        found = work.measure(work.case, threads, options.clock)
        results.keep(name, found | conditions(threads, options.clock))
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        if options.page:
            write_section(options.page, "as_released", comparison_lines(results.rows))
    print("\n".join(comparison_lines(results.rows)))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(WORKS), metavar="ROW")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1], choices=[1, 2])
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    parser.add_argument("--restart", action="store_true", help="measure the chosen rows again")
    parser.add_argument("--list", action="store_true", help="print the names of the rows and stop")
    parser.add_argument("--out", type=Path, default=RESULTS / "as_released.json")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the table goes")
    options = parser.parse_args()
    if options.list:
        print("\n".join(WORKS))
        sys.exit()
    return options


if __name__ == "__main__":
    main()
