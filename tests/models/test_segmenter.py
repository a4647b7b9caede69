from itertools import product

import pytest
import torch
from torch import Generator, Tensor, nn

from robustseg.models.decoder import Decoder
from robustseg.models.segmenter import Segmenter, check_present
from robustseg.models.upsampling import upsampled

PRESENT = torch.tensor([[True, False, True, False], [False, False, False, True], [True, True, True, True]])


def test_a_network_that_is_told_nothing_says_so(tiny, toy_model) -> None:
    model = tiny()
    assert not model.has_card
    assert not hasattr(model, "card")  # which torch.jit relies on
    with pytest.raises(ValueError, match=r"no card, which names .* docs/encoders\.md"):
        _ = model.card
    model.card = toy_model.card
    assert model.has_card
    assert model.card is toy_model.card


@torch.no_grad()
def test_a_mixed_batch_equals_its_samples_one_by_one(tiny, images: Tensor) -> None:
    for absence in ("remove", "zero"):
        model = tiny(absence=absence)
        together = model(images, PRESENT)
        for b in range(3):
            alone = model(images[b : b + 1], PRESENT[b : b + 1])
            assert torch.allclose(together.logits[b], alone.logits[0], atol=1e-5)
            for mixed, single in zip(together.features, alone.features, strict=True):
                assert torch.allclose(mixed[b], single[0], atol=1e-5)


@pytest.mark.parametrize("grad", [False, True])
def test_coarse_logits_are_those_before_the_upsampling(tiny, images: Tensor, grad: bool) -> None:
    with torch.set_grad_enabled(grad):
        whole, coarse = tiny()(images, PRESENT), tiny().coarse(images, PRESENT)
    assert coarse.logits.shape[-2:] == coarse.features[0].shape[-2:]
    assert torch.allclose(upsampled(coarse.logits, (images.shape[-2], images.shape[-1])), whole.logits, atol=1e-6)
    assert all(torch.equal(one, other) for one, other in zip(coarse.maps, whole.maps, strict=True))


@torch.no_grad()
def test_removal_equals_a_model_that_never_heard_of_the_modality(tiny, images: Tensor) -> None:
    keep = torch.tensor([True, False, True, False])
    small = tiny(modalities=2)
    assert torch.allclose(tiny()(images, keep.expand(3, 4)).logits, small(images[:, keep]).logits, atol=1e-5)


@torch.no_grad()
def test_zero_policy_equals_zeros_as_images(tiny, images: Tensor) -> None:
    zeros = images.masked_fill(~PRESENT[:, :, None, None, None], 0)
    complete, zero = tiny(absence="remove"), tiny(absence="zero")
    complete.load_state_dict(zero.state_dict())
    expected, got = complete(zeros), zero(images, PRESENT)
    assert torch.allclose(got.logits, expected.logits, atol=1e-5)
    for mine, theirs in zip(got.maps, expected.maps, strict=True):
        assert torch.allclose(mine[PRESENT], theirs[PRESENT], atol=1e-5)
        assert (mine[~PRESENT] == 0).all()


@torch.no_grad()
def test_permuting_the_modalities_changes_nothing(tiny, images: Tensor) -> None:
    order = [2, 0, 3, 1]
    model = tiny()
    assert (model(images, PRESENT).logits - model(images[:, order], PRESENT[:, order]).logits).abs().max() < 1e-5


@pytest.mark.parametrize("absence", ["remove", "zero"])
def test_garbage_in_absent_slots_reaches_no_output_and_no_gradient(tiny, images: Tensor, absence: str) -> None:
    model = tiny(absence=absence).train()
    model.requires_grad_(True)
    for block in model.encoder.modules():
        if hasattr(block, "drop_rate"):
            block.drop_rate = 0.0
    for layer in model.modules():
        if isinstance(layer, nn.Dropout2d):
            layer.p = 0.0

    def step(garbage: float) -> tuple[Tensor, list[Tensor | None], Tensor]:
        model.zero_grad()
        x = images.masked_fill(~PRESENT[:, :, None, None, None], garbage).requires_grad_()
        output = model(x, PRESENT)
        (output.logits.square().sum() + sum(m.square().sum() for m in output.maps)).backward()
        assert x.grad is not None
        return output.logits.detach(), [p.grad for p in model.parameters()], x.grad

    logits, gradients, into = step(float("nan"))
    clean_logits, clean_gradients, _ = step(0.0)
    assert torch.equal(logits, clean_logits)
    assert (into[~PRESENT] == 0).all()
    assert into.isfinite().all()
    for got, clean in zip(gradients, clean_gradients, strict=True):
        assert got is not None
        assert torch.equal(got, clean)


