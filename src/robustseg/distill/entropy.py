"""Functional entropy in the style of arXiv 2505.06635: no modality is to be one that the answer hardly depends on.

By the log-Sobolev inequality the functional entropy of a cost f is bounded by its functional Fisher information by each
modality, I_i = E[ |grad_{x_i} f|^2 / f ]. What is minimised, so that all I_i are large, is

    R = sum_i 1 / I_i

Known are these formulas, neither the noise nor the weights. Ours: E is the mean over the frames of a batch that have
modality i, without noise, and a squared gradient is multiplied by the number of pixels of what it is taken by, so that
I does not depend on the image size when f is a mean over pixels.

Shapes: B batch, M modalities, N live slots, C channels of a stage, K classes, h w a size, H W image size.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from robustseg.distill.inputs import (
    Maps,
    check_labels,
    flat_rows,
    full_precision,
    live_pairs,
    nothing,
    without_autocast,
)
from robustseg.labels import IGNORE

LEAST_INFORMATION = 1e-6
"""Added to I: a modality that changes nothing has a large R, not an infinite one."""


def input_entropy(
    logits: Float[Tensor, "B K h w"],
    labels: Int64[Tensor, "B H W"],
    images: Float[Tensor, "B M 3 H W"],
    present: Bool[Tensor, "B M"],
) -> Float[Tensor, ""]:
    """R_p: f is the cross-entropy of a frame's prediction, x_i the normalised image of its modality i.

    Its gradient is one of a gradient, so that `logits` must have been computed from `images`, which ask for gradients,
    under `robustseg.models.inference.twice_differentiable`. Frames share the statistics of BatchNorm; else no frame's
    cost depends on another's images.

    Args:
        logits: Before softmax; upsampled bilinearly to the labels' size. Of the images in `present`.
        labels: Train ids; 255 is ignored. A frame of nothing else takes no part.
        images: Absent slots may hold anything, NaN too.
        present: The modalities that `logits` are of.

    Raises:
        ValueError: A label is no class.
    """
    check_labels(labels, logits.shape[1])
    with without_autocast(logits):
        large = F.interpolate(full_precision(logits), (labels.shape[1], labels.shape[2]), mode="bilinear")
        each = F.cross_entropy(large, labels, ignore_index=IGNORE, reduction="none")  # B H W
        valid = (labels != IGNORE).sum((1, 2))
        cost = each.sum((1, 2)) / valid.clamp(min=1)  # B
        (slope,) = torch.autograd.grad(cost.sum(), images, create_graph=True)
        sample, modality = (present & (valid > 0)[:, None]).nonzero(as_tuple=True)
        return inverse_information(slope[sample, modality].movedim(1, -1), cost[sample], modality)


def feature_entropy(maps: Maps, present: Bool[Tensor, "B M"]) -> Float[Tensor, ""]:
    """R_f, summed over the stages: f says how far a frame's modalities are from their fused feature, x_i is a feature.

    f is the cross-entropy of the modalities' features against their mean, both after softmax over the channels, as a
    mean over pixels and a sum over modalities: our reading of CE({f_r, f_d}, f_fused). A frame with one modality has
    nothing to fuse and takes no part.

    Args:
        maps: Unfused maps; absent slots may hold anything, NaN too.
        present: The modalities that are there.
    """
    pairs = live_pairs(present & (present.sum(1) > 1)[:, None])
    if not len(pairs.sample):
        return nothing(maps)
    modality = pairs.student % present.shape[1]
    with without_autocast(maps[0]):
        stages = []
        for stage in maps:
            rows = full_precision(flat_rows(stage).index_select(0, pairs.student))  # N h w C
            cost = _disagreement(rows, pairs.sample, pairs.samples)  # B
            (slope,) = torch.autograd.grad(cost.sum(), rows, create_graph=True)
            stages.append(inverse_information(slope, cost[pairs.sample], modality))
        return torch.stack(stages).sum()


def _disagreement(rows: Float[Tensor, "N h w C"], sample: Int64[Tensor, " N"], samples: int) -> Float[Tensor, " B"]:
    """Cross-entropy of each sample's rows against their mean, summed over the rows."""
    count = torch.bincount(sample, minlength=samples).clamp(min=1).to(rows.dtype)
    fused = rows.new_zeros(samples, *rows.shape[1:]).index_add(0, sample, rows) / count[:, None, None, None]
    each = -(fused.softmax(-1)[sample] * rows.log_softmax(-1)).sum(-1).mean((1, 2))  # N
    return each.new_zeros(samples).index_add(0, sample, each)


def inverse_information(
    slope: Float[Tensor, "N h w C"], cost: Float[Tensor, " N"], modality: Int64[Tensor, " N"]
) -> Float[Tensor, ""]:
    """sum_i 1 / I_i over the modalities that have a row.

    Args:
        slope: The gradient of each row's cost, which is a mean over pixels.
        cost: f, above 0.
        modality: Which modality each row is.
    """
    pixels = slope.shape[1] * slope.shape[2]
    ratio = pixels * slope.square().sum((1, 2, 3)) / cost.clamp(min=torch.finfo(cost.dtype).tiny)  # N
    kinds, kind, count = modality.unique(return_inverse=True, return_counts=True)
    information = ratio.new_zeros(len(kinds)).index_add(0, kind, ratio) / count
    return (information + LEAST_INFORMATION).reciprocal().sum()
