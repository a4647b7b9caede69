from itertools import combinations

import pytest
import torch
from jaxtyping import TypeCheckError

from robustseg.distill import crossmodal, unimodal


def naive_unimodal(case) -> float:
    total = 0.0
    for own, other in zip(case.student, case.teacher, strict=True):
        for n in range(len(own)):
            values = []
            for m in torch.nonzero(case.present[n] & case.teacher_present[n]).flatten().tolist():
                columns = []
                for channel in range(own.shape[2]):
                    for column in range(own.shape[4]):
                        q, p = (maps[n, m, channel, :, column].softmax(0) for maps in (own, other))
                        columns.append((p * (p / q).log()).mean().item())
                values.append(sum(columns) / len(columns))
            total += sum(values) / max(len(values), 1)
    return total / len(case.present)


def naive_crossmodal(case) -> float:
    def cosine(maps, n, a, b) -> float:
        one, two = maps[n, a].flatten(), maps[n, b].flatten()
        return (one @ two / one.norm() / two.norm()).item()

    total = 0.0
    for own, other in zip(case.student, case.teacher, strict=True):
        for n in range(len(own)):
            live = torch.nonzero(case.present[n] & case.teacher_present[n]).flatten().tolist()
            gaps = [(cosine(own, n, a, b) - cosine(other, n, a, b)) ** 2 for a, b in combinations(live, 2)]
            total += sum(gaps) / max(len(gaps), 1)
    return total / len(case.present)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("loss", "naive"), [(unimodal, naive_unimodal), (crossmodal, naive_crossmodal)])
def test_equals_a_loop(make_case, seed, loss, naive):
    case = make_case(seed)
    assert loss(**case.maps()).item() == pytest.approx(naive(case), rel=1e-10)
    case.present.fill_(True)
    case.teacher_present.fill_(True)
    for maps in (*case.student, *case.teacher):
        maps.detach().nan_to_num_(0.5)
    assert loss(**case.maps()).item() == pytest.approx(naive(case), rel=1e-10)


@pytest.mark.parametrize("loss", [unimodal, crossmodal])
def test_zero_where_features_agree(case, loss):
    agree = {**case.maps(), "teacher": case.student, "teacher_present": None}
    assert loss(**agree).item() == 0
    moved = [maps.detach() + torch.linspace(0, 1, maps[0].numel()).view_as(maps[0]) for maps in case.student]
    assert loss(**{**agree, "student": moved}).item() > 0


@pytest.mark.parametrize("loss", [unimodal, crossmodal])
def test_gradient_is_right_and_reaches_compared_student_slots_only(make_case, loss):
    case = make_case(1)
    loss(**case.maps()).backward()
    pair = case.present & case.teacher_present
    compared = pair if loss is unimodal else pair & (pair.sum(1) > 1)[:, None]
    for own, other in zip(case.student, case.teacher, strict=True):
        assert other.grad is None
        assert (own.grad[~compared] == 0).all()
        assert (own.grad[compared].flatten(1).norm(dim=1) > 0).all()
    live = [own.detach().nan_to_num(0).requires_grad_() for own in case.student]
    assert torch.autograd.gradcheck(lambda *maps: loss(**{**case.maps(), "student": maps}), live, fast_mode=True)


@pytest.mark.parametrize("loss", [unimodal, crossmodal])
@pytest.mark.parametrize("empty", ["student", "teacher"])
def test_nothing_to_compare_is_a_differentiable_zero(case, loss, empty):
    (case.present if empty == "student" else case.teacher_present).fill_(False)
    value = loss(**case.maps())
    value.backward()
    assert value.item() == 0
    assert all((stage.grad == 0).all() for stage in case.student)


@pytest.mark.parametrize("loss", [unimodal, crossmodal])
def test_float32_under_autocast(make_case, loss):
    case = make_case(0, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(**case.maps())
    torch.testing.assert_close(value, loss(**case.maps()), rtol=0, atol=0)
    half = {k: [m.bfloat16() for m in v] if isinstance(v, list) else v for k, v in case.maps().items()}
    assert loss(**half).dtype == torch.float32


@pytest.mark.parametrize("loss", [unimodal, crossmodal])
def test_wrong_arguments(case, loss):
    words = "student and teacher need maps of the same shapes|[Tt]ype-check"
    with pytest.raises((ValueError, TypeCheckError), match=words):
        loss(**{**case.maps(), "teacher": case.teacher[:1]})
