"""DELIVER, MUSES and MCubeS, read as their owners wrote them."""

from robustseg.data.benchmarks.frames import BenchmarkFrames, Scene

__all__ = ["BenchmarkFrames", "Scene"]
