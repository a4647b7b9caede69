"""Models at work."""

from robustseg.deploy.folder import predict_folder, predict_source
from robustseg.deploy.predictor import Prediction, Predictor
from robustseg.deploy.stream import Stream, StreamAnswer
from robustseg.deploy.submission import submit

__all__ = ["Prediction", "Predictor", "Stream", "StreamAnswer", "predict_folder", "predict_source", "submit"]
