"""Cross-entropy on the hard pixels only (online hard example mining)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from robustseg.distill.inputs import check_labels, full_precision, without_autocast
from robustseg.distill.strips import Strips, with_gradient
from robustseg.labels import IGNORE


def ohem_cross_entropy(
    logits: Float[Tensor, "B K h w"],
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
        logits: Before softmax; where they are coarser than the labels, by the same factor along both
            sides but for rounding up, they are upsampled bilinearly first.
        labels: Train ids; 255 is ignored.
        threshold: In (0, 1]; 1 keeps every valid pixel that is not perfect.
        min_kept: A fraction of the valid pixels, in [0, 1].
        class_weights: 0 or more each, see `robustseg.distill.class_weights`; None = all the same.

    Raises:
        ValueError: Shapes do not fit, a label is no class, `threshold`, `min_kept` or a weight is out of range.
    """
    (H, W), (h, w) = labels.shape[1:], logits.shape[2:]
    if len(labels) != len(logits) or h > H or w > W or -(-H // h) != -(-W // w):
        raise ValueError(f"labels {tuple(labels.shape)} do not fit logits {tuple(logits.shape)}")
    if not 0 < threshold <= 1 or not 0 <= min_kept <= 1:
        raise ValueError(f"threshold must lie in (0, 1] and min_kept in [0, 1], got {threshold} and {min_kept}")
    check_labels(labels, logits.shape[1])
    if class_weights is not None and not (len(class_weights) == logits.shape[1] and bool((class_weights >= 0).all())):
        raise ValueError(f"{logits.shape[1]} class weights of 0 or more are needed, got {class_weights.tolist()}")
    with without_autocast(logits), torch.no_grad():
        coarse = full_precision(logits)
        strips = Strips(coarse, (labels.shape[1], labels.shape[2]))
        loss = _pixel_losses(coarse, labels, strips)
        weight = _hard(loss, labels, threshold, min_kept).to(loss)  # B H W
        if class_weights is not None:
            weight *= class_weights.to(loss)[labels.clamp(max=logits.shape[1] - 1)]
        weight /= weight.sum().clamp(min=torch.finfo(loss.dtype).tiny)
        gradient = _gradient(coarse, labels, weight, strips)
    return with_gradient((loss * weight).sum(), logits, gradient)


def _pixel_losses(
    logits: Float[Tensor, "B K h w"], labels: Int64[Tensor, "B H W"], strips: Strips
) -> Float[Tensor, "B H W"]:
    """Each pixel's cross-entropy; 0 where the label is ignored."""
    losses = torch.empty(labels.shape, dtype=logits.dtype, device=logits.device)
    for rows in strips:
        here, strip = labels[:, rows.outputs], strips.up(logits, rows)
        losses[:, rows.outputs] = F.cross_entropy(strip, here, ignore_index=IGNORE, reduction="none")
    return losses


def _hard(
    loss: Float[Tensor, "B H W"], labels: Int64[Tensor, "B H W"], threshold: float, min_kept: float
) -> Bool[Tensor, "B H W"]:
    """The pixels that count; ignored ones have loss 0 and are never hard."""
    hard = loss > -math.log(threshold)
    valid = int((labels != IGNORE).sum())
    least = max(1, int(min_kept * valid)) if valid else 0
    if int(hard.sum()) >= least:
        return hard
    chosen = loss.flatten().topk(least).indices
    return torch.zeros_like(hard.flatten()).index_fill(0, chosen, True).view_as(hard)


def _gradient(
    logits: Float[Tensor, "B K h w"], labels: Int64[Tensor, "B H W"], weight: Float[Tensor, "B H W"], strips: Strips
) -> Float[Tensor, "B K h w"]:
    """Of the sum of weight * cross-entropy: the probabilities, less 1 at the label, times weight."""
    gradient = torch.zeros_like(logits, memory_format=torch.contiguous_format)
    for rows in strips:
        strip = strips.up(logits, rows).softmax(1)
        label = labels[:, None, rows.outputs].clamp(max=logits.shape[1] - 1)  # an ignored pixel has weight 0
        strip.scatter_add_(1, label, strip.new_tensor(-1).expand(label.shape))
        strips.add_down(gradient, strip.mul_(weight[:, None, rows.outputs]), rows)
    return gradient
