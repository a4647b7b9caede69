"""The head by tiles against the same written as single operations."""

import pytest
import torch
from torch import Generator, Tensor

from robustseg.models.decoder import Decoder
from robustseg.models.fusion import Fused
from robustseg.models.standard import initialise
from robustseg.models.trained_head import tiles_fit, trained_head

WIDTHS = (6, 8, 10, 12)


def decoder(dtype: torch.dtype, dropout: float = 0.3) -> Decoder:
    made = Decoder(WIDTHS, 5, width=16, dropout=dropout).to(dtype)
    initialise(made, Generator().manual_seed(0))
    for parameter in made.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=Generator().manual_seed(1)).to(dtype))
    return made.train()


def random_maps(size: tuple[int, int], dtype: torch.dtype, samples: int = 2) -> list[Tensor]:
    generator = Generator().manual_seed(2)
    shapes = [(samples, width, size[0] // f, size[1] // f) for width, f in zip(WIDTHS, (1, 2, 4, 8), strict=True)]
    return [(3 + torch.randn(shape, generator=generator)).to(dtype).requires_grad_() for shape in shapes]


def results(made: Decoder, maps: list[Tensor]) -> dict[str, Tensor]:
    """Logits, running statistics, and the gradients of every parameter and map."""
    torch.manual_seed(7)
    made.norm.reset_running_stats()
    logits = made(Fused(maps, torch.ones(len(maps[0]), 1, dtype=torch.bool)))
    above = torch.randn(logits.shape, generator=Generator().manual_seed(3)).to(logits)
    parameters = dict(made.named_parameters())
    found = torch.autograd.grad(logits, [*parameters.values(), *maps], above)
    names = [*parameters, *(f"map {stage}" for stage in range(len(maps)))]
    return dict(zip(names, found, strict=True)) | {"logits": logits} | dict(made.norm.named_buffers())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("size", "samples"), [((16, 24), 2), ((8, 56), 1)])
def test_equals_single_operations(dtype, tolerance, size, samples, monkeypatch):
    made, maps = decoder(dtype), random_maps(size, dtype, samples)
    by_tiles = results(made, maps)
    monkeypatch.setattr(Decoder, "_learns_by_tiles", lambda self, maps: False)
    plainly = results(made, maps)
    assert by_tiles.keys() == plainly.keys()
    for name, value in plainly.items():
        if name.startswith("linears") and name.endswith("bias"):  # 0, as BatchNorm takes a constant away again
            assert not by_tiles[name].any()
            continue
        assert (by_tiles[name] - value).double().norm() <= tolerance * value.double().norm(), name


def test_gradient_is_right():
    maps = random_maps((8, 8), torch.float64)[:2]
    draw = Generator().manual_seed(4)
    matrices = [torch.randn(4, width, generator=draw, dtype=torch.float64) for width in WIDTHS[:2]]
    weight, bias = torch.randn(2, 4, generator=draw, dtype=torch.float64)
    classifier = torch.randn(2, 3, 4, generator=draw, dtype=torch.float64)
    free = [x.requires_grad_() for x in (*maps, *matrices, weight, bias, classifier)]

    def logits(first, second, one, two, weight, bias, classifier):
        return trained_head([first, second], [one, two], (weight, bias, 1e-5), classifier)[0]

    assert torch.autograd.gradcheck(logits, free, fast_mode=True)


@pytest.mark.parametrize(
    ("sizes", "fits"),
    [
        (((16, 24), (8, 12), (4, 6), (2, 3)), True),
        (((12, 24), (6, 12), (3, 6), (2, 3)), False),
        (((16, 16), (8, 8), (4, 8)), False),
        (((16, 16), (8, 7)), False),
        (((16, 16), (1, 1)), False),
        (((8, 8), (16, 16)), False),
        (((8, 8), (8, 8)), False),
    ],
)
def test_which_maps_fit(sizes, fits):
    assert tiles_fit([torch.zeros(1, 1, *size) for size in sizes]) == fits


def test_half_precision_and_frozen_statistics_take_the_plain_way():
    made, maps = decoder(torch.float32), random_maps((16, 16), torch.float32)
    assert made._learns_by_tiles(maps)
    with torch.autocast("cpu", torch.bfloat16):
        assert not made._learns_by_tiles(maps)
        assert made(Fused(maps, torch.ones(2, 1, dtype=torch.bool))).dtype == torch.bfloat16
    made.norm.eval()
    assert not made._learns_by_tiles(maps)
