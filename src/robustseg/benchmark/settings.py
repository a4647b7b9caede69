"""What is measured, and how: a bad value is refused before the first run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from robustseg.recipe import LARGEST, SMALLEST

PRECISIONS = ("fp32",)


@dataclass(frozen=True)
class Settings:
    """How a model is measured.

    Attributes:
        size: Height and width of the images.
        batch: Frames at a time.
        threads: Of the processor; 0 = as many as torch would take.
        precision: One of `PRECISIONS`.
        device: As `robustseg.load` takes it.
        runs: Measured rounds; every round runs each set of sensors once.
        seed: Of the random images.
    """

    size: tuple[int, int]
    batch: int = 1
    threads: int = 0
    precision: str = "fp32"
    device: str = "cpu"
    runs: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        height, width = self.size
        if not all(SMALLEST <= side <= LARGEST for side in self.size):
            raise ValueError(f"--size {height}x{width}: both sides must lie in {SMALLEST}..{LARGEST}")
        for name in ("batch", "runs"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.threads <= processors():
            raise ValueError(f"--threads must lie in 1..{processors()} on this machine, got {self.threads}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"--precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from "512x1024".

    Raises:
        ValueError: It is no size.

    Example:
        >>> parse_size("512x1024")
        (512, 1024)
    """
    match = re.fullmatch(r"(\d{1,6})[x×](\d{1,6})", text.strip().lower())
    if not match:
        raise ValueError(f"--size is height x width, as in 512x1024, got {text!r}")
    return int(match[1]), int(match[2])


@contextmanager
def thread_count(threads: int) -> Iterator[int]:
    """Lets torch compute with so many threads meanwhile, 0 = as many as it has; yields how many those are."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
