"""RobustSeg: multi-modal semantic segmentation that survives missing, degraded and noisy sensors.

import robustseg as rs

model = rs.load("runs/world/student")
out = rs.Predictor(model)({"rgb": rgb, "lidar": lidar})
frames = rs.open_frames(rs.read_recipe("rig.yaml", ["--data.root", "FOLDER"]).data, "val")
result = rs.evaluate(model, frames)
"""

from robustseg.build import load
from robustseg.deploy import Prediction, Predictor
from robustseg.frames import open_frames
from robustseg.recipe_file import read_recipe
from robustseg.robustness import Evaluation, evaluate
from robustseg.version import __version__

__all__ = ["Evaluation", "Prediction", "Predictor", "__version__", "evaluate", "load", "open_frames", "read_recipe"]
