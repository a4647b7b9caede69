"""Distillation of predictions."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from robustseg.distill.inputs import full_precision, without_autocast
from robustseg.distill.strips import Strips, with_gradient


def logit_kl(
    *,
    student: Float[Tensor, "B K h w"],
    teacher: Float[Tensor, "B K h w"],
    size: tuple[int, int] | None = None,
) -> Float[Tensor, ""]:
    """KL(teacher || student) of the class distributions, in nats, divided by B*K*H*W.

    Every pixel counts, those with an ignored label included. Dividing by K as well is the released code's
    convention: for 25 classes, its weight of 50 is about 2 x the mean KL per pixel.

    Args:
        student: Before softmax.
        teacher: Before softmax; detached here.
        size: H and W, to which both are upsampled bilinearly first; None = theirs.

    Raises:
        ValueError: The shapes differ.
    """
    if student.shape != teacher.shape:
        raise ValueError(f"student and teacher logits differ: {tuple(student.shape)} and {tuple(teacher.shape)}")
    size = size or (student.shape[2], student.shape[3])
    count = max(student[:, :, 0, 0].numel() * size[0] * size[1], 1)
    with without_autocast(student), torch.no_grad():
        own, other = full_precision(student), full_precision(teacher)
        value, gradient = own.new_zeros(()), torch.zeros_like(own, memory_format=torch.contiguous_format)
        strips = Strips(own, size)
        for rows in strips:
            log_student, log_teacher = strips.up(own, rows).log_softmax(1), strips.up(other, rows).log_softmax(1)
            probability = log_teacher.exp()
            value += torch.dot(probability.flatten(), log_teacher.sub_(log_student).flatten())
            strips.add_down(gradient, log_student.exp_().sub_(probability), rows)
    return with_gradient(value / count, student, gradient / count)
