"""From predictions to counts, from counts to scores. Scores are in percent, as the field prints them.

Counts are int64: a float32 histogram loses units above 2^24. The field's mIoU comes from ONE sum of counts over the
whole data set, so add counts first and score last.

Shapes: B batch, K classes, H W size; the last axis of counts holds true positives, false positives, false negatives.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int64, Integer
from torch import Tensor

from robustseg.labels import IGNORE

AbsentClass = Literal["zero", "skip"]
"""A class that occurs nowhere, neither labelled nor predicted: its score counts as 0 (the field's habit), or is left
out of the mean (scikit-learn's way)."""


def confusion(
    predictions: Integer[Tensor, "B H W"], labels: Integer[Tensor, "B H W"], num_classes: int
) -> Int64[Tensor, "B K K"]:
    """Pixels of each frame by labelled class (first K) and predicted class (second K); ignored pixels are left out.

    Raises:
        ValueError: A label is neither a class nor 255, or a prediction is no class.
    """
    B, K = labels.shape[0], num_classes
    valid = labels != IGNORE
    frame = torch.arange(B, device=labels.device)[:, None, None]
    pair = (frame * K + labels.long()) * K + predictions.long()  # B H W
    outside = valid & ((labels < 0) | (labels >= K) | (predictions < 0) | (predictions >= K))
    if bool(outside.any()):
        seen = labels[outside].unique().tolist(), predictions[outside].unique().tolist()
        raise ValueError(f"train ids must be 0..{K - 1} or {IGNORE}; got labels {seen[0]}, predictions {seen[1]}")
    return torch.bincount(pair[valid], minlength=B * K * K).view(B, K, K)


def count(
    predictions: Integer[Tensor, "B H W"], labels: Integer[Tensor, "B H W"], num_classes: int
) -> Int64[Tensor, "B K 3"]:
    """True positives, false positives and false negatives of each frame and class; 255 is ignored.

    Example:
        >>> count(torch.tensor([[[0, 0, 1]]]), torch.tensor([[[0, 1, 255]]]), num_classes=2).tolist()
        [[[1, 1, 0], [0, 0, 1]]]
    """
    matrix = confusion(predictions, labels, num_classes)  # B K K
    hit = matrix.diagonal(dim1=1, dim2=2)  # B K
    return torch.stack([hit, matrix.sum(dim=1) - hit, matrix.sum(dim=2) - hit], dim=-1)


def confusion_matrix(
    predictions: Integer[Tensor, "B H W"], labels: Integer[Tensor, "B H W"], num_classes: int
) -> Int64[Tensor, "K K"]:
    """Pixels of all frames together: rows are labels, columns predictions."""
    return confusion(predictions, labels, num_classes).sum(dim=0)


def iou(counts: Int64[Tensor, "*B K 3"]) -> Float[Tensor, "*B K"]:
    """TP / (TP + FP + FN) in percent; NaN for a class that occurs nowhere."""
    hit, extra, missed = counts.double().unbind(dim=-1)
    return 100 * hit / (hit + extra + missed)


def f1(counts: Int64[Tensor, "*B K 3"]) -> Float[Tensor, "*B K"]:
    """2 TP / (2 TP + FP + FN) in percent; NaN for a class that occurs nowhere."""
    hit, extra, missed = counts.double().unbind(dim=-1)
    return 100 * 2 * hit / (2 * hit + extra + missed)


def accuracy(counts: Int64[Tensor, "*B K 3"]) -> Float[Tensor, "*B K"]:
    """TP / (TP + FN) in percent, the recall of each class; NaN for a class without a labelled pixel."""
    hit, _, missed = counts.double().unbind(dim=-1)
    return 100 * hit / (hit + missed)


def class_mean(scores: Float[Tensor, "*B K"], absent: AbsentClass = "zero") -> Float[Tensor, "*B"]:
    """The mean over classes, where NaN marks the absent ones; NaN if all are absent.

    Example:
        >>> scores = torch.tensor([50.0, torch.nan])
        >>> class_mean(scores, "zero").item(), class_mean(scores, "skip").item()
        (25.0, 50.0)
    """
    if absent not in ("zero", "skip"):
        raise ValueError(f"absent must be zero or skip, got {absent!r}")
    if absent == "skip":
        return scores.nanmean(dim=-1)
    nothing = scores.isnan().all(dim=-1)
    return scores.nan_to_num(nan=0.0).mean(dim=-1).masked_fill(nothing, torch.nan)


def mean_iou(counts: Int64[Tensor, "*B K 3"], absent: AbsentClass = "zero") -> Float[Tensor, "*B"]:
    """The mean of `iou` over classes; the policy for classes that occur nowhere is part of the score's name."""
    return class_mean(iou(counts), absent)
