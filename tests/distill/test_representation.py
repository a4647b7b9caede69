import math
from itertools import product

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor

from robustseg.distill import rrm
from robustseg.distill.representation import VARIANCE_FLOOR


def naive_ours(case) -> float:
    """The entropy, minimised over the student's noise by a search instead of the closed form."""
    total, batch, stages = 0.0, len(case.present), len(case.student)
    for n, stage in product(range(batch), range(stages)):
        values = []
        for m in torch.nonzero(case.present[n] & case.teacher_present[n]).flatten().tolist():
            x, y = (maps[stage][n, m].detach().flatten(1).T for maps in (case.student, case.teacher))  # pixels C
            pixels = [least_gaussian_kl(a, b) for a, b in zip(x, y, strict=True)]
            values.append(sum(pixels) / len(pixels))
        total += sum(values) / (max(len(values), 1) * stages)
    return total / batch


def least_gaussian_kl(x: Tensor, y: Tensor) -> float:
    """Min over s of KL(N(y, t^2 I) || N(x, s^2 I)) / C."""
    t2 = y.var(unbiased=False) + VARIANCE_FLOOR
    s2 = t2 * torch.linspace(0, 5, 20_001, dtype=torch.float64).exp()
    return ((t2 + (x - y).square().mean()) / s2 - 1 - (t2 / s2).log()).div(2).min().item()


def naive_released(case, noise) -> float:
    """As released: automatic differentiation with respect to the softmax outputs."""
    total = 0.0
    for n, stage in product(range(len(case.present)), range(len(case.student))):
        for m in torch.nonzero(case.present[n]).flatten().tolist():
            noisy = []
            for maps in (case.student, case.teacher):
                rows = maps[stage][n, m].detach()[:, None].expand(-1, 10, -1, -1).flatten(0, 1)
                noisy.append(rows + noise(tuple(rows.shape)) * rows.std(0))
            if not case.teacher_present[n, m]:
                continue
            log_s = noisy[0].log_softmax(1).requires_grad_()
            t = noisy[1].softmax(1).requires_grad_()
            divergence = torch.nn.functional.kl_div(log_s, t, reduction="sum") / t.numel()
            slopes = torch.autograd.grad(divergence, (log_s, t))
            information = [slope.square().sum(1).mean() / divergence for slope in slopes]
            total += math.sqrt(sum(1 / value.item() ** 2 for value in information))
    return total / len(case.present)


def seeded_noise(seed: int):
    draw = torch.Generator().manual_seed(seed)
    return lambda shape: torch.randn(shape, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(3))
