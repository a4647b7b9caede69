import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from robustseg.build import build_model
from robustseg.models.early import EarlyFusion, FirstConvolution
from robustseg.models.mit import SHAPES, MiT
from robustseg.models.released import released_name
from robustseg.recipe import Model

PRESENT = torch.tensor([[True, False, True, False], [False, False, False, True], [True, True, True, True]])


def wide_encoder(model: EarlyFusion) -> MiT:
    """A plain encoder of 3M channels with the same weights."""
    encoder = MiT(SHAPES["mit_nano"])
    state = dict(model.trunk.state_dict())
    state["stages.0.embed.weight"] = model.encoder.get_parameter("convolution.weight").detach()
    embed = encoder.get_submodule("stages.0.embed")
    embed.register_parameter("weight", torch.nn.Parameter(torch.empty_like(state["stages.0.embed.weight"])))
    encoder.load_state_dict(state)
    return encoder.eval()


@torch.no_grad()
def test_it_is_an_encoder_of_concatenated_channels_with_zeros_for_the_absent(tiny, images: Tensor) -> None:
    model = tiny(fusion="early")
    concatenated = images.masked_fill(~PRESENT[:, :, None, None, None], 0).flatten(1, 2)  # B 3M H W
    x, expected = concatenated.permute(0, 2, 3, 1), []
    for stage in wide_encoder(model).stages:
        x = stage(x, torch.zeros(3, dtype=torch.int64))
        expected.append(x.permute(0, 3, 1, 2))
    output = model(images, PRESENT)
    for got, stage in zip(output.features, expected, strict=True):
        assert torch.allclose(got, stage, atol=1e-4)
    assert len(output.maps) == 1


def test_rows_are_convolved_with_their_own_modalitys_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    first = FirstConvolution(3, 4).double()
    images = torch.randn(5, 3, 33, 40, dtype=torch.float64, generator=generator)
    modality = torch.tensor([2, 0, 0, 1, 2])
    (maps,) = first(images, modality)
    for row, image, place in zip(maps, images, modality.tolist(), strict=True):
        weight = first.convolution.weight[:, 3 * place : 3 * place + 3]
        assert torch.allclose(row, F.conv2d(image[None], weight, stride=4, padding=3)[0])


def test_gradients_of_the_first_convolution() -> None:
    first = FirstConvolution(2, 2).double()
    images = torch.randn(3, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    modality = torch.tensor([1, 1, 1])

    def weighed(weight: Tensor) -> Tensor:
        (maps,) = torch.func.functional_call(first, {"convolution.weight": weight}, (images, modality))
        return maps[..., ::4, ::4]

    weight = first.convolution.weight.detach().requires_grad_()
    assert torch.autograd.gradcheck(weighed, weight, fast_mode=True)
    (gradient,) = torch.autograd.grad(weighed(weight).sum(), weight)
    assert (gradient[:, :3] == 0).all()  # no image of the first modality
    assert (gradient[:, 3:] != 0).all()


@torch.no_grad()
def test_started_from_a_file_each_modality_alone_is_encoded_as_the_file_does(tmp_path, images: Tensor) -> None:
    plain = build_model(Model(width=16), 2, 1, seed=9).eval()
    state = {released_name(f"encoder.{name}"): tensor for name, tensor in plain.encoder.state_dict().items()}
    torch.save({name.removeprefix("encoder."): tensor for name, tensor in state.items()}, tmp_path / "mit.pth")
    before = torch.get_rng_state()
    model = build_model(Model(width=16, fusion="early", encoder_weights=str(tmp_path / "mit.pth")), 2, 4, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    for place in range(4):
        present = (torch.arange(4) == place).expand(3, 4)
        expected = plain.encode(images[:, place], torch.zeros(3, dtype=torch.int64))
        for got, stage in zip(model.eval()(images, present).features, expected, strict=True):
            assert torch.allclose(got, stage, atol=1e-4)


def test_private_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="fusion 'early' has no private parts"):
        Model(fusion="early", private=("patch",))
