from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from robustseg import recipe
from robustseg.benchmark.cost import frame_macs
from robustseg.build import build_model, load
from robustseg.deploy import Predictor
from robustseg.models.fusion import rows_to_fuse
from robustseg.models.mit import SHAPES
from robustseg.models.precision import in_precision
from robustseg.models.standard import random_segmenter
from robustseg.models.weighted import Reliability, WeightedSegmenter, shares, weighted_sum
from robustseg.models.weights import expanded, save_model, structure
from robustseg.robustness import evaluate
from robustseg.robustness.subsets import subset_labels

PRESENT = torch.tensor([[True, False, True], [False, True, False], [True, True, True]])


def naive_fusion(rows: Tensor, weight: Tensor, bias: Tensor, chosen: list[list[tuple[int, int]]]) -> Tensor:
    """One sample and one pixel at a time; `chosen` are the (row, modality) pairs of every sample."""
    _, C, h, w = rows.shape
    fused = rows.new_zeros(len(chosen), C, h, w)
    for b, pairs in enumerate(chosen):
        for y, x in product(range(h), range(w)):
            powers = [(weight[m] @ rows[n, :, y, x] + bias[m]).exp() for n, m in pairs]
            fused[b, :, y, x] = sum(p / sum(powers) * rows[n, :, y, x] for p, (n, _) in zip(powers, pairs, strict=True))
    return fused


@pytest.fixture
def rows() -> Tensor:
    return torch.randn(6, 2, 3, 4, dtype=torch.float64, generator=Generator().manual_seed(0))


@pytest.fixture
def reliability() -> Reliability:
    one = Reliability(3, 2).double()
    for parameter in one.parameters():
        parameter.data.normal_(generator=Generator().manual_seed(1))
    return one


def fused(rows: Tensor, reliability: Reliability, sample: Tensor, modality: Tensor, present: Tensor, **kind) -> Tensor:
    row, to = rows_to_fuse(sample, modality, present, **kind)
    share = shares(reliability(rows[row], modality[row]), 3 * to + modality[row], present)
    return weighted_sum(rows[row], share, to, len(present))


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [4, 2, 0, 5, 1, 3]])
def test_fusion_equals_a_loop_over_pixels(rows: Tensor, reliability: Reliability, order: list[int]) -> None:
    sample, modality = (part[order] for part in PRESENT.nonzero(as_tuple=True))
    subset = PRESENT.clone()
    subset[2, 0] = False
    for present in (PRESENT, subset):
        chosen = [
            [(n, int(modality[n])) for n in range(6) if sample[n] == b and present[b, modality[n]]] for b in range(3)
        ]
        expected = naive_fusion(rows, reliability.weight, reliability.bias, chosen)
        assert torch.allclose(fused(rows, reliability, sample, modality, present), expected)


def test_zero_rows_are_weighted_as_any_other(rows: Tensor, reliability: Reliability) -> None:
    sample, modality = torch.tensor([0, 1, 1, -1, -1, -1]), torch.tensor([2, 0, 1, 0, 1, 2])
    present = torch.tensor([[False, False, True], [True, True, False]])
    chosen = [[(3, 0), (4, 1), (0, 2)], [(1, 0), (2, 1), (5, 2)]]
    expected = naive_fusion(rows, reliability.weight, reliability.bias, chosen)
    assert torch.allclose(fused(rows, reliability, sample, modality, present, absence="zero"), expected)


def test_large_scores_overflow_nothing(rows: Tensor, reliability: Reliability) -> None:
    with torch.no_grad():
        reliability.bias.copy_(torch.tensor([-1e4, 1e4, 9e3]))
    sample, modality = PRESENT.nonzero(as_tuple=True)
    result = fused(rows.requires_grad_(), reliability, sample, modality, PRESENT)
    result.sum().backward()
    assert torch.allclose(result[2], rows[4])
    assert rows.grad is not None
    assert rows.grad.isfinite().all()


def test_gradients_of_the_fusion(rows: Tensor, reliability: Reliability) -> None:
    sample, modality = PRESENT.nonzero(as_tuple=True)
    names = [name for name, _ in reliability.named_parameters()]

    def result(rows: Tensor, *given: Tensor) -> Tensor:
        def scored(chosen: Tensor, of: Tensor) -> Tensor:
            return torch.func.functional_call(reliability, dict(zip(names, given, strict=True)), (chosen, of))

        return fused(rows, scored, sample, modality, PRESENT)

    assert torch.autograd.gradcheck(result, (rows[:, :, :1, :2].clone().requires_grad_(), *reliability.parameters()))


