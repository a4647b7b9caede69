"""Evaluation under sensor failures."""

from robustseg.robustness.evaluate import evaluate
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.storage import load, load_study, save, save_study, stored_evaluation

__all__ = ["Evaluation", "evaluate", "load", "load_study", "save", "save_study", "stored_evaluation"]
