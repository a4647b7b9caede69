"""Predicting what an absent modality would have looked like: a task of training only.

Shapes: B batch, M modalities, N absent slots, C channels of a stage, h w its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from robustseg.distill.inputs import (
    Maps,
    flat_rows,
    full_precision,
    live_pairs,
    without_autocast,
)

STAGES = 2
"""So many of the last stages are predicted: deep maps say what is there, shallow ones how it looks."""


class Predictors(nn.Module):
    """A 1x1 convolution for every modality and each of the last stages: fused map -> the teacher's map of it.

    It is trained with the student and left behind when training ends.

    Args:
        widths: Channels of every stage, the student's and the teacher's.
        num_modalities: M.
        generator: Of the starting weights.
    """

    def __init__(self, widths: Sequence[int], num_modalities: int, generator: torch.Generator) -> None:
        super().__init__()
        self.num_modalities = num_modalities
        self.layers = nn.ModuleList(nn.Linear(width, num_modalities * width) for width in widths[-STAGES:])
        for layer in self.layers:
            nn.init.trunc_normal_(cast(nn.Linear, layer).weight, std=0.02, generator=generator)
            nn.init.zeros_(cast(nn.Linear, layer).bias)

    def forward(
        self,
        fused: Sequence[Float[Tensor, "B _C _h _w"]],
        sample: Int64[Tensor, " N"],
        modality: Int64[Tensor, " N"],
    ) -> list[Float[Tensor, "N _h _w _C"]]:
        """The map of `modality` as the fused maps of `sample` suggest it, for each of the last stages."""
        return [
            _one_of_many(cast(nn.Linear, layer), stage.permute(0, 2, 3, 1)[sample], modality)
            for layer, stage in zip(self.layers, fused[-STAGES:], strict=True)
        ]


def _one_of_many(
    layer: nn.Linear, rows: Float[Tensor, "N h w C"], modality: Int64[Tensor, " N"]
) -> Float[Tensor, "N h w C"]:
    """The outputs that belong to each row's modality."""
    weight = layer.weight.unflatten(0, (-1, layer.in_features))[modality]  # N C C
    bias = layer.bias.unflatten(0, (-1, layer.in_features))[modality]  # N C
    return (rows.flatten(1, 2) @ weight.mT + bias[:, None]).unflatten(1, rows.shape[1:3])


def prediction(
    predictors: Predictors,
    *,
    fused: Sequence[Float[Tensor, "B _C _h _w"]],
    teacher: Maps,
    present: Bool[Tensor, "B M"],
    teacher_present: Bool[Tensor, "B M"],
) -> Float[Tensor, ""]:
    """How badly the student's fused maps tell what the teacher saw through the sensors that the student lacks.

    1 - cosine of the predicted and the teacher's feature at each pixel, averaged over the pixels, a sample's lacking
    modalities (0 if it lacks none), all samples and the last two stages. Ours; the idea is FuseAdapt's.

    Args:
        predictors: Trained along.
        fused: The student's fused maps of every stage, of the modalities in `present`.
        teacher: Unfused maps of every stage; absent slots may hold anything. Detached here.
        present: The student's modalities.
        teacher_present: The teacher's.
    """
    lacking = live_pairs(teacher_present & ~present)
    modality = lacking.student % present.shape[1]
    with without_autocast(fused[0]):
        predicted = predictors([full_precision(stage) for stage in fused], lacking.sample, modality)
        stages = []
        for own, other in zip(predicted, teacher[-STAGES:], strict=True):
            target = full_precision(flat_rows(other.detach()).index_select(0, lacking.teacher))  # N h w C
            stages.append(lacking.mean((1 - F.cosine_similarity(own, target, dim=-1)).mean((1, 2))))
        return torch.stack(stages).mean()
