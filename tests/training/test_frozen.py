import torch
from torch import nn

from robustseg.build import build_model
from robustseg.distill.objective import Objective
from robustseg.recipe import Distill, Model
from robustseg.training.frozen import FrozenTeacher
from robustseg.training.student import StudentStep


def test_a_frozen_teacher_stays_one():
    teacher_model, student = (
        build_model(Model(width=16, dropout=0.5), num_classes=3, num_modalities=2, seed=seed) for seed in (0, 1)
    )
    step = StudentStep(student, FrozenTeacher(teacher_model), Objective(Distill(), 3))
    step.train()
    assert student.training
    assert not teacher_model.training
    assert not any(p.requires_grad for p in teacher_model.parameters())
    owned = {id(p) for p in step.parameters()}
    assert not owned & {id(p) for p in teacher_model.parameters()}
    assert len(step.state_dict()) == len(student.state_dict())


def test_the_teacher_answers_without_graph_and_without_dropout():
    model = build_model(Model(width=16, dropout=0.5), num_classes=3, num_modalities=2, seed=0)
    teacher = FrozenTeacher(model)
    images, present = torch.zeros(1, 2, 3, 32, 32), torch.ones(1, 2, dtype=torch.bool)
    one, two = teacher(images, present), teacher(images, present)
    assert torch.equal(one.logits, two.logits)
    assert one.logits.grad_fn is None
    assert isinstance(model, nn.Module)
