"""Cross-entropy on the hard pixels only (online hard example mining)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from robustseg.distill.inputs import check_labels, full_precision, without_autocast
from robustseg.labels import IGNORE


def ohem_cross_entropy(
    logits: Float[Tensor, "B K H W"],
    labels: Int64[Tensor, "B H W"],
    *,
    threshold: float = 0.7,
    min_kept: float = 1 / 16,
    class_weights: Float[Tensor, " K"] | None = None,
) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats over the pixels whose true class has a probability below `threshold`.

    Where these are fewer than `min_kept` of the valid pixels (rounded down, at least one), the mean is over so many
    pixels with the largest loss instead. Without a valid pixel it is 0.

    Weights of classes take no part in the choice of pixels, which is by probability alone; the mean is then weighted:
    sum of weight * loss over sum of weights. Where all chosen pixels have weight 0 it is 0.

    Args:
        logits: Before softmax.
        labels: Train ids; 255 is ignored.
        threshold: In (0, 1]; 1 keeps every valid pixel that is not perfect.
        min_kept: A fraction of the valid pixels, in [0, 1].
        class_weights: 0 or more each, see `robustseg.distill.class_weights`; None = all the same.

    Raises:
        ValueError: Shapes do not fit, a label is no class, `threshold`, `min_kept` or a weight is out of range.
    """
    if labels.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(f"labels {tuple(labels.shape)} do not fit logits {tuple(logits.shape)}")
    if not 0 < threshold <= 1 or not 0 <= min_kept <= 1:
        raise ValueError(f"threshold must lie in (0, 1] and min_kept in [0, 1], got {threshold} and {min_kept}")
    check_labels(labels, logits.shape[1])
    if class_weights is not None and not (len(class_weights) == logits.shape[1] and bool((class_weights >= 0).all())):
        raise ValueError(f"{logits.shape[1]} class weights of 0 or more are needed, got {class_weights.tolist()}")
    with without_autocast(logits):
        loss = F.cross_entropy(full_precision(logits), labels, ignore_index=IGNORE, reduction="none")  # B H W
        hard = loss > -math.log(threshold)  # ignored pixels have loss 0 and are never hard
        valid, kept = int((labels != IGNORE).sum()), int(hard.sum())
        least = max(1, int(min_kept * valid)) if valid else 0
        if class_weights is None:
            return (loss * hard).sum() / max(kept, 1) if kept >= least else loss.flatten().topk(least).values.mean()
        if kept < least:
            chosen = loss.flatten().topk(least).indices
            hard = torch.zeros_like(hard.flatten()).index_fill(0, chosen, True).view_as(hard)
        weight = hard * class_weights.to(loss)[labels.clamp(max=logits.shape[1] - 1)]  # B H W
        return (loss * weight).sum() / weight.sum().clamp(min=torch.finfo(loss.dtype).tiny)
