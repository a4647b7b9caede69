"""A student's steps as they are computed against the same written as single operations on logits of full size."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robustseg.build import build_model
from robustseg.distill import Objective, draw_permutation, objective
from robustseg.models import decoder, mit
from robustseg.models.upsampling import upsampled
from robustseg.recipe import Distill, Model, Schedule
from robustseg.training.batches import TrainingBatch
from robustseg.training.frozen import FrozenTeacher
from robustseg.training.optimiser import adamw
from robustseg.training.student import StudentStep

CLASSES, MODALITIES, SIZE = 5, 3, 64


def made_up_batch(step: int, samples: int) -> TrainingBatch:
    draw = torch.Generator().manual_seed(step)
    present = torch.ones(samples, MODALITIES, dtype=torch.bool)
    drawn = torch.rand(samples, MODALITIES, generator=draw) < 0.6
    drawn[:, step % MODALITIES] = True
    labels = torch.randint(0, CLASSES, (samples, SIZE // 8, SIZE // 8), generator=draw)
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels[:, :5] = 255
    images = torch.randn(samples, MODALITIES, 3, SIZE, SIZE, generator=draw)
    images += labels[:, None, None].clamp(max=CLASSES) / 2
    return TrainingBatch(
        images, labels, present, drawn[:, None], draw_permutation(drawn, present, draw), ("",) * samples
    )


def made_step(**model: object) -> StudentStep:
    recipe = Model(width=16, **model)
    teacher, student = (build_model(recipe, CLASSES, MODALITIES, seed=seed) for seed in (1, 2))
    draw = torch.Generator().manual_seed(3)
    for parameter in student.parameters():  # without biases a zero image has no finite gradient
        parameter.data.add_(0.02 * torch.randn(parameter.shape, generator=draw))
    step = StudentStep(student, FrozenTeacher(teacher), Objective(Distill(), CLASSES))
    return step.train()


def twenty_losses(step: StudentStep, samples: int, steps: int = 20) -> Tensor:
    optimizer = adamw(step.model, Schedule())
    rows = []
    for number in range(steps):
        torch.manual_seed(number)
        batch = made_up_batch(number, samples)
        losses = step(batch.images, batch, number).terms
        rows.append(torch.stack([value.detach() for value in losses.values()]))
        torch.stack([step.weights[name] * value for name, value in losses.items()]).sum().backward()
        nn.utils.clip_grad_norm_(step.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return torch.stack(rows)


def plain_cross_entropy(logits: Tensor, labels: Tensor, *, threshold: float, min_kept: float, class_weights: None):
    loss = F.cross_entropy(upsampled(logits, tuple(labels.shape[1:])), labels, ignore_index=255, reduction="none")
    hard = loss[loss > -math.log(threshold)]
    least = int(min_kept * int((labels != 255).sum()))
    return hard.mean() if len(hard) >= least else loss.flatten().topk(least).values.mean()


def plain_kl(*, student: Tensor, teacher: Tensor, size: tuple[int, int]) -> Tensor:
    own, other = (upsampled(x, size).log_softmax(1) for x in (student, teacher))
    return F.kl_div(own, other, reduction="sum", log_target=True) / own.numel()


@pytest.fixture(autouse=True)
def small_cache(monkeypatch):
    """Maps so small are computed in pieces as well."""
    monkeypatch.setattr(mit, "CACHED", 2**10)


@pytest.fixture
def plainly(monkeypatch):
    """Makes everything from here on go the plain way."""

    def change() -> None:
        monkeypatch.setattr(decoder, "learns_in_pieces", lambda x: False)
        monkeypatch.setattr(mit, "learns_in_pieces", lambda x: False)
        monkeypatch.setattr(objective, "ohem_cross_entropy", plain_cross_entropy)
        monkeypatch.setattr(objective, "logit_kl", plain_kl)

    return change


@pytest.mark.parametrize("samples", [1, 2])
def test_twenty_steps_lose_what_the_plain_ones_lose(samples, plainly):
    ours = twenty_losses(made_step(), samples)
    plainly()
    expected = twenty_losses(made_step(), samples)
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(ours[0], expected[0], rtol=1e-5, atol=1e-7)


def gradients(step: StudentStep) -> dict[str, Tensor]:
    torch.manual_seed(0)
    batch = made_up_batch(0, 2)
    step.objective.total(step(batch.images, batch, 0).terms).backward()
    return {name: p.grad for name, p in step.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("model", [{}, {"gradient_checkpointing": True}, {"absence": "zero"}])
def test_gradients_are_the_plain_ones(model, plainly):
    ours = gradients(made_step(**model))
    plainly()
    expected = gradients(made_step(**model))
    assert ours.keys() == expected.keys() == dict(made_step(**model).model.named_parameters()).keys()
    whole = torch.cat([value.flatten() for value in expected.values()]).norm()
    for name, value in expected.items():
        assert (ours[name] - value).norm() <= 1e-5 * value.norm() + 1e-7 * whole, name


def test_half_precision_learns():
    with torch.autocast("cpu", torch.bfloat16):
        rows = twenty_losses(made_step(), 2, steps=2)
    assert rows.dtype == torch.float32
    assert rows.isfinite().all()


def test_without_losses_that_need_a_teacher_none_is_asked_for():
    student, batch = made_step().model, made_up_batch(0, 2)
    step = StudentStep(student, None, Objective(Distill(logit_kl=0, hpdm=0, rrm=0), CLASSES))
    assert set(step(batch.images, batch, 0).terms) == {"cross_entropy"}
    with pytest.raises(ValueError, match="and no teacher"):
        StudentStep(student, None, Objective(Distill(logit_kl=0, hpdm=0), CLASSES))
