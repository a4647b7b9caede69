import pytest
import torch
from jaxtyping import TypeCheckError
from torch.nn import functional as F

from robustseg.distill import ifv
from robustseg.distill.prototypes import nearest
from robustseg.distill.similarity import dominant, similarity


def arguments(case) -> dict[str, object]:
    return {**case.maps(), "labels": case.labels, "num_classes": case.num_classes}


def naive_variation(features, labels):
    """Cosine of each pixel's feature with the mean of its class, by pixel."""
    out = torch.zeros_like(features[0])
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            if labels[y, x] != 255:
                centre = features[:, labels == labels[y, x]].mean(1)
                out[y, x] = F.cosine_similarity(centre, features[:, y, x], dim=0)
    return out


def naive_ifv(case, of: str) -> float:
    total = 0.0
    for own, other in zip(case.student, case.teacher, strict=True):
        labels = nearest(case.labels, tuple(own.shape[-2:]))
        for n in range(len(own)):
            live = torch.nonzero(case.present[n] & case.teacher_present[n]).flatten()
            taught_by = other[n, live].detach().permute(0, 2, 3, 1)
            best = dominant(similarity(taught_by, torch.zeros_like(live)), torch.zeros_like(live))
            chosen = {"all": live, "dominant": live[best], "others": live[~best]}[of]
            for m in chosen.tolist():
                student, teacher = (naive_variation(maps[n, m].detach(), labels[n]) for maps in (own, other))
                for row in range(len(student)):
                    known = labels[n, row] != 255
                    q, p = ((values[row, known] / 2).softmax(0) for values in (student, teacher))
                    total += 4 * (p * (p / q).log()).sum().item()
    return total / len(case.present)


@pytest.mark.parametrize("of", ["dominant", "others", "all"])
@pytest.mark.parametrize("seed", range(2))
def test_equals_a_loop(make_case, seed, of):
    case = make_case(seed)
    assert ifv(**arguments(case), of=of).item() == pytest.approx(naive_ifv(case, of), rel=1e-10)


def test_dominant_and_others_make_all(case):
    parts = [ifv(**arguments(case), of=of).item() for of in ("dominant", "others")]
    assert all(part > 0 for part in parts)
    assert sum(parts) == pytest.approx(ifv(**arguments(case), of="all").item())


def test_zero_where_features_agree_or_differ_in_size_only(case):
    larger = [3 * maps.detach() for maps in case.student]
    value = ifv(**{**arguments(case), "teacher": larger, "teacher_present": None}, of="all")
    assert value.item() == pytest.approx(0, abs=1e-12)


def test_gradient_is_right_and_reaches_live_student_slots_only(make_case):
    case = make_case(1)
    ifv(**arguments(case), of="all").backward()
    pair = case.present & case.teacher_present
    for own, other in zip(case.student, case.teacher, strict=True):
        assert other.grad is None
        assert (own.grad[~pair] == 0).all()
        assert (own.grad[pair].flatten(1).norm(dim=1) > 0).all()
    live = [own.detach().nan_to_num(0).requires_grad_() for own in case.student]
    changed = arguments(case)
    assert torch.autograd.gradcheck(lambda *maps: ifv(**{**changed, "student": maps}), live, fast_mode=True)


@pytest.mark.parametrize("empty", ["student", "teacher", "labels"])
@pytest.mark.parametrize("of", ["dominant", "all"])
def test_nothing_to_compare_is_a_differentiable_zero(case, empty, of):
    match empty:
        case "student":
            case.present.fill_(False)
        case "teacher":
            case.teacher_present.fill_(False)
        case _:
            case.labels.fill_(255)
    value = ifv(**arguments(case), of=of)
    value.backward()
    assert value.item() == 0
    assert all((stage.grad == 0).all() for stage in case.student)


def test_float32_under_autocast(make_case):
    case = make_case(0, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        value = ifv(**arguments(case))
    torch.testing.assert_close(value, ifv(**arguments(case)), rtol=0, atol=0)
    half = {k: [m.bfloat16() for m in v] if isinstance(v, list) else v for k, v in arguments(case).items()}
    assert ifv(**half).dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"of": "best"}, "'dominant', 'others' or 'all', got 'best'"),
        ({"labels": torch.zeros(2, 16, 24, dtype=torch.int64)}, "labels have 2 samples"),
        ({"labels": torch.full((3, 16, 24), 7)}, "label 7 is not one of"),
    ],
)
def test_wrong_arguments(case, change, words):
    with pytest.raises((ValueError, TypeCheckError), match=f"{words}|[Tt]ype-check"):
        ifv(**{**arguments(case), **change})
