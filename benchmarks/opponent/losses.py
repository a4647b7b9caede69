"""The losses of the released "drop" script, in loops over samples, stages, modalities and classes.

Shapes: B batch, N live modalities of a sample, C channels of a stage, K classes, h w its size, H W image size,
R = 10*C rows of noisy copies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from opponent.network import Places, Prediction

IGNORE = 255
COPIES = 10
WEIGHTS = {"cross_entropy": 1.0, "logit_kl": 50.0, "hpdm": 100.0, "rrm": 12e-5}

Maps = Sequence[Sequence[Float[Tensor, "N _C _h _w"]]]
"""For each sample its four maps, a row per live modality."""

Noise = Callable[[tuple[int, int, int]], Tensor]


def released_losses(
    student: Prediction, teacher: Prediction, labels: Int64[Tensor, "B H W"], places: Places, noise: Noise
) -> dict[str, Float[Tensor, ""]]:
    """All four, unweighted. The teacher has every modality, in order."""
    taught_by = [[stage[list(live)] for stage in maps] for maps, live in zip(teacher.maps, places, strict=True)]
    num_classes = student.logits.shape[1]
    return {
        "cross_entropy": ohem_cross_entropy(student.logits, labels),
        "logit_kl": logit_kl(student.logits, teacher.logits),
        "hpdm": prototype_distillation(student.maps, taught_by, labels, num_classes),
        "rrm": functional_entropy(student.maps, taught_by, noise),
    }


def ohem_cross_entropy(
    logits: Float[Tensor, "B K H W"], labels: Int64[Tensor, "B H W"], threshold: float = 0.7
) -> Float[Tensor, ""]:
    """Over pixels whose true class has a probability below `threshold`, at least 1/16 of the valid ones."""
    least = int((labels != IGNORE).sum()) // 16
    loss = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none").view(-1)
    hard = loss[loss > -math.log(threshold)]
    if hard.numel() < least:
        hard, _ = loss.topk(least)
    return hard.mean()


def logit_kl(student: Float[Tensor, "B K H W"], teacher: Float[Tensor, "B K H W"]) -> Float[Tensor, ""]:
    """KL(teacher || student) over pixels and classes, divided by all of them."""
    return mean_kl(F.log_softmax(student, dim=1), F.softmax(teacher, dim=1))


def mean_kl(log_student: Float[Tensor, "*shape"], teacher: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """KL divergence divided by the number of values, as `kl_div` with reduction "mean", which warns."""
    return F.kl_div(log_student, teacher, reduction="sum") / teacher.numel()


def prototype_distillation(
    student: Maps, teacher: Maps, labels: Int64[Tensor, "B H W"], num_classes: int
) -> Float[Tensor, ""]:
    """HPDM between the same modalities, summed over stages and modalities, divided by the batch size."""
    total = labels.new_zeros((), dtype=torch.float32)
    for own, other, mask in zip(student, teacher, labels, strict=True):
        for own_stage, other_stage in zip(own, other, strict=True):
            small = F.interpolate(mask[None, None].float(), size=own_stage.shape[-2:], mode="nearest")[0, 0].long()
            for own_map, other_map in zip(own_stage, other_stage, strict=True):
                one = F.log_softmax(prototypes(own_map, small, num_classes), dim=0)
                two = F.softmax(prototypes(other_map, small, num_classes), dim=0)
                total = total + mean_kl(one, two).clamp(min=0)
    return total / len(labels)


def prototypes(
    features: Float[Tensor, "C h w"], labels: Int64[Tensor, "h w"], num_classes: int
) -> Float[Tensor, "K C"]:
    """Each class's mean feature, divided by its pixel count once more; 0 for a class without a pixel."""
    found = []
    for place in range(num_classes):
        mask = (labels == place).float()
        count = mask.sum()
        if count > 0:
            found.append((features * mask).sum(dim=(1, 2)) / count / count)
        else:
            found.append(features.new_zeros(len(features)))
    return torch.stack(found)


def functional_entropy(student: Maps, teacher: Maps, noise: Noise) -> Float[Tensor, ""]:
    """RRM: the inverse information of every noisy pair, summed over stages and modalities, averaged over samples."""
    terms = []
    for own, other in zip(student, teacher, strict=True):
        for own_stage, other_stage in zip(own, other, strict=True):
            for own_map, other_map in zip(own_stage, other_stage, strict=True):
                first, second = noisy_copies(own_map, noise), noisy_copies(other_map, noise)
                terms.append(inverse_information(first, second))
    return torch.stack(terms).sum() / len(student)


def noisy_copies(features: Float[Tensor, "C h w"], noise: Noise) -> Float[Tensor, "R h w"]:
    """Ten copies of each channel; the noise has each pixel's standard deviation over all copies."""
    copies = features.repeat_interleave(COPIES, dim=0)
    rows, height, width = copies.shape
    return copies + noise((rows, height, width)) * copies.std(dim=0)


def inverse_information(student: Float[Tensor, "R h w"], teacher: Float[Tensor, "R h w"]) -> Float[Tensor, ""]:
    """sqrt(1 / I_s^2 + 1 / I_t^2), I being the mean squared norm of the divergence's gradient over the divergence.

    The gradients are by the outcomes of both softmaxes, which run over the image height, and are part of the graph.
    """
    log_student = F.log_softmax(student, dim=1)
    probability = F.softmax(teacher, dim=1).requires_grad_()
    divergence = mean_kl(log_student, probability).clamp(min=0)
    gradients = torch.autograd.grad(divergence, [log_student, probability], create_graph=True)
    inverse = [divergence / gradient.norm(dim=1).square().mean() for gradient in gradients]
    return (inverse[0].square() + inverse[1].square()).sqrt()
