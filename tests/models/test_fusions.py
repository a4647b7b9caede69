"""What holds for every way in which modalities become one; each has a file of its own for what is special."""

from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from robustseg.build import load
from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.models.card import ModelCard
from robustseg.models.precision import in_precision
from robustseg.models.upsampling import upsampled
from robustseg.models.weights import save_model
from robustseg.recipe import Fusion, Model

PRESENT = torch.tensor([[True, False, True, False], [False, False, False, True], [True, True, True, True]])
FUSIONS: tuple[Fusion, ...] = ("early", "late", "pair")
pytestmark = pytest.mark.parametrize("fusion", FUSIONS)


@torch.no_grad()
def test_a_mixed_batch_equals_its_samples_one_by_one(tiny, images: Tensor, fusion: Fusion) -> None:
    model = tiny(fusion=fusion)
    together = model(images, PRESENT)
    for b in range(3):
        alone = model(images[b : b + 1], PRESENT[b : b + 1])
        assert torch.allclose(together.logits[b], alone.logits[0], atol=1e-5)


@torch.no_grad()
def test_one_encoding_serves_all_subsets(tiny, images: Tensor, fusion: Fusion) -> None:
    model = tiny(fusion=fusion)
    encoded = model.encode_batch(images, torch.ones(3, 4, dtype=torch.bool))
    for subset in list(product([False, True], repeat=4))[1:]:
        present = torch.tensor(subset).expand(3, 4)
        fused = model.fuse(encoded.maps, encoded.sample, encoded.modality, present)
        hidden = images.masked_fill(~present[:, :, None, None, None], torch.nan)
        assert torch.allclose(model.decode(fused, (40, 56)), model(hidden, present).logits, atol=1e-5)


@pytest.mark.parametrize("grad", [False, True])
def test_coarse_logits_are_those_before_the_upsampling(tiny, images: Tensor, fusion: Fusion, grad: bool) -> None:
    model = tiny(fusion=fusion)
    with torch.set_grad_enabled(grad):
        whole, coarse = model(images, PRESENT), model.coarse(images, PRESENT)
    assert coarse.logits.shape == (3, 5, 10, 14)
    assert torch.allclose(upsampled(coarse.logits, (40, 56)), whole.logits, atol=1e-6)
    assert model.labels(images, PRESENT).equal(whole.logits.argmax(dim=1))


@torch.no_grad()
def test_answers_for_several_subsets_are_those_for_each(tiny, images: Tensor, fusion: Fusion) -> None:
    model = tiny(fusion=fusion)
    subsets = torch.stack([PRESENT, PRESENT.flip(1), torch.ones_like(PRESENT)], dim=1)  # B D M
    answers = model.answers(images, subsets).logits.unflatten(0, (3, 3))  # D B K h w
    for got, subset in zip(answers, subsets.unbind(1), strict=True):
        assert torch.allclose(got, model.coarse(images, subset).logits, atol=1e-5)


def test_garbage_in_absent_slots_reaches_no_output_and_no_gradient(tiny, images: Tensor, fusion: Fusion) -> None:
    model = tiny(fusion=fusion, dropout=0, drop_path=0).train()

    def step(garbage: float) -> tuple[Tensor, list[Tensor]]:
        model.zero_grad()
        output = model.coarse(images.masked_fill(~PRESENT[:, :, None, None, None], garbage), PRESENT)
        (output.logits.square().sum() + sum(stage.square().sum() for stage in output.maps)).backward()
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        assert all(parameter.grad is not None for parameter in learning)
        return output.logits.detach(), [p.grad for p in learning if p.grad is not None]

    logits, gradients = step(float("nan"))
    clean_logits, clean_gradients = step(0.0)
    assert torch.equal(logits, clean_logits)
    assert logits.isfinite().all()
    for got, clean in zip(gradients, clean_gradients, strict=True):
        assert got.isfinite().all()
        assert torch.equal(got, clean)


def test_what_was_encoded_and_is_absent_is_never_read(tiny, images: Tensor, fusion: Fusion) -> None:
    model = tiny(fusion=fusion)
    encoded = model.encode_batch(images, torch.ones(3, 4, dtype=torch.bool))
    dropped = ~PRESENT.flatten()
    maps = [stage.detach().clone() for stage in encoded.maps]
    for stage in maps:
        stage[dropped] = torch.nan
        stage.requires_grad_()
    fused = model.fuse(maps, encoded.sample, encoded.modality, PRESENT)
    logits = model.decode(fused)
    logits.square().sum().backward()
    assert torch.allclose(logits, model.coarse(images, PRESENT).logits, atol=1e-5)
    for stage in maps:
        assert stage.grad is not None
        assert stage.grad.isfinite().all()
        assert (stage.grad[dropped] == 0).all()


@torch.no_grad()
def test_a_model_survives_the_round_trip(tiny, images: Tensor, tmp_path: Path, fusion: Fusion) -> None:
    model = tiny(fusion=fusion)
    classes = tuple(LabelClass(f"c{i}", (i, 0, 255)) for i in range(5))
    modalities = tuple(Modality(name) for name in ("rgb", "depth", "event", "lidar"))
    card = ModelCard("mit_nano", 24, classes, modalities, "remove", (40, 56), fusion=fusion)
    save_model(tmp_path, model, card)
    loaded = load(tmp_path)
    assert type(loaded) is type(model)
    assert loaded.card.fusion == fusion
    assert torch.equal(loaded(images, PRESENT).logits, model(images, PRESENT).logits)
    learning = [[p.requires_grad for p in either.parameters()] for either in (loaded, model)]
    assert learning[0] == learning[1]


@torch.no_grad()
def test_in_fewer_bits_the_classes_are_nearly_the_same(tiny, images: Tensor, fusion: Fusion, monkeypatch) -> None:
    monkeypatch.setattr("robustseg.models.precision.processor_flags", frozenset)
    model = tiny(fusion=fusion)
    lowered = in_precision(model, "bf16")
    logits, expected = lowered(images, PRESENT).logits, model(images, PRESENT).logits
    assert logits.dtype == torch.float32
    assert (logits - expected).abs().mean() < 0.1 * expected.std()


def test_requests_that_make_no_sense_are_refused(tiny, images: Tensor, fusion: Fusion) -> None:
    model = tiny(fusion=fusion)
    with pytest.raises(ValueError, match="no modality is present in row 1"):
        model(images, PRESENT & torch.tensor([[True], [False], [True]]))
    encoded = model.encode_batch(images, PRESENT)
    with pytest.raises(ValueError, match="to be fused"):
        model.fuse(encoded.maps, encoded.sample, encoded.modality, torch.ones(3, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="too small"):
        model(images[..., :24])
    with pytest.raises(ValueError, match="absence 'remove' alone"):
        Model(fusion=fusion, absence="zero")


@torch.no_grad()
def test_means_of_maps_are_not_decoded_together(tiny, images: Tensor, fusion: Fusion) -> None:
    model = tiny(fusion=fusion)
    assert tiny().shares_decoding(tiny().encode(images[0], torch.arange(4)))
    assert not model.shares_decoding(model.encode(images[0], torch.arange(4)))
