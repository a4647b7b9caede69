import math

import pytest
import torch
from jaxtyping import TypeCheckError
from torch.nn import functional as F

from robustseg.distill import logit_kl


def random_logits(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    student, teacher = (3 * torch.randn(2, 4, 2, 3, generator=draw, dtype=torch.float64) for _ in range(2))
    return student.requires_grad_(), teacher.requires_grad_()


def naive(student: torch.Tensor, teacher: torch.Tensor) -> float:
    total = 0.0
    for n in range(2):
        for row in range(2):
            for column in range(3):
                p, q = ([math.exp(v) for v in x[n, :, row, column].tolist()] for x in (teacher, student))
                total += sum(a / sum(p) * math.log((a / sum(p)) / (b / sum(q))) for a, b in zip(p, q, strict=True))
    return total / student.numel()


@pytest.mark.parametrize("seed", range(5))
def test_equals_a_naive_loop(seed):
    student, teacher = random_logits(seed)
    assert logit_kl(student=student, teacher=teacher).item() == pytest.approx(naive(student, teacher), rel=1e-12)


def test_equals_the_released_loss(reference, reference_logits):
    student, teacher, _ = reference_logits
    expected = pytest.approx(float(reference["logit_kl_mean"]), rel=1e-6)
    assert logit_kl(student=student, teacher=teacher).item() == expected


def test_gradient_reaches_the_student_only():
    student, teacher = random_logits(0)
    assert torch.autograd.gradcheck(lambda x: logit_kl(student=x, teacher=teacher), student)
    logit_kl(student=student, teacher=teacher).backward()
    assert student.grad is not None
    assert teacher.grad is None


def test_equal_logits_give_zero():
    student, _ = random_logits(0)
    assert logit_kl(student=student, teacher=student + 5).item() == pytest.approx(0, abs=1e-12)


def test_float32_under_autocast():
    student, teacher = random_logits(0)
    with torch.autocast("cpu", torch.bfloat16):
        assert logit_kl(student=student.bfloat16(), teacher=teacher.bfloat16()).dtype == torch.float32


def test_shapes_must_agree():
    student, teacher = random_logits(0)
    with pytest.raises((ValueError, TypeCheckError)):
        logit_kl(student=student, teacher=teacher[:, :3])


def test_coarse_logits_are_upsampled_first():
    student, teacher = random_logits(0)
    whole = [F.interpolate(x, size=(9, 12), mode="bilinear", align_corners=False) for x in (student, teacher.detach())]
    expected = logit_kl(student=whole[0], teacher=whole[1])
    loss = logit_kl(student=student, teacher=teacher, size=(9, 12))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    assert torch.autograd.gradcheck(lambda x: logit_kl(student=x, teacher=teacher, size=(9, 12)), student)
