"""Evaluation under sensor failures."""

from robustseg.robustness.evaluate import count_subsets, evaluate
from robustseg.robustness.evaluation import Evaluation, load

__all__ = ["Evaluation", "count_subsets", "evaluate", "load"]
