import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from robustseg.models.decoder import Decoder
from robustseg.models.fusion import Fused
from robustseg.models.standard import initialise

WIDTHS = (6, 8, 10, 12)


def naive_head(head: Decoder, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
    """As the paper has it: linear, upsample, concatenate from the last stage to the first, mix."""
    embedded = []
    for features, linear in zip(maps, head.linears, strict=True):
        x = linear(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        embedded.append(F.interpolate(x, size=maps[0].shape[-2:], mode="bilinear", align_corners=False))
    x = F.conv2d(torch.cat(embedded[::-1], dim=1), head.fuse.weight)
    x = head.classifier(F.relu(head.norm(x)))
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


@pytest.fixture
def head() -> Decoder:
    decoder = Decoder(WIDTHS, 5, width=16, dropout=0.0).double()
    initialise(decoder, Generator().manual_seed(0))
    for parameter in decoder.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=Generator().manual_seed(1), dtype=torch.float64))
    return decoder


@pytest.fixture
def fused() -> Fused:
    generator = Generator().manual_seed(2)
    sizes = ((9, 13), (5, 7), (3, 4), (2, 2))
    maps = [
        torch.randn(2, c, *size, dtype=torch.float64, generator=generator)
        for c, size in zip(WIDTHS, sizes, strict=True)
    ]
    return Fused(maps, torch.ones(2, 3, dtype=torch.bool))


@pytest.mark.parametrize("training", [False, True])
def test_folded_head_equals_the_unfolded_one(head: Decoder, fused: Fused, training: bool) -> None:
    head.train(training)
    assert torch.allclose(head(fused, (35, 50)), naive_head(head, fused.maps, (35, 50)), atol=1e-10)


def test_folded_head_learns_as_the_unfolded_one(head: Decoder, fused: Fused) -> None:
    head.train()
    head(fused, (35, 50)).square().sum().backward()
    folded = {name: p.grad.clone() for name, p in head.named_parameters() if p.grad is not None}
    head.zero_grad()
    naive_head(head, fused.maps, (35, 50)).square().sum().backward()
    for name, parameter in head.named_parameters():
        assert torch.allclose(folded[name], parameter.grad, rtol=1e-8, atol=1e-6), name
