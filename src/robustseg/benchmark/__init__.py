"""What a model costs on this machine, for every set of sensors: time, operations, memory, beside its quality."""

from robustseg.benchmark.measure import measure
from robustseg.benchmark.result import Benchmark
from robustseg.benchmark.settings import Settings

__all__ = ["Benchmark", "Settings", "measure"]
