import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from torch import Tensor

from robustseg.distill import Matching, draw_permutation, hpdm
from robustseg.distill.prototypes import class_sums, nearest, one_hot_labels

MATCHINGS = [Matching(*choice) for choice in product(("class", "channel"), (False, True), (1.0, 2.5))]


def softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in values)
    return [math.exp(value) / total for value in values]


def kl(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def prototypes(maps: Tensor, labels: Tensor, power: int) -> dict[int, list[float]]:
    """Class -> mean feature, divided by the count `power` times; `maps` C h w, `labels` H W."""
    pixels: dict[int, list[Tensor]] = {}
    for row, column in product(range(maps.shape[1]), range(maps.shape[2])):
        label = int(labels[row * labels.shape[0] // maps.shape[1], column * labels.shape[1] // maps.shape[2]])
        if label != 255:
            pixels.setdefault(label, []).append(maps[:, row, column])
    return {label: (sum(rows) / len(rows) ** power).tolist() for label, rows in sorted(pixels.items())}  # type: ignore


def naive_pair(own: dict, other: dict, matching: Matching) -> float:
    """The paper's form for one sample, stage and pair."""
    if not own:
        return 0.0
    t = matching.temperature
    table = [[[v / t for v in row] for row in side.values()] for side in (own, other)]  # side, class, channel
    if matching.axis == "class":
        table = [list(zip(*side, strict=True)) for side in table]
    pairs = [(softmax(a), softmax(b)) for a, b in zip(*table, strict=True)]
    return t**2 * sum(kl(s, g) if matching.printed_order else kl(g, s) for s, g in pairs) / len(pairs)


def naive_released_pair(own: dict, other: dict, num_classes: int) -> float:
    channels = len(next(iter(own.values())))
    total = 0.0
    for channel in range(channels):
        s, g = ([side[k][channel] if k in side else 0.0 for k in range(num_classes)] for side in (own, other))
        total += kl(softmax(g), softmax(s))
    return max(0.0, total / (num_classes * channels))


def naive(case, form: str, matching: Matching) -> float:
    total, batch, stages = 0.0, len(case.present), len(case.student)
    for n, stage in product(range(batch), range(stages)):
        values = []
        for m, live in enumerate(case.present[n].tolist()):
            slot = int(case.permutation[n, m])
            if live and case.teacher_present[n, slot]:
                power = 1 if form == "paper" else 2
                own = prototypes(case.student[stage][n, m].detach(), case.labels[n], power)
                other = prototypes(case.teacher[stage][n, slot].detach(), case.labels[n], power)
                paper = form == "paper"
                values.append(
                    naive_pair(own, other, matching) if paper else naive_released_pair(own, other, case.num_classes)
                )
        total += sum(values) / (max(len(values), 1) * stages if form == "paper" else 1)
    return total / batch


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("matching", MATCHINGS, ids=str)
def test_paper_form_equals_a_naive_loop(make_case, seed, matching):
    case = make_case(seed)
    expected = naive(case, "paper", matching)
    assert hpdm(**case.all(), matching=matching).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_released_form_equals_a_naive_loop(make_case, seed):
    case = make_case(seed)
    expected = naive(case, "released", Matching())
    assert hpdm(**case.all(), form="released").item() == pytest.approx(expected, rel=1e-10)


def test_released_form_equals_the_released_loss(reference, released):
    loss = hpdm(**released.all(), form="released")
    assert loss.item() == pytest.approx(float(reference["hpdm_released_same_modality"]), rel=1e-5)
    for stage, maps in enumerate(released.student):
        one_hot = one_hot_labels(released.labels, 25, (maps.shape[-2], maps.shape[-1]))[:1]
        sums = class_sums(maps[:1, 0].permute(0, 2, 3, 1), one_hot)[0]
        divided_twice = sums / one_hot[0].sum(1)[:, None].clamp(min=1) ** 2
        torch.testing.assert_close(divided_twice, torch.from_numpy(reference[f"proto_released_stage{stage}"]))


@pytest.mark.parametrize("form", ["paper", "released"])
def test_gradient_is_right_and_reaches_live_student_slots_only(make_case, form):
    case = make_case(1)
    hpdm(**case.all(), form=form).backward()
    taught = case.teacher_present.gather(1, case.permutation) & case.present
    for own, other in zip(case.student, case.teacher, strict=True):
        assert own.grad is not None
        assert other.grad is None
        assert (own.grad[~taught] == 0).all()
        assert (own.grad[taught].flatten(1).norm(dim=1) > 0).all()

    live = [own.detach().nan_to_num(0).requires_grad_() for own in case.student]
    assert torch.autograd.gradcheck(
        lambda *maps: hpdm(**{**case.all(), "student": maps}, form=form), live, fast_mode=True
    )


@pytest.mark.parametrize("matching", MATCHINGS[::2], ids=str)
def test_gradient_of_every_matching(make_case, matching):
    case = make_case(2)
    live = [own.detach().nan_to_num(0).requires_grad_() for own in case.student]
    assert torch.autograd.gradcheck(
        lambda *maps: hpdm(**{**case.all(), "student": maps}, matching=matching), live, fast_mode=True
    )


@pytest.mark.parametrize("matching", MATCHINGS[::2], ids=str)
def test_absent_classes_are_outside_exactly(case, matching):
    few, many = ({**case.all(), "num_classes": k} for k in (4, 200))
    assert torch.equal(hpdm(**few, matching=matching), hpdm(**case.all(), matching=matching))
    assert hpdm(**many, matching=matching).item() == pytest.approx(hpdm(**few, matching=matching).item(), rel=1e-14)


def test_ignored_pixels_take_no_part(case):
    before = hpdm(**case.all())
    small = nearest(case.labels, (4, 6))
    with torch.no_grad():
        ignored = (small == 255)[:, None, None].expand_as(case.student[0])
        case.student[0][ignored] += 100
    assert torch.equal(before, hpdm(**case.all()))


def test_permutation_picks_the_teaching_slot(make_case):
    case = make_case(0)
    everything = torch.ones_like(case.present)
    clean = [other.detach().nan_to_num(0.5) for other in case.teacher]
    order = case.permutation
    arguments = {**case.all(), "teacher_present": everything, "teacher": clean}
    moved = [maps[torch.arange(3)[:, None], order] for maps in clean]
    by_hand = hpdm(**{**arguments, "teacher": moved, "permutation": None})
    assert torch.equal(hpdm(**arguments), by_hand)
    assert not torch.equal(hpdm(**{**arguments, "permutation": None}), by_hand)


@pytest.mark.parametrize("form", ["paper", "released"])
def test_zero_where_student_and_teacher_agree(case, form):
    arguments = {**case.all(), "teacher": case.student, "teacher_present": None, "permutation": None}
    assert hpdm(**arguments, form=form).item() == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("form", ["paper", "released"])
@pytest.mark.parametrize("empty", ["labels", "student", "teacher"])
def test_nothing_to_compare_is_a_differentiable_zero(case, form, empty):
    if empty == "labels":
        case.labels.fill_(255)
    else:
        (case.present if empty == "student" else case.teacher_present).fill_(False)
    if empty == "teacher":
        case.teacher = [torch.full_like(maps, torch.nan) for maps in case.teacher]
    loss = hpdm(**case.all(), form=form)
    loss.backward()
    assert loss.item() == 0
    assert all((maps.grad == 0).all() for maps in case.student)


def test_a_batch_is_the_mean_of_its_samples(case):
    arguments = case.all()
    parts = []
    for n in range(3):
        one = {k: v[n : n + 1] for k, v in arguments.items() if isinstance(v, Tensor)}
        maps = {k: [stage[n : n + 1] for stage in arguments[k]] for k in ("student", "teacher")}
        parts.append(hpdm(**one, **maps, num_classes=6))
    assert hpdm(**arguments).item() == pytest.approx(torch.stack(parts).mean().item())


@pytest.mark.parametrize("form", ["paper", "released"])
def test_float32_under_autocast(make_case, form):
    case = make_case(0, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        loss = hpdm(**case.all(), form=form)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, hpdm(**case.all(), form=form), rtol=0, atol=0)


def test_size_hardly_depends_on_image_size_modalities_or_classes():
    def size(modalities: int, classes: int, side: int) -> float:
        draw = torch.Generator().manual_seed(side)
        centres = torch.randn(2, modalities, classes, 32, generator=draw)
        labels = (torch.arange(side)[:, None] // 8 * 3 + torch.arange(side) // 8).remainder(classes).expand(1, -1, -1)
        maps = centres[:, :, labels[0, ::4, ::4]].movedim(4, 2)[:, None]
        masks = {"present": torch.ones(1, modalities, dtype=torch.bool)}
        return hpdm(student=[maps[0]], teacher=[maps[1]], labels=labels, num_classes=classes, **masks).item()

    base = size(4, 8, 128)
    for other in (size(2, 8, 128), size(4, 24, 128), size(4, 8, 256)):
        assert other == pytest.approx(base, rel=0.25)


@given(seed=st.integers(0, 10_000), modalities=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_permutations_give_live_slots_different_present_teachers(seed, modalities):
    draw = torch.Generator().manual_seed(seed)
    teacher_present = torch.rand(8, modalities, generator=draw) < 0.7
    present = teacher_present & (torch.rand(8, modalities, generator=draw) < 0.6)
    order = draw_permutation(present, teacher_present, draw)
    assert torch.equal(order.sort(1).values, torch.arange(modalities).expand(8, -1))
    assert teacher_present.gather(1, order)[present].all()


def test_permutations_are_uniform_and_repeatable():
    present, everything = torch.tensor([[True, False, True]]).repeat(12_000, 1), None
    order = draw_permutation(present, everything, torch.Generator().manual_seed(5))
    pairs, count = order[:, [0, 2]].unique(dim=0, return_counts=True)
    assert len(pairs) == 6
    assert (count - 2000).abs().max() < 200
    assert torch.equal(order, draw_permutation(present, everything, torch.Generator().manual_seed(5)))


def test_nearest_equals_interpolation():
    labels = torch.randint(0, 200, (2, 37, 53), generator=torch.Generator().manual_seed(0))
    for size in ((10, 14), (5, 7), (2, 2), (37, 53)):
        expected = torch.nn.functional.interpolate(labels[:, None].double(), size, mode="nearest")[:, 0].long()
        assert torch.equal(nearest(labels, size), expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"form": "ours"}, "'paper' or 'released', got 'ours'"),
        ({"num_classes": 2}, "label [23] is not one of the 2 classes"),
        ({"permutation": torch.full((3, 3), 3)}, "slots 0..2"),
        ({"permutation": torch.zeros(3, 2, dtype=torch.int64)}, "permutation must be"),
        ({"present": torch.ones(3, 4, dtype=torch.bool)}, "present must be bool"),
        ({"present": torch.ones(3, 3)}, "present must be bool"),
        ({"labels": torch.zeros(2, 16, 24, dtype=torch.int64)}, "labels have 2 samples"),
    ],
)
def test_wrong_arguments(case, change, words):
    with pytest.raises((ValueError, TypeCheckError), match=f"{words}|[Tt]ype-check"):
        hpdm(**{**case.all(), **change})


def test_maps_that_do_not_fit(case):
    for teacher in (case.teacher[:1], [maps[..., :1] for maps in case.teacher], []):
        with pytest.raises(ValueError, match="maps of the same shapes"):
            hpdm(**{**case.all(), "teacher": teacher})


@pytest.mark.parametrize("choice", [{"axis": "height"}, {"temperature": 0.0}, {"temperature": float("nan")}])
def test_wrong_matching(choice):
    with pytest.raises((ValueError, TypeCheckError)):
        Matching(**choice)
