from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from robustseg import recipe
from robustseg.build import build_model, load
from robustseg.deploy import Predictor
from robustseg.models.moments import SMALL, Contrast, MomentsSegmenter
from robustseg.models.precision import in_precision
from robustseg.models.standard import random_segmenter
from robustseg.models.weights import expanded, save_model, structure
from robustseg.robustness import evaluate
from robustseg.robustness.subsets import subset_labels

PRESENT = torch.tensor([[True, False, True, False], [False, False, False, True], [True, True, True, True]])


def randomised(model: MomentsSegmenter) -> MomentsSegmenter:
    with torch.no_grad():
        for parameter in (*model.reliability.parameters(), *model.contrast.parameters()):
            parameter.normal_(generator=Generator().manual_seed(1))
    return model


def naive(rows: Tensor, scores: Tensor, gain: Tensor) -> Tensor:
    """One pixel at a time: of rows "P C h w" with scores "P h w" that go to one sample."""
    _, C, h, w = rows.shape
    fused = rows.new_zeros(C, h, w)
    for y, x in product(range(h), range(w)):
        share = scores[:, y, x].exp() / scores[:, y, x].exp().sum()
        mean = sum(part * row[:, y, x] for part, row in zip(share, rows, strict=True))
        variance = sum(part * (row[:, y, x] - mean) ** 2 for part, row in zip(share, rows, strict=True))
        fused[:, y, x] = mean + gain * ((variance + SMALL).sqrt() - SMALL**0.5)
    return fused


@torch.no_grad()
@pytest.mark.parametrize("absence", ["remove", "zero"])
def test_fusion_equals_a_loop_over_pixels(tiny, images: Tensor, absence: str) -> None:
    model = randomised(tiny(absence=absence, fusion="moments"))
    encoded = model.encode_batch(images, torch.ones(3, 4, dtype=torch.bool))
    found = model.fuse(encoded.maps, encoded.sample, encoded.modality, PRESENT)
    for stage, (rows, fused) in enumerate(zip(encoded.maps, found.maps, strict=True)):
        scores = model.reliability[stage](rows, encoded.modality)
        for b in range(3):
            mine = (encoded.sample == b) & PRESENT[b, encoded.modality]
            if absence == "zero":
                mine |= (encoded.sample < 0) & ~PRESENT[b, encoded.modality]
            expected = naive(rows[mine], scores[mine], model.contrast[stage].weight)
            torch.testing.assert_close(fused[b], expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("like", ["mean", "weighted"])
def test_it_starts_as_what_knows_less(tiny, images: Tensor, like: str) -> None:
    plain, model = tiny(fusion=like), tiny(fusion="moments")
    for part in (*model.reliability, *model.contrast):
        part.reset_parameters()
    model.load_state_dict(expanded(plain.state_dict(), model))
    torch.testing.assert_close(model(images, PRESENT).logits, plain(images, PRESENT).logits, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_modality_alone_has_no_deviation(tiny, images: Tensor) -> None:
    model = randomised(tiny(fusion="moments"))
    alone = torch.tensor([False, True, False, False]).expand(3, 4)
    found = model(images, alone)
    for fused, own in zip(found.features, found.maps, strict=True):
        torch.testing.assert_close(fused, own[:, 1], rtol=0, atol=1e-6)


def test_a_new_network_has_no_contrast() -> None:
    model = build_model(recipe.Model(width=8, fusion="moments"), 3, 2, seed=0)
    assert isinstance(model, MomentsSegmenter)
    assert [part.weight.shape[0] for part in model.contrast] == [24, 48, 96, 160]
    assert all((parameter == 0).all() for parameter in model.contrast.parameters())


def test_gradients_of_the_contrast_where_nothing_differs_too() -> None:
    part = Contrast(2).double()
    part.weight.data.copy_(torch.tensor([0.7, -1.3]))
    mean = torch.randn(1, 2, 2, 2, dtype=torch.float64, generator=Generator().manual_seed(0)).requires_grad_()
    variance = mean.detach().square().requires_grad_()
    assert torch.autograd.gradcheck(part, (mean, variance))
    rows = mean.detach().repeat(2, 1, 1, 1).requires_grad_()
    part(rows.mean(dim=0, keepdim=True), rows.var(dim=0, keepdim=True, correction=0)).sum().backward()
    assert rows.grad is not None
    assert torch.allclose(rows.grad, torch.full_like(rows, 0.5))


@pytest.mark.parametrize("absence", ["remove", "zero"])
def test_garbage_in_rows_that_are_not_fused_reaches_nothing(tiny, images: Tensor, absence: str) -> None:
    model = randomised(tiny(absence=absence, fusion="moments"))
    encoded = model.encode_batch(images, torch.ones(3, 4, dtype=torch.bool))
    present = PRESENT[:1].expand(3, 4)
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
        results.append([*result.maps, *(p.grad for p in model.contrast.parameters()), *(m.grad for m in maps)])
    for clean, dirty in zip(*results, strict=True):
        assert torch.equal(clean, dirty)


@torch.no_grad()
def test_subsets_of_one_encoding_are_those_of_their_own(tiny, images: Tensor) -> None:
    model = randomised(tiny(fusion="moments"))
    subsets = torch.tensor(list(product([False, True], repeat=4))[1:])
    assert not model.shares_decoding(model.encode_batch(images, torch.ones(3, 4, dtype=torch.bool)).maps)
    for subset, labels in zip(subsets, subset_labels(model, images, subsets), strict=True):
        own = model(images, subset.expand(3, 4)).logits.argmax(dim=1)
        assert (own == labels).float().mean() > 0.999


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:this processor")
def test_in_fewer_bits(tiny, images: Tensor) -> None:
    model = randomised(tiny(fusion="moments"))
    low, whole = in_precision(model, "bf16")(images).logits, model(images).logits
    assert (low - whole).abs().max() < 0.1 * whole.abs().max()


@torch.no_grad()
def test_saved_loaded_evaluated_and_used(toy_model, toy_frames, tmp_path: Path) -> None:
    card = replace(toy_model.card, fusion="moments", private=("patch", "norm"))
    model = randomised(random_segmenter(structure(card), seed=0).eval())
    save_model(tmp_path / "model", model, card)
    loaded = load(tmp_path / "model")
    assert isinstance(loaded, MomentsSegmenter)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])
    for protocol in ("emm", "emm_zero"):
        assert len(evaluate(loaded, toy_frames(), protocol=protocol, batch_size=2).subsets) == 7
    sample = toy_frames()[2]
    assert Predictor(loaded).predict(sample.images, sample.present).used == ("rgb", "lidar")
