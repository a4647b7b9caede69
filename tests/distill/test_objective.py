from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from robustseg.distill import (
    Objective,
    crossmodal,
    gradient_shares,
    hpdm,
    ifv,
    logit_kl,
    ohem_cross_entropy,
    rrm,
    unimodal,
)
from robustseg.recipe import Distill


@dataclass
class Prediction:
    logits: Tensor
    maps: list[Tensor]


@pytest.fixture
def arguments(case):
    draw = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(3, 6, 16, 24, generator=draw, dtype=torch.float64) for _ in range(2))
    return {
        "student": Prediction(student.requires_grad_(), case.student),
        "teacher": Prediction(teacher.requires_grad_(), case.teacher),
        "labels": case.labels,
        "present": case.present,
        "teacher_present": case.teacher_present,
        "permutation": case.permutation,
    }


def test_every_loss_as_alone(case, arguments):
    recipe = Distill(cross_entropy=1.0, logit_kl=50.0, hpdm=0.5, rrm=0.25, ohem_threshold=0.3, ohem_min_kept=0.5)
    objective = Objective(recipe, num_classes=6)
    losses = objective(**arguments)
    student, teacher = arguments["student"], arguments["teacher"]
    expected = {
        "cross_entropy": ohem_cross_entropy(student.logits, case.labels, threshold=0.3, min_kept=0.5),
        "logit_kl": logit_kl(student=student.logits, teacher=teacher.logits),
        "hpdm": hpdm(**case.all()),
        "rrm": rrm(**case.maps()),
    }
    assert losses.keys() == expected.keys()
    assert all(torch.equal(losses[name], expected[name]) for name in expected)
    assert objective.weights == {"cross_entropy": 1.0, "logit_kl": 50.0, "hpdm": 0.5, "rrm": 0.25}
    by_hand = sum(weight * losses[name].item() for name, weight in objective.weights.items())
    assert objective.total(losses).item() == pytest.approx(by_hand)


def test_gradient_reaches_the_student_only(case, arguments):
    objective = Objective(Distill(), num_classes=6)
    objective.total(objective(**arguments)).backward()
    assert arguments["student"].logits.grad is not None
    assert all(maps.grad is not None for maps in case.student)
    assert arguments["teacher"].logits.grad is None
    assert all(maps.grad is None for maps in case.teacher)


def test_terms_without_weight_are_not_computed(arguments):
    objective = Objective(Distill(logit_kl=0.0, hpdm=0.0, rrm=0.0), num_classes=6)
    without = {side: Prediction(arguments[side].logits, maps=[]) for side in ("student", "teacher")}  # nothing to read
    assert objective(**{**arguments, **without}).keys() == {"cross_entropy"} == objective.weights.keys()


def test_maps_are_spread_out_for_losses_that_compare_them_alone(case, arguments):
    recipe = Distill(hpdm=0.0, rrm=0.0, entropy_features=1.0, consistency=1.0, prediction=1.0)
    unread = Prediction(arguments["teacher"].logits, maps=[])
    losses = Objective(recipe, num_classes=6)(**{**arguments, "teacher": unread})
    assert losses.keys() == {"cross_entropy", "logit_kl", "entropy_features"}


def test_class_weights_are_the_cross_entropys(case, arguments):
    weights = torch.arange(6.0)
    plain, weighted = (Objective(Distill(), 6, given)(**arguments) for given in (None, weights))
    expected = ohem_cross_entropy(arguments["student"].logits, case.labels, class_weights=weights)
    assert torch.equal(weighted["cross_entropy"], expected)
    assert not torch.equal(weighted["cross_entropy"], plain["cross_entropy"])
    assert all(torch.equal(weighted[name], plain[name]) for name in ("logit_kl", "hpdm", "rrm"))


def test_released_forms_and_same_modality(case, arguments):
    recipe = Distill(hpdm_form="released", rrm_form="released", hybrid=False)
    losses = Objective(recipe, num_classes=6)(**arguments, generator=torch.Generator().manual_seed(7))
    same = {**case.all(), "permutation": None}
    assert torch.equal(losses["hpdm"], hpdm(**same, form="released"))
    noise = torch.Generator().manual_seed(7)
    assert torch.equal(losses["rrm"], rrm(**case.maps(), form="released", generator=noise))


def test_rivals_losses(case, arguments):
    recipe = Distill(logit_kl=0.0, hpdm=0.0, rrm=0.0, umd=5.0, cmd=10.0, ifv=12.0, ifv_of="others")
    losses = Objective(recipe, num_classes=6)(**arguments)
    expected = {
        "umd": unimodal(**case.maps()),
        "cmd": crossmodal(**case.maps()),
        "ifv": ifv(**case.maps(), labels=case.labels, num_classes=6, of="others"),
    }
    assert losses.keys() == {"cross_entropy", *expected}
    assert all(torch.equal(losses[name], expected[name]) for name in expected)


def test_shares_of_the_gradient():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    unused = torch.zeros(3, requires_grad=True)
    losses = {"a": x[0] * 3, "b": x[1] * 2, "constant": torch.tensor(1.0)}
    shares = gradient_shares(losses, {"a": 1.0, "b": 4.5, "constant": 1.0}, [x, unused])
    assert shares == pytest.approx({"a": 0.25, "b": 0.75, "constant": 0.0})
    sum(losses.values()).backward()  # the graph is still there
    assert gradient_shares({"constant": torch.tensor(1.0)}, {"constant": 1.0}, [x]) == {"constant": 0.0}


@pytest.mark.parametrize("weights", [{"rrm": -1.0}, {"hpdm": float("nan")}])
def test_negative_weights(weights):
    with pytest.raises(ValueError, match=next(iter(weights))):
        Objective(Distill(**weights), num_classes=6)


@pytest.mark.parametrize("weights", [{}, {"logit_kl": 0.0, "hpdm": 0.0, "rrm": 0.0, "prediction": 1.0}])
def test_no_teacher_for_losses_that_need_one(arguments, weights):
    with pytest.raises(ValueError, match="there is no teacher"):
        Objective(Distill(**weights), num_classes=6)(**arguments | {"teacher": None})


def test_no_weight_at_all():
    with pytest.raises(ValueError, match="every loss has weight 0"):
        Objective(Distill(cross_entropy=0.0, logit_kl=0.0, hpdm=0.0, rrm=0.0), num_classes=6)


def test_several_answers_to_a_sample_are_averaged(case, arguments):
    own = torch.randn(2 * 3, 6, 16, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    own[3:] *= 8  # surer and more often wrong: it must not take the place of the other's hard pixels
    objective = Objective(Distill(), num_classes=6)
    target = arguments["teacher"].logits.repeat(2, 1, 1, 1)
    losses = objective(**arguments | {"student": Prediction(own, case.student), "target": target})
    halves = [objective(**arguments | {"student": Prediction(half, case.student)}) for half in own.split(3)]
    for name in ("cross_entropy", "logit_kl"):
        assert losses[name].item() == pytest.approx(sum(half[name].item() for half in halves) / 2)
    for name in ("hpdm", "rrm"):  # of maps, which all answers share
        assert losses[name].item() == pytest.approx(halves[0][name].item())
