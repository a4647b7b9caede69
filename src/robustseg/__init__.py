"""RobustSeg: multi-modal semantic segmentation that survives missing, degraded and noisy sensors.

import robustseg as rs

model = rs.load("runs/world/student")
out = rs.Predictor(model)({"rgb": rgb, "lidar": lidar})
frames = rs.open_frames(rs.read_recipe("rig.yaml", ["--data.root", "FOLDER"]).data, "val")
result = rs.evaluate(model, frames)
"""

from typing import TYPE_CHECKING, Any

from robustseg.version import __version__

if TYPE_CHECKING:
    from robustseg.build import load
    from robustseg.deploy import Prediction, Predictor, Stream
    from robustseg.frames import open_frames
    from robustseg.recipe_file import read_recipe
    from robustseg.robustness import Evaluation, evaluate

__all__ = [
    "Evaluation",
    "Prediction",
    "Predictor",
    "Stream",
    "__version__",
    "evaluate",
    "load",
    "open_frames",
    "read_recipe",
]


def __getattr__(name: str) -> Any:
    """Imports a name when it is first asked for, so that `robustseg --help` need not wait for PyTorch."""
    match name:
        case "load":
            from robustseg import build as home
        case "Prediction" | "Predictor" | "Stream":
            from robustseg import deploy as home
        case "open_frames":
            from robustseg import frames as home
        case "read_recipe":
            from robustseg import recipe_file as home
        case "Evaluation" | "evaluate":
            from robustseg import robustness as home
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(home, name)


def __dir__() -> list[str]:
    return __all__
