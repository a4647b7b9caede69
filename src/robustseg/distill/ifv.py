"""IFV-style distillation: how far a pixel's feature is from the centre of its class, in student and teacher.

Shapes: B batch, M modalities, N pairs of slots, C channels of a stage, K classes, h w a stage's size, H W image size.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from robustseg.distill.inputs import (
    Maps,
    Pairs,
    check_labels,
    check_maps,
    flat_rows,
    live_pairs,
    paired_rows,
    without_autocast,
)
from robustseg.distill.prototypes import class_sums, known_kl, nearest, one_hot_labels
from robustseg.distill.similarity import dominant, similarity
from robustseg.labels import IGNORE
from robustseg.recipe import Taught

TEMPERATURE = 2.0
"""Cosines are divided by it before the softmax, as in the released code; the KL is multiplied by its square."""


def ifv(
    *,
    student: Maps,
    teacher: Maps,
    labels: Int64[Tensor, "B H W"],
    num_classes: int,
    present: Bool[Tensor, "B M"],
    teacher_present: Bool[Tensor, "B M"] | None = None,
    of: Taught = "dominant",
) -> Float[Tensor, ""]:
    r"""KL between the maps of intra-class feature variation of student and teacher.

    With p_c the mean feature of class c and f a modality's feature map (the RobustSeg paper's CVPR 2026 version):

        CFM = sum_c p_c 1[label = c]     M = cosine(CFM, f) per pixel
        L = 1/N sum_n sum_stages sum over the dominant modalities KL(M_student, M_teacher)

    As in the released code softmax runs over the image width at temperature 2, and the KL's are summed over the rows of
    the map and multiplied by the temperature's square, 4. Ours, where nothing is known: KL(teacher || student); a
    modality is compared with itself; dominant are, stage by stage, the better half of the modalities that both
    have, by the teacher's features (see `robustseg.distill.similarity`); ignored pixels are outside the softmax.

    Args:
        student: Maps of the student; absent slots may hold anything, NaN too.
        teacher: Maps of the teacher, detached here.
        labels: Train ids; 255 is ignored.
        num_classes: K.
        present: The student's modalities.
        teacher_present: The teacher's modalities; None = all. A modality that it lacks contributes 0.
        of: Which modalities are taught: the "dominant" ones, the "others", or "all".

    Raises:
        ValueError: `of` is unknown, shapes do not fit or a label is no class.
    """
    check_maps(student, teacher, present, teacher_present)
    check_labels(labels, num_classes)
    if len(labels) != len(present):
        raise ValueError(f"labels have {len(labels)} samples, the maps {len(present)}")
    pairs = live_pairs(present, teacher_present)
    with without_autocast(student[0]):
        stages = []
        for own, other in zip(student, teacher, strict=True):
            taught = _taught(other, pairs, of)
            small = nearest(labels, (own.shape[-2], own.shape[-1]))[taught.sample]  # N h w
            variations = [variation(rows, small, num_classes) for rows in paired_rows(own, other, taught)]
            values = known_kl(small != IGNORE, 2, TEMPERATURE, first=variations[1], second=variations[0])
            stages.append(values.sum() / max(pairs.samples, 1))
        return torch.stack(stages).sum()


def _taught(teacher: Float[Tensor, "B M C h w"], pairs: Pairs, of: Taught) -> Pairs:
    match of:
        case "all":
            return pairs
        case "dominant" | "others":
            rows = flat_rows(teacher.detach()).index_select(0, pairs.teacher)
            better = dominant(similarity(rows, pairs.sample), pairs.sample)
            return pairs.only(better if of == "dominant" else ~better)
        case _:
            raise ValueError(f"of must be 'dominant', 'others' or 'all', got {of!r}")


def variation(
    rows: Float[Tensor, "N h w C"], labels: Int64[Tensor, "N h w"], num_classes: int
) -> Float[Tensor, "N h w"]:
    """Cosine of every pixel's feature with the mean feature of its class; anything where the label is ignored."""
    label = labels.clamp(max=num_classes - 1)
    one_hot = one_hot_labels(labels, num_classes, (labels.shape[1], labels.shape[2]))  # N K hw
    centres = F.normalize(class_sums(rows, one_hot), dim=-1)  # N K C; a sum points where the mean does
    cosines = F.normalize(rows, dim=-1).flatten(1, 2) @ centres.mT  # N hw K
    return cosines.gather(2, label.flatten(1)[..., None]).view_as(labels)
