"""What the command line can do, one function a command; each is as useful from Python.

Heavy parts are imported where they are used, so that `--help` answers at once. For the same reason no function here has
the name of one in `robustseg` itself: the parser looks there for it, and would import PyTorch with what it finds.
"""

from robustseg.commands.benchmark import benchmark
from robustseg.commands.compare import compare
from robustseg.commands.data import check_data, fake_data, make_world, project, show_conventions, show_stats
from robustseg.commands.explore import explore
from robustseg.commands.export import export_files
from robustseg.commands.frames import predict, submit
from robustseg.commands.hub import push
from robustseg.commands.models import calibrate, convert, demo, health, train
from robustseg.commands.scores import evaluate_model, expect, report

__all__ = [
    "benchmark",
    "calibrate",
    "check_data",
    "compare",
    "convert",
    "demo",
    "evaluate_model",
    "expect",
    "explore",
    "export_files",
    "fake_data",
    "health",
    "make_world",
    "predict",
    "project",
    "push",
    "report",
    "show_conventions",
    "show_stats",
    "submit",
    "train",
]
