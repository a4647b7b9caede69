import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor
from torch.nn import functional as F

from robustseg.build import build_model
from robustseg.distill import feature_entropy, input_entropy
from robustseg.distill.entropy import LEAST_INFORMATION
from robustseg.models import mit
from robustseg.models.inference import twice_differentiable
from robustseg.recipe import Model


def toy_logits(images: Tensor, present: Tensor, weight: Tensor) -> Tensor:
    """The mean over what is present of a smooth function of each pixel, at half the size."""
    sample, modality = present.nonzero(as_tuple=True)
    each = torch.einsum("nchw,nkc->nkhw", images[sample, modality], weight[modality]).tanh()
    total = each.new_zeros(len(images), *each.shape[1:]).index_add(0, sample, each)
    return F.avg_pool2d(total, 2)


@pytest.fixture
def toy(case):
    """Arguments of `input_entropy`, but for logits, and a weight they depend on; the third sample has no label."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(3, 3, 3, 16, 24, generator=draw, dtype=torch.float64)
    images[~case.present] = torch.nan
    case.labels[2] = 255
    weight = torch.randn(3, 4, 3, generator=draw, dtype=torch.float64)
    return images.requires_grad_(), case.labels, case.present, weight.requires_grad_()


def naive_input_entropy(images: Tensor, labels: Tensor, present: Tensor, weight: Tensor) -> float:
    information: dict[int, list[float]] = {}
    for n in range(2):
        one = images[n : n + 1].detach().requires_grad_()
        logits = F.interpolate(toy_logits(one, present[n : n + 1], weight), labels.shape[1:], mode="bilinear")
        cost = F.cross_entropy(logits, labels[n : n + 1], ignore_index=255)
        cost.backward()
        for m in torch.nonzero(present[n]).flatten().tolist():
            slopes = [one.grad[0, m, :, y, x].norm().item() ** 2 for y in range(16) for x in range(24)]
            information.setdefault(m, []).append(16 * 24 * sum(slopes) / cost.item())
    return sum(1 / (sum(values) / len(values) + LEAST_INFORMATION) for values in information.values())


def test_inputs_equal_a_loop(toy):
    images, labels, present, weight = toy
    loss = input_entropy(toy_logits(images, present, weight), labels, images, present)
    assert loss.item() == pytest.approx(naive_input_entropy(*toy), rel=1e-9)


def test_gradient_of_inputs_gradient(toy):
    images, labels, present, weight = toy
    assert torch.autograd.gradcheck(
        lambda w: input_entropy(toy_logits(images, present, w), labels, images, present), weight, fast_mode=True
    )


def naive_feature_entropy(maps: list[Tensor], present: Tensor) -> float:
    total = 0.0
    for stage in maps:
        pixels = stage.shape[-2] * stage.shape[-1]
        information: dict[int, list[float]] = {}
        for n in range(len(stage)):
            live = torch.nonzero(present[n]).flatten().tolist()
            if len(live) < 2:
                continue
            leaves = {m: stage[n, m].detach().clone().requires_grad_() for m in live}
            fused = sum(leaves.values()) / len(live)
            cost = sum(-(fused.softmax(0) * leaf.log_softmax(0)).sum() / pixels for leaf in leaves.values())
            cost.backward()
            for m in live:
                information.setdefault(m, []).append(pixels * leaves[m].grad.norm().item() ** 2 / cost.item())
        total += sum(1 / (sum(values) / len(values) + LEAST_INFORMATION) for values in information.values())
    return total


@pytest.mark.parametrize("seed", range(3))
def test_features_equal_a_loop(make_case, seed):
    case = make_case(seed)
    loss = feature_entropy(case.student, case.present)
    assert loss.item() == pytest.approx(naive_feature_entropy(case.student, case.present), rel=1e-9)


def test_features_gradient_reaches_what_is_fused(case):
    feature_entropy(case.student, case.present).backward()
    fused = case.present & (case.present.sum(1) > 1)[:, None]
    for maps in case.student:
        assert (maps.grad[~fused] == 0).all()
        assert (maps.grad[fused].flatten(1).norm(dim=1) > 0).all()
    live = [maps.detach().nan_to_num(0).requires_grad_() for maps in case.student]
    assert torch.autograd.gradcheck(lambda *maps: feature_entropy(maps, case.present), live, fast_mode=True)


def test_nothing_is_a_differentiable_zero(case, toy):
    images, labels, present, weight = toy
    alone = torch.eye(3, dtype=torch.bool)
    loss = feature_entropy(case.student, alone)
    loss.backward()
    assert loss.item() == 0
    assert all((maps.grad == 0).all() for maps in case.student)
    loss = input_entropy(toy_logits(images, present, weight), torch.full_like(labels, 255), images, present)
    loss.backward()
    assert loss.item() == 0
    assert (weight.grad == 0).all()


def test_a_network_s_gradient_of_its_gradient(monkeypatch):
    monkeypatch.setattr(mit, "CACHED", 2**10)  # maps so small are computed in pieces as well
    recipe = Model(width=16, dropout=0.0, drop_path=0.0)
    model = build_model(recipe, num_classes=4, num_modalities=2, seed=0).double().train()
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(2, 2, 3, 32, 64, generator=draw, dtype=torch.float64).requires_grad_()
    labels = torch.randint(0, 4, (2, 32, 64), generator=draw)
    present = torch.tensor([[True, True], [False, True]])
    parameters = list(model.parameters())
    step = [torch.randn(p.shape, generator=draw, dtype=p.dtype) * p.detach().abs().mean() for p in parameters]

    def loss() -> Tensor:
        with twice_differentiable():
            logits = model.coarse(images, present).logits
        return input_entropy(logits, labels, images, present).log()

    def moved(size: float) -> float:
        with torch.no_grad():
            for parameter, direction in zip(parameters, step, strict=True):
                parameter += size * direction
        return loss().item()

    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    slope = sum((g * s).sum().item() for g, s in zip(gradients, step, strict=True) if g is not None)
    size = 1e-6
    rise = (moved(size) - moved(-2 * size)) / (2 * size)
    assert slope == pytest.approx(rise, rel=1e-4)


def test_wrong_arguments(toy):
    images, _, present, weight = toy
    with pytest.raises((ValueError, TypeCheckError), match="label 9 is not one of"):
        input_entropy(toy_logits(images, present, weight), torch.full((3, 16, 24), 9), images, present)
