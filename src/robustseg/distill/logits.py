"""Distillation of predictions."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from robustseg.distill.inputs import full_precision, without_autocast


def logit_kl(*, student: Float[Tensor, "B K H W"], teacher: Float[Tensor, "B K H W"]) -> Float[Tensor, ""]:
    """KL(teacher || student) of the class distributions, in nats, divided by B*K*H*W.

    Every pixel counts, those with an ignored label included. Dividing by K as well is the released code's
    convention: for 25 classes, its weight of 50 is about 2 x the mean KL per pixel.

    Raises:
        ValueError: The shapes differ.
    """
    if student.shape != teacher.shape:
        raise ValueError(f"student and teacher logits differ: {tuple(student.shape)} and {tuple(teacher.shape)}")
    with without_autocast(student):
        log_student = full_precision(student).log_softmax(1)
        log_teacher = full_precision(teacher.detach()).log_softmax(1)
        return F.kl_div(log_student, log_teacher, reduction="sum", log_target=True) / max(student.numel(), 1)
