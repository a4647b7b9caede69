"""How long Python, PyTorch, `import robustseg` and the command line take to start, each in a fresh interpreter.

    OMP_NUM_THREADS=1 python benchmarks/startup.py          about two minutes

Seconds on the wall clock or, on a machine with other work to do, of processor time (--clock cpu). After a first round,
which fills the disk's cache, all commands run in turns, seven rounds; the median, the fastest and the slowest run are
kept. "every name" asks for all public names of the package, so it contains PyTorch's own import; "beyond" is what is
taken off in the same round. Writes benchmarks/results/startup.json. Needs nothing but the package.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from timing import conditions, in_turns, tried

from robustseg.files import write_text

COMMANDS: dict[str, list[str]] = {
    "python -c pass": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
    "import robustseg": ["-c", "import robustseg"],
    "import robustseg, every name": ["-c", "from robustseg import *"],
    "robustseg --version": ["-m", "robustseg", "--version"],
    "robustseg --help": ["-m", "robustseg", "--help"],
    "robustseg train --help": ["-m", "robustseg", "train", "--help"],
    "robustseg evaluate --help": ["-m", "robustseg", "evaluate", "--help"],
    "robustseg predict --help": ["-m", "robustseg", "predict", "--help"],
    "robustseg report --help": ["-m", "robustseg", "report", "--help"],
    "robustseg data check --help": ["-m", "robustseg", "data", "check", "--help"],
}
BEYOND = {"import robustseg": "python -c pass", "import robustseg, every name": "import torch"}
"""What -> what is taken off."""


def children() -> float:
    """Processor seconds of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": children}


def start(words: Sequence[str]) -> None:
    """Runs a fresh interpreter to its end.

    Raises:
        CalledProcessError: The command failed.
    """
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Median, fastest and slowest."""
    return {
        "median": round(statistics.median(seconds), 3),
        "fastest": round(min(seconds), 3),
        "slowest": round(max(seconds), 3),
    }


def measure(rounds: int, clock: Callable[[], float]) -> dict[str, dict[str, float]]:
    """Seconds of every command, and of some beyond another."""
    runs = {name: partial(start, words) for name, words in COMMANDS.items()}
    taken = in_turns(runs, tried(runs, clock), clock, rounds)
    for name, less in BEYOND.items():
        taken[f"{name}, beyond {less}"] = [a - b for a, b in zip(taken[name], taken[less], strict=True)]
    return {name: summary(seconds) for name, seconds in taken.items()}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
    seconds = measure(options.rounds, CLOCKS[options.clock])
    result = conditions(threads, options.clock) | {"rounds": options.rounds, "seconds": seconds}
    print(json.dumps(result, indent=1))
    write_text(options.out / "startup.json", json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