@torch.no_grad()
@pytest.mark.parametrize("absence", ["remove", "zero"])
def test_one_encoding_serves_all_subsets(tiny, images: Tensor, absence: str) -> None:
    model = tiny(absence=absence)
    calls = []
    model.encoder.register_forward_hook(lambda _, inputs, __: calls.append(len(inputs[0])))
    encoded = model.encode_batch(images, torch.ones(3, 4, dtype=torch.bool))
    assert calls == [12 if absence == "remove" else 16]
    for subset in list(product([False, True], repeat=4))[1:]:
        present = torch.tensor(subset).expand(3, 4)
        fused = model.fuse(encoded.maps, encoded.sample, encoded.modality, present)
        separate = model(images, present)
        assert torch.equal(fused.present, present)
        assert torch.allclose(model.decode(fused, (40, 56)), separate.logits, atol=1e-5)


def test_maps_are_the_unfused_features(tiny, images: Tensor) -> None:
    output = tiny()(images, PRESENT)
    for fused, dense in zip(output.features, output.maps, strict=True):
        mean = dense.sum(dim=1) / PRESENT.sum(dim=1)[:, None, None, None]
        assert torch.allclose(mean, fused, atol=1e-6)


def test_requests_that_make_no_sense_are_refused(tiny, images: Tensor) -> None:
    model = tiny()
    nothing = PRESENT.clone()
    nothing[1] = False
    with pytest.raises(ValueError, match="no modality is present in row 1"):
        model(images, nothing)
    with pytest.raises(ValueError, match="B 4 3 H W"):
        model(images[:, :3])
    with pytest.raises(ValueError, match="B 4 3 H W"):
        model.answers(images[:, :3], PRESENT[:, None, :3])
    with pytest.raises(ValueError, match=r"bool tensor of shape \(3, 4\)"):
        check_present(PRESENT[:2], 3, 4)
    encoded = model.encode_batch(images, PRESENT)
    with pytest.raises(ValueError, match="to be fused"):
        model.fuse(encoded.maps, encoded.sample, encoded.modality, torch.ones(3, 4, dtype=torch.bool))


class OwnEmbedding(nn.Module):
    """An encoder that treats every modality in a way of its own."""

    def __init__(self, widths: tuple[int, ...], modalities: int) -> None:
        super().__init__()
        self.scale = nn.Embedding(modalities, 1)
        self.layers = nn.ModuleList(
            nn.Conv2d(3, c, 4 * 2**s, stride=4 * 2**s, device="cpu") for s, c in enumerate(widths)
        )

    def forward(self, images: Tensor, modality: Tensor) -> list[Tensor]:
        return [layer(images * self.scale(modality)[..., None, None]) for layer in self.layers]


def test_an_encoder_may_know_the_modality(images: Tensor) -> None:
    encoder = OwnEmbedding((4, 4, 4, 4), 4)
    with torch.no_grad():
        encoder.scale.weight.copy_(torch.tensor([[1.0], [2.0], [0.0], [3.0]]))
    model = Segmenter(encoder, Decoder((4, 4, 4, 4), 3, width=8), num_modalities=4).eval()
    x = torch.randn(1, 4, 3, 64, 64, generator=Generator().manual_seed(0))
    maps = model(x).maps
    bias = [layer.get_parameter("bias") for layer in encoder.layers]
    for stage, b in zip(maps, bias, strict=True):
        assert torch.allclose(stage[0, 2], b[:, None, None].expand_as(stage[0, 2]))
        assert not torch.allclose(stage[0, 1], stage[0, 3])


@pytest.mark.parametrize("absence", ["remove", "zero"])
def test_several_subsets_are_answered_from_one_encoding(tiny, images: Tensor, absence: str) -> None:
    model = tiny(absence=absence)
    subsets = torch.stack([PRESENT, PRESENT.roll(1, 0)], dim=1)  # B D M
    subsets[:, :, 1] = False
    subsets[:, :, 3] = True
    images[:, 1] = torch.nan  # in no subset, so it reaches nothing
    with torch.no_grad():
        answers = model.answers(images, subsets)
        alone = [model.coarse(images, subset) for subset in subsets.unbind(1)]
    assert torch.allclose(answers.logits, torch.cat([output.logits for output in alone]), atol=1e-5)
    for mine, theirs in zip(answers.features, zip(*(output.features for output in alone), strict=True), strict=True):
        assert torch.allclose(mine, torch.cat(theirs), atol=1e-5)
    assert torch.equal(answers.encoded.present, subsets.any(dim=1))


def test_maps_are_spread_out_once(tiny, images: Tensor) -> None:
    output = tiny()(images, PRESENT)
    assert output.maps is output.maps
