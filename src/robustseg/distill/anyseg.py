"""AnySeg-style feature distillation: UMD within a modality, CMD between modalities (arXiv 2411.17141).

AnySeg minimises cross-entropy + 50 logit KL + 5 UMD + 10 CMD. What is known of the two terms leaves some choices open;
those below are ours.

Shapes: B batch, M modalities, N pairs of slots, P pairs of modalities, C channels of a stage, h w its size.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from robustseg.distill.inputs import (
    Maps,
    Pairs,
    check_maps,
    live_pairs,
    mean_by_sample,
    paired_rows,
    without_autocast,
)


def unimodal(
    *,
    student: Maps,
    teacher: Maps,
    present: Bool[Tensor, "B M"],
    teacher_present: Bool[Tensor, "B M"] | None = None,
) -> Float[Tensor, ""]:
    """UMD: at every stage, KL(teacher || student) of the same modality's features.

    Softmax runs over the image height, and the KL is divided by C*h*w, both as in the released code. Ours: a sample's
    mean over its live modalities, then over all samples; summed over stages.

    Args:
        student: Maps of the student; absent slots may hold anything, NaN too.
        teacher: Maps of the teacher, detached here.
        present: The student's modalities.
        teacher_present: The teacher's modalities; None = all. A modality that it lacks contributes 0.

    Raises:
        ValueError: Shapes do not fit.
    """
    check_maps(student, teacher, present, teacher_present)
    pairs = live_pairs(present, teacher_present)
    with without_autocast(student[0]):
        stages = [
            pairs.mean(_column_kl(*paired_rows(own, other, pairs))) for own, other in zip(student, teacher, strict=True)
        ]
        return torch.stack(stages).sum()


def _column_kl(student: Float[Tensor, "N h w C"], teacher: Float[Tensor, "N h w C"]) -> Float[Tensor, " N"]:
    log_student, log_teacher = student.log_softmax(1), teacher.log_softmax(1)
    return (log_teacher.exp() * (log_teacher - log_student)).mean((1, 2, 3))


def crossmodal(
    *,
    student: Maps,
    teacher: Maps,
    present: Bool[Tensor, "B M"],
    teacher_present: Bool[Tensor, "B M"] | None = None,
) -> Float[Tensor, ""]:
    """CMD: at every stage, how alike two modalities are to the student, against how alike they are to the teacher.

    The squared difference of the two cosine similarities, as in the released code; the printed form is a KL of them,
    which has no value where a cosine is negative. Ours: the cosine is of whole maps; a sample's mean over its pairs of
    different live modalities (0 if it has no two), then over all samples; summed over stages.

    Arguments and errors are those of `unimodal`.
    """
    check_maps(student, teacher, present, teacher_present)
    pairs = live_pairs(present, teacher_present)
    first, second = _two_of_a_sample(pairs)
    with without_autocast(student[0]):
        stages = []
        for own, other in zip(student, teacher, strict=True):
            rows = paired_rows(own, other, pairs)
            gap = torch.sub(*(_cosines(maps)[first, second] for maps in rows))  # P
            stages.append(mean_by_sample(gap.square(), pairs.sample[first], pairs.samples))
        return torch.stack(stages).sum()


def _two_of_a_sample(pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Every two different rows of one sample, once each."""
    first, second = (pairs.sample[:, None] == pairs.sample).triu(diagonal=1).nonzero().unbind(1)
    return first, second


def _cosines(rows: Float[Tensor, "N h w C"]) -> Float[Tensor, "N N"]:
    """Of all rows, other samples' too: one matrix product costs less than sorting out the few that are needed."""
    flat = F.normalize(rows.flatten(1), dim=1)
    return flat @ flat.T
