"""MUSES: frame camera, event camera, LiDAR and radar by day and night, in rain, fog and snow (ECCV 2024)."""

from robustseg.data.benchmarks.muses.frames import open_muses
from robustseg.data.benchmarks.muses.inputs import CLASSES
from robustseg.data.benchmarks.muses.project import ProjectionReport, project_muses, summary
from robustseg.data.benchmarks.muses.submission import submission_names, write_submission

__all__ = [
    "CLASSES",
    "ProjectionReport",
    "open_muses",
    "project_muses",
    "submission_names",
    "summary",
    "write_submission",
]
