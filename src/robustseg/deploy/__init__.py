"""Models at work."""

from robustseg.deploy.folder import predict_folder
from robustseg.deploy.predictor import Prediction, Predictor
from robustseg.deploy.submission import submit

__all__ = ["Prediction", "Predictor", "predict_folder", "submit"]
