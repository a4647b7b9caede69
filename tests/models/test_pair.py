import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from robustseg.models.pair import PairFusion, Weighting
from robustseg.models.segmenter import Segmenter
from robustseg.models.standard import random_segmenter, segmenter_on_meta
from robustseg.recipe import Model

PRESENT = torch.tensor([[True, False, True, False], [False, False, False, True], [True, True, True, True]])


def network(seed: int, width: int = 24) -> Segmenter:
    empty = segmenter_on_meta("mit_nano", width=width, num_classes=5, num_modalities=4)
    return random_segmenter(empty, seed=seed).eval()


@pytest.fixture
def pair(tiny) -> PairFusion:
    model = tiny(fusion="pair")
    model.start_from(teacher=network(3, width=16), student=network(4))
    return model


@torch.no_grad()
def test_features_are_the_weighted_means_of_both_models(pair: PairFusion, images: Tensor) -> None:
    output = pair(images, PRESENT)
    branches = [network(seed)(images, PRESENT).features for seed in (3, 4)]
    for got, weighting, teacher, student in zip(output.features, pair.weightings, *branches, strict=True):
        C = teacher.shape[1]
        scores = []
        for place, branch in enumerate((teacher, student)):
            own = slice(place * C, (place + 1) * C)
            depthwise, score = weighting.depthwise, weighting.score
            hidden = F.conv2d(branch, depthwise.weight[own], depthwise.bias[own], padding=1, groups=C)
            weight, bias = score.weight[place], score.bias[place]
            scores.append((torch.einsum("bchw,c->bhw", hidden, weight[:, 0, 0]) + bias).sigmoid().exp())
        total = scores[0] + scores[1]
        expected = (scores[0] / total)[:, None] * teacher + (scores[1] / total)[:, None] * student
        assert torch.allclose(got, expected, atol=1e-4)
    assert output.maps[0].shape == (3, 4, 48, 10, 14)


def test_the_decoder_starts_as_the_students(pair: PairFusion) -> None:
    for name, tensor in network(4).decoder.state_dict().items():
        assert torch.equal(pair.decoder.state_dict()[name], tensor)


def test_the_encoders_stay_as_they_are_in_training(pair: PairFusion, images: Tensor) -> None:
    before = {name: tensor.clone() for name, tensor in pair.encoder.state_dict().items()}
    pair.train()
    assert pair.decoder.training
    assert not any(module.training for module in pair.encoder.modules())
    assert not any(parameter.requires_grad for parameter in pair.encoder.parameters())
    optimizer = torch.optim.SGD([p for p in pair.parameters() if p.requires_grad], lr=0.1)
    pair.coarse(images, PRESENT).logits.square().mean().backward()
    for part in (pair.weightings, pair.decoder):
        gradients = [parameter.grad for parameter in part.parameters()]
        assert all(gradient is not None and bool((gradient != 0).any()) for gradient in gradients)
    optimizer.step()
    assert all(torch.equal(before[name], tensor) for name, tensor in pair.encoder.state_dict().items())


def test_weights_of_the_branches_start_even_and_have_the_right_gradient() -> None:
    fresh = random_segmenter(
        segmenter_on_meta("mit_nano", width=8, num_classes=2, num_modalities=2, fusion="pair"), seed=0
    )
    both = torch.randn(1, 48, 4, 4, generator=torch.Generator().manual_seed(0))
    first = fresh.get_submodule("weightings.0")
    assert torch.allclose(first(both), (both[:, :24] + both[:, 24:]) / 2, atol=0.2)
    small = Weighting(2).double()
    x = torch.randn(1, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert torch.autograd.gradcheck(small, x)


def test_other_networks_are_no_branches(pair: PairFusion) -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        pair.start_from(teacher=network(3), student=network(4, width=16))
    with pytest.raises(ValueError, match="encoders are given"):
        Model(fusion="pair", encoder_weights="mit.pth")