def test_our_form_equals_the_least_divergence(make_case, seed):
    case = make_case(seed)
    assert rrm(**case.maps()).item() == pytest.approx(naive_ours(case), rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_released_form_equals_automatic_differentiation(make_case, seed):
    case = make_case(seed)
    loss = rrm(**case.maps(), form="released", noise=seeded_noise(seed))
    assert loss.item() == pytest.approx(naive_released(case, seeded_noise(seed)), rel=1e-10)


def test_released_form_equals_the_released_loss(reference, released, released_noise):
    loss = rrm(**released.maps(), form="released", noise=released_noise)
    assert loss.item() == pytest.approx(float(reference["rrm_released_lambda1"]), rel=1e-5)
    loss.backward()
    norms = [maps.grad[n].norm().item() for n in range(2) for maps in released.student]
    assert norms == pytest.approx(reference["rrm_released_grad_norms"].tolist(), rel=1e-5)


def test_released_form_draws_in_order(case):
    shapes = []

    def noise(shape: tuple[int, int, int]) -> Tensor:
        shapes.append(shape)
        return torch.zeros(shape)

    rrm(**case.maps(), form="released", noise=noise)
    live = [3, 1, 2]  # present slots per sample; the teacher's absence changes no draw
    expected = [shape for count in live for shape in ((50, 4, 6), (40, 2, 3)) for _ in range(2 * count)]
    assert shapes == expected


def test_released_form_is_a_function_of_the_generator(case):
    first, second, other = (
        rrm(**case.maps(), form="released", generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("form", ["ours", "released"])
def test_gradient_is_right_and_reaches_live_student_slots_only(make_case, form):
    case = make_case(1)

    def loss(*maps: Tensor) -> Tensor:
        return rrm(**{**case.maps(), "student": maps}, form=form, noise=seeded_noise(0)) / (
            1 if form == "ours" else 1e6
        )

    loss(*case.student).backward()
    pair = case.present & case.teacher_present
    for own, other in zip(case.student, case.teacher, strict=True):
        assert other.grad is None
        assert (own.grad[~pair] == 0).all()
        assert (own.grad[pair].flatten(1).norm(dim=1) > 0).all()
    live = [own.detach().nan_to_num(0).requires_grad_() for own in case.student]
    assert torch.autograd.gradcheck(loss, live, fast_mode=True)


@pytest.mark.parametrize("form", ["ours", "released"])
@pytest.mark.parametrize("empty", ["student", "teacher"])
def test_nothing_to_compare_is_a_differentiable_zero(case, form, empty):
    (case.present if empty == "student" else case.teacher_present).fill_(False)
    maps = case.maps()
    if empty == "teacher":
        maps["teacher"] = [torch.full_like(stage, torch.nan) for stage in case.teacher]
    loss = rrm(**maps, form=form, noise=seeded_noise(0))
    loss.backward()
    assert loss.item() == 0
    assert all((stage.grad == 0).all() for stage in case.student)


def test_our_form_is_zero_only_where_features_agree(case):
    agree = {**case.maps(), "teacher": case.student, "teacher_present": None}
    assert rrm(**agree).item() == 0
    moved = [maps.detach() + 0.1 for maps in case.student]
    assert rrm(**{**agree, "student": moved}).item() > 0


def test_our_form_has_a_bounded_gradient():
    draw = torch.Generator().manual_seed(0)
    teacher = torch.randn(1, 1, 6, 1, 1, generator=draw, dtype=torch.float64)
    bound = 1 / (2 * (teacher.var(unbiased=False) + VARIANCE_FLOOR).sqrt() * math.sqrt(6))
    for distance in torch.logspace(-3, 4, 50).tolist():
        student = (teacher + distance * torch.randn(6, 1, 1, generator=draw, dtype=torch.float64)).requires_grad_()
        rrm(student=[student], teacher=[teacher], present=torch.ones(1, 1, dtype=torch.bool)).backward()
        assert student.grad.norm() <= bound


def test_our_form_does_not_depend_on_size_or_modalities():
    def size(modalities: int, side: int) -> float:
        draw = torch.Generator().manual_seed(side)
        student, teacher = ([torch.randn(1, modalities, 8, side, side, generator=draw)] for _ in range(2))
        return rrm(student=student, teacher=teacher, present=torch.ones(1, modalities, dtype=torch.bool)).item()

    assert [size(2, 64), size(4, 32), size(4, 128)] == pytest.approx([size(4, 64)] * 3, rel=0.02)


@pytest.mark.parametrize("form", ["ours", "released"])
def test_float32_under_autocast(make_case, form):
    case = make_case(0, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        loss = rrm(**case.maps(), form=form, noise=seeded_noise(0))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, rrm(**case.maps(), form=form, noise=seeded_noise(0)), rtol=0, atol=0)
    half = {k: [m.bfloat16() for m in v] if isinstance(v, list) else v for k, v in case.maps().items()}
    assert rrm(**half, form=form, noise=seeded_noise(0)).dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"form": "paper"}, "'ours' or 'released', got 'paper'"),
        ({"form": "released"}, "give noise= or generator="),
        ({"teacher_present": torch.ones(3, 2, dtype=torch.bool)}, "teacher_present must be bool"),
    ],
)
def test_wrong_arguments(case, change, words):
    with pytest.raises((ValueError, TypeCheckError), match=f"{words}|[Tt]ype-check"):
        rrm(**{**case.maps(), **change})