@torch.no_grad()
@pytest.mark.parametrize("absence", ["remove", "zero"])
def test_it_starts_as_the_plain_mean(tiny, images: Tensor, absence: str) -> None:
    plain, model = tiny(absence=absence), tiny(absence=absence, fusion="weighted")
    for reliability in model.reliability:
        reliability.reset_parameters()
    model.load_state_dict(expanded(plain.state_dict(), model))
    present = torch.tensor([[True, False, True, False], [False, False, False, True], [True, True, True, True]])
    assert torch.allclose(model(images, present).logits, plain(images, present).logits, atol=1e-5)


def test_a_new_network_has_even_reliabilities() -> None:
    model = build_model(recipe.Model(width=8, fusion="weighted"), 3, 2, seed=0)
    assert isinstance(model, WeightedSegmenter)
    state = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("reliability.")}
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
        f"reliability.{s}.{name}": shape
        for s, C in enumerate((24, 48, 96, 160))
        for name, shape in (("weight", (2, C)), ("bias", (2,)))
    }
    assert all((tensor == 0).all() for tensor in state.values())


@pytest.mark.parametrize("absence", ["remove", "zero"])
def test_garbage_in_rows_that_are_not_fused_reaches_nothing(tiny, images: Tensor, absence: str) -> None:
    model = tiny(absence=absence, fusion="weighted")
    encoded = model.encode_batch(images, torch.ones(3, 4, dtype=torch.bool))
    present = torch.tensor([[True, False, True, False]]).expand(3, 4)
    unused = (~present[encoded.sample.clamp(min=0), encoded.modality]) & (encoded.sample >= 0)
    results = []
    for garbage in (0.0, torch.nan):
        model.zero_grad()
        maps = [stage.detach().clone() for stage in encoded.maps]
        for stage in maps:
            stage[unused] = garbage
            stage.requires_grad_()
        result = model.fuse(maps, encoded.sample, encoded.modality, present)
        sum(stage.square().sum() for stage in result.maps).backward()
        results.append([*result.maps, *(p.grad for p in model.reliability.parameters()), *(m.grad for m in maps)])
    for clean, dirty in zip(*results, strict=True):
        assert torch.equal(clean, dirty)
    assert all((m.grad[unused] == 0).all() for m in maps)


@torch.no_grad()
@pytest.mark.parametrize("absence", ["remove", "zero"])
def test_subsets_of_one_encoding_are_those_of_their_own(tiny, images: Tensor, absence: str) -> None:
    model = tiny(absence=absence, fusion="weighted")
    subsets = torch.tensor(list(product([False, True], repeat=4))[1:])
    assert not model.shares_decoding(model.encode_batch(images, torch.ones(3, 4, dtype=torch.bool)).maps)
    for subset, labels in zip(subsets, subset_labels(model, images, subsets), strict=True):
        own = model(images, subset.expand(3, 4)).logits.argmax(dim=1)
        assert (own == labels).float().mean() > 0.999


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:this processor")
def test_in_fewer_bits(tiny, images: Tensor) -> None:
    model = tiny(fusion="weighted")
    low, whole = in_precision(model, "bf16")(images).logits, model(images).logits
    assert (low - whole).abs().max() < 0.1 * whole.abs().max()


@torch.no_grad()
def test_saved_loaded_evaluated_and_used(toy_model, toy_frames, tmp_path: Path) -> None:
    card = replace(toy_model.card, fusion="weighted", private=("patch", "norm"))
    model = random_segmenter(structure(card), seed=0).eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=Generator().manual_seed(1)), alpha=0.05)
    save_model(tmp_path / "model", model, card)
    loaded = load(tmp_path / "model")
    assert isinstance(loaded, WeightedSegmenter)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])
    for protocol in ("emm", "emm_zero"):
        assert len(evaluate(loaded, toy_frames(), protocol=protocol, batch_size=2).subsets) == 7
    sample = toy_frames()[2]
    prediction = Predictor(loaded).predict(sample.images, sample.present)
    assert prediction.used == ("rgb", "lidar")
    assert prediction.labels.shape == (32, 48)
    scores = sum(channels * 16**2 // 4**stage for stage, channels in enumerate(SHAPES[card.backbone].widths))
    assert frame_macs(card, (64, 64), 2) == frame_macs(toy_model.card, (64, 64), 2) + 2 * scores
