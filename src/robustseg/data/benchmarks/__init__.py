"""DELIVER, MUSES and MCubeS, read as their owners wrote them."""

from robustseg.data.benchmarks.conventions import CONVENTIONS, Convention, habits
from robustseg.data.benchmarks.frames import BenchmarkFrames, IncompleteError, Scene
from robustseg.data.benchmarks.open import open_anyway, open_benchmark

__all__ = [
    "CONVENTIONS",
    "BenchmarkFrames",
    "Convention",
    "IncompleteError",
    "Scene",
    "habits",
    "open_anyway",
    "open_benchmark",
]
