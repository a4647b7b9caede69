import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from robustseg import recipe
from robustseg.build import build_model
from robustseg.models.mit import SHAPES, MiT
from robustseg.models.precision import in_precision
from robustseg.models.private import PRIVATE, NamedPatch, PrivateNorm, PrivatePatch, SharedNorm, SharedPatch, tensors_of
from robustseg.models.weights import expanded

MODALITY = torch.tensor([2, 0, 0, 1, 2])


@torch.no_grad()
def filled(part: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The part with other weights for every modality."""
    generator = Generator().manual_seed(seed)
    for parameter in part.parameters():
        parameter.normal_(generator=generator)
    return part


def values(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=Generator().manual_seed(seed))


@pytest.mark.parametrize("grad", [False, True])
def test_private_norm_equals_a_loop_over_rows(grad: bool) -> None:
    norm, x = filled(PrivateNorm(3, 6, 1e-6).double()), values(5, 2, 3, 6)
    expected = torch.stack(
        [F.layer_norm(one, (6,), norm.weight[m], norm.bias[m], 1e-6) for one, m in zip(x, MODALITY, strict=True)]
    )
    with torch.set_grad_enabled(grad):
        assert torch.allclose(norm(x, MODALITY), expected)


@pytest.mark.parametrize("size", [(9, 14), (7, 4), (32, 47)])
def test_private_patch_equals_a_loop_over_rows(size: tuple[int, int]) -> None:
    patch, x = filled(PrivatePatch(3, 2, 5, 7, 4).double()), values(5, *size, 2)
    expected = torch.stack(
        [
            F.conv2d(one.permute(2, 0, 1), patch.weight[m], patch.bias[m], stride=4, padding=3).permute(1, 2, 0)
            for one, m in zip(x, MODALITY, strict=True)
        ]
    )
    found = patch(x, MODALITY)
    assert torch.allclose(found, expected)
    assert found.is_contiguous()


@pytest.mark.parametrize("part", [PrivateNorm(3, 4), PrivatePatch(3, 4, 2, 3, 2)])
def test_gradients_of_private_parts(part: torch.nn.Module) -> None:
    filled(part.double())
    x = values(5, 3, 4, 4).requires_grad_()
    parameters = dict(part.named_parameters())

    def output(x: Tensor, *given: Tensor) -> Tensor:
        return torch.func.functional_call(part, dict(zip(parameters, given, strict=True)), (x, MODALITY))

    assert torch.autograd.gradcheck(output, (x, *parameters.values()))


def test_a_modality_that_is_not_there_learns_nothing() -> None:
    for part in (PrivateNorm(3, 4), PrivatePatch(3, 4, 2, 3, 2)):
        part(torch.ones(2, 3, 4, 4), torch.tensor([0, 2])).square().sum().backward()
        for parameter in part.parameters():
            assert parameter.grad is not None
            assert (parameter.grad[1] == 0).all()


def private_model(tiny, *private: str, **fields: object):
    """A private network and the network that shares, of which it is a copy."""
    shared, model = tiny(**fields), tiny(private=private, **fields)
    model.load_state_dict(expanded(shared.state_dict(), model))
    return shared, model


@torch.no_grad()
@pytest.mark.parametrize("private", [("patch",), ("norm",), ("patch", "norm")])
@pytest.mark.parametrize("absence", ["remove", "zero"])
def test_a_copy_of_a_shared_network_computes_the_same(tiny, images: Tensor, private, absence: str) -> None:
    shared, model = private_model(tiny, *private, absence=absence)
    present = torch.tensor([[True, False, True, False], [False, False, False, True], [True, True, True, True]])
    assert torch.allclose(model(images, present).logits, shared(images, present).logits, atol=1e-5)
    assert set(tensors_of(model, PRIVATE)) == {
        name for name, tensor in model.state_dict().items() if tensor.shape != shared.state_dict()[name].shape
    }


@torch.no_grad()
def test_the_modality_of_a_row_decides_not_its_place(tiny, images: Tensor) -> None:
    model = tiny(private=("patch", "norm"))
    flat, modality = images[:, 0], torch.tensor([3, 0, 3])
    maps = model.encode(flat, modality)
    for place in range(3):
        alone = model.encode(flat[place : place + 1], modality[place : place + 1])
        assert all(torch.allclose(one[place], own[0], atol=1e-5) for one, own in zip(maps, alone, strict=True))
    other = model.encode(flat, torch.tensor([1, 0, 3]))
    assert not torch.allclose(maps[0][0], other[0][0], atol=1e-2)


def test_private_and_shared_networks_start_as_the_same_function() -> None:
    images = torch.randn(2, 3, 3, 40, 56, generator=Generator().manual_seed(0))
    for absence in ("remove", "zero"):
        fields = {"width": 24, "absence": absence}
        shared = build_model(recipe.Model(**fields), 5, 3, seed=4).eval()
        model = build_model(recipe.Model(private=("norm", "patch"), **fields), 5, 3, seed=4).eval()
        assert torch.allclose(model(images).logits, shared(images).logits, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("cached", [1, 3000, 20_000])
def test_pieces_give_the_same_maps(monkeypatch: pytest.MonkeyPatch, tiny, images: Tensor, cached: int) -> None:
    encoder = tiny(private=("patch", "norm")).encoder
    modality = torch.tensor([1, 3, 0])
    with torch.enable_grad():  # with gradients, everything is computed as a whole
        wanted = encoder(images[:, 0], modality)
    monkeypatch.setattr("robustseg.models.mit.CACHED", cached)
    found = encoder(images[:, 0], modality)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(found, wanted, strict=True))


def test_recomputing_blocks_changes_nothing() -> None:
    gradients = []
    for recompute in (False, True):
        fields = {"recompute": recompute, "drop_path": 0.0}
        encoder = MiT(
            SHAPES["mit_nano"], patch=lambda *s: PrivatePatch(2, *s), norm=lambda *s: PrivateNorm(2, *s), **fields
        )
        filled(encoder).train()
        with torch.no_grad():
            [parameter.mul_(0.1) for parameter in encoder.parameters()]
        maps = encoder(values(2, 3, 32, 32).float(), torch.tensor([1, 0]))
        gradients.append(torch.autograd.grad(sum(stage.pow(3).sum() for stage in maps), list(encoder.parameters())))
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:this processor")
def test_a_private_encoder_in_fewer_bits(tiny, images: Tensor) -> None:
    model = tiny(private=("patch", "norm"))
    low, whole = in_precision(model, "bf16")(images).logits, model(images).logits
    assert low.dtype == torch.float32
    assert (low - whole).abs().max() < 0.1 * whole.abs().max()


def test_shared_parts_are_torchs_own() -> None:
    assert set(SharedNorm(4).state_dict()) == set(PrivateNorm(2, 4).state_dict()) == {"weight", "bias"}
    x = values(2, 5, 6, 3).float()
    patch = SharedPatch(3, 4, 3, 2)
    expected = F.conv2d(x.permute(0, 3, 1, 2), patch.weight, patch.bias, stride=2, padding=1).permute(0, 2, 3, 1)
    assert torch.equal(patch(x, torch.zeros(2, dtype=torch.int64)), expected)


def test_an_identity_is_added_to_the_shared_patch() -> None:
    named, x = filled(NamedPatch(3, 2, 5, 7, 4).double()), values(5, 9, 14, 2)
    plain = F.conv2d(x.permute(0, 3, 1, 2), named.weight, named.bias, stride=4, padding=3).permute(0, 2, 3, 1)
    expected = torch.stack([one + named.identity.weight[m] for one, m in zip(plain, MODALITY, strict=True)])
    assert torch.allclose(named(x, MODALITY), expected)


@torch.no_grad()
def test_a_network_with_identities_starts_as_one_without() -> None:
    plain = build_model(recipe.Model(width=16), 3, 3, seed=0).eval()
    named = build_model(recipe.Model(width=16, private=("identity",)), 3, 3, seed=1).eval()
    named.load_state_dict(expanded(plain.state_dict(), named))
    images = values(2, 3, 3, 40, 56).float()
    assert torch.allclose(named(images).logits, plain(images).logits, atol=1e-6)
    with pytest.raises(ValueError, match="a private patch has an identity"):
        recipe.Model(private=("patch", "identity"))
