"""The memory of a student's step: how far one side's process grows while it takes two of them.

    python benchmarks/step_memory.py opponent
    python benchmarks/step_memory.py ours --size 512 512 --batch 2

Prints the bytes: the peak of the resident size less the size just before the first step, when networks, frames and
optimiser are there. To be started in a fresh process for each number, as `as_released.py` does. Linux only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import torch
from sides import DEFAULT, RELEASED, Case, opponent_step, our_step

from robustseg.benchmark.memory import MEGA, forget_peak, held

CPU = torch.device("cpu")

STEPS = 2
"""The optimiser's own state is made in the first one."""

SIDES = {
    "opponent": opponent_step,
    "ours": lambda case: our_step(case, DEFAULT),
    "ours, released forms": lambda case: our_step(case, RELEASED),
}


def growth(side: str, case: Case) -> int:
    """Bytes by which this process grows while it takes some steps."""
    step = SIDES[side](case)
    forget_peak(CPU)  # making the networks may have taken more
    before, _ = held(CPU)
    for _ in range(STEPS):
        step()
    _, peak = held(CPU)
    assert before is not None
    assert peak is not None
    return round((peak - before) * MEGA)


def growth_in_fresh_process(side: str, case: Case, threads: int) -> int:
    """The same, of a process that does nothing else."""
    words = [side, "--backbone", case.backbone, "--width", case.width, "--size", *case.size, "--batch", case.batch]
    command = [sys.executable, __file__, *words, "--threads", threads]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    return int(done.stdout)


def main() -> None:
    """Prints the number alone."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("side", choices=sorted(SIDES))
    parser.add_argument("--backbone", default="mit_b0")
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--size", type=int, nargs=2, default=(512, 512))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(growth(options.side, Case(options.backbone, options.width, tuple(options.size), options.batch)))


if __name__ == "__main__":
    main()
