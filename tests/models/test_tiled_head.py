"""Tile by tile against the head as a whole."""

import pytest
import torch
from torch import Generator, Tensor, nn

from robustseg.models import tiled_head
from robustseg.models.decoder import Decoder
from robustseg.models.fusion import Fused
from robustseg.models.standard import initialise

WIDTHS = (6, 8, 10, 12)
SIZES = {
    "multiples of 32": ((16, 24), (8, 12), (4, 6), (2, 3)),
    "other sizes": ((13, 21), (7, 11), (4, 6), (2, 3)),
    "smallest": ((8, 8), (4, 4), (2, 2), (1, 1)),
}


@pytest.fixture
def head() -> Decoder:
    decoder = Decoder(WIDTHS, 5, width=16)
    generator = Generator().manual_seed(0)
    initialise(decoder, generator)
    with torch.no_grad():
        for tensor in decoder.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape, generator=generator))
    return decoder.eval()


def random_maps(sizes: tuple[tuple[int, int], ...], count: int = 3) -> list[Tensor]:
    generator = Generator().manual_seed(2)
    return [torch.randn(count, c, *size, generator=generator) for c, size in zip(WIDTHS, sizes, strict=True)]


def whole(head: Decoder, maps: list[Tensor]) -> Tensor:
    """With gradients on, the head is computed as a whole."""
    return head(Fused(maps, torch.ones(len(maps[0]), 2, dtype=torch.bool))).detach()


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("cached", [1, 5000, 2**20])
def test_tiles_give_the_logits_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, head: Decoder, sizes: tuple[tuple[int, int], ...], cached: int
) -> None:
    monkeypatch.setattr(tiled_head, "CACHED", cached)
    maps = random_maps(sizes)
    wanted = whole(head, maps)
    with torch.inference_mode():
        assert head.tiled(maps)
        assert torch.allclose(head(Fused(maps, torch.ones(3, 2, dtype=torch.bool))), wanted, atol=1e-5)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_mixtures_are_the_logits_of_the_means(head: Decoder, sizes: tuple[tuple[int, int], ...]) -> None:
    maps = random_maps(sizes)
    weights = torch.tensor([[1.0, 0, 0], [0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3], [0, 0.25, 0.75]])
    means = [torch.einsum("qn,nchw->qchw", weights, stage) for stage in maps]
    with torch.inference_mode():
        assert torch.allclose(head.mixtures(maps, weights), whole(head, means), atol=1e-5)


def test_weights_are_multiplied_again_once_they_change(head: Decoder) -> None:
    maps = random_maps(SIZES["smallest"])
    fused = Fused(maps, torch.ones(3, 2, dtype=torch.bool))
    with torch.no_grad():
        before = head(fused)
        assert head.folded() is head.folded()
        head.classifier.weight.mul_(2)
        head.norm.get_buffer("running_mean").add_(1)
        after = head(fused)
    assert not torch.allclose(before, after)
    assert torch.allclose(after, whole(head, maps), atol=1e-5)


@pytest.mark.parametrize("change", ["training", "gradients", "other type"])
def test_where_the_whole_is_computed(head: Decoder, change: str) -> None:
    maps = random_maps(SIZES["smallest"])
    if change == "training":
        head.train()
    if change == "other type":
        maps = [stage.bfloat16() for stage in maps]
    with torch.set_grad_enabled(change == "gradients"):
        assert not head.tiled(maps)


def test_half_precision(head: Decoder) -> None:
    maps = random_maps(SIZES["multiples of 32"])
    wanted = whole(head, maps)
    half = nn.Module.to(head, torch.bfloat16)
    with torch.inference_mode():
        found = half(Fused([stage.bfloat16() for stage in maps], torch.ones(3, 2, dtype=torch.bool)))
    assert found.dtype == torch.bfloat16
    assert float((found.float() - wanted).abs().max()) < 0.05 * float(wanted.abs().max())
