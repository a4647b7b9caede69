import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from robustseg.models.tiles import TILE, axis, grid


@pytest.mark.parametrize(
    ("outputs", "inputs"), [(32, 16), (32, 8), (32, 4), (68, 34), (270, 68), (13, 7), (9, 2), (3, 1)]
)
def test_pieces_of_an_axis_are_the_interpolated_axis(outputs: int, inputs: int) -> None:
    values = torch.randn(inputs, generator=Generator().manual_seed(0))
    wanted = F.interpolate(values[None, None], size=outputs, mode="linear", align_corners=False)[0, 0]
    plan = axis(outputs, inputs)
    found = (plan.matrix @ values[plan.index][..., None]).flatten()
    assert torch.allclose(found[:outputs], wanted, atol=1e-5)
    assert len(found) % TILE == 0
    assert bool((found[outputs:] == found[outputs - 1]).all())


def test_whole_multiples_share_one_matrix() -> None:
    assert grid((64, 96), ((32, 48), (16, 24), (8, 12))).constant
    assert not grid((64, 96), ((33, 48), (16, 24), (8, 12))).constant


@pytest.mark.parametrize(
    ("target", "sizes"), [((16, 24), ((8, 12), (4, 6), (2, 3))), ((13, 21), ((7, 11), (4, 6), (2, 3)))]
)
def test_a_row_of_tiles_is_the_sum_of_the_upsampled_maps(
    target: tuple[int, int], sizes: tuple[tuple[int, int], ...]
) -> None:
    generator = Generator().manual_seed(1)
    maps = [torch.randn(size, generator=generator) for size in sizes]
    wanted = sum(F.interpolate(one[None, None], size=target, mode="bilinear")[0, 0] for one in maps)
    plan = grid(target, sizes)
    for y in range(-(-target[0] // TILE)):
        read = torch.cat([one[axis.index[y]].flatten() for one, axis in zip(maps, plan.rows, strict=True)])
        tiles = (plan.matrix(y) @ read[plan.index][..., None]).view(-1, TILE, TILE)  # X tile tile
        row = tiles.transpose(0, 1).flatten(1)[: target[0] - y * TILE, : target[1]]
        assert torch.allclose(row, wanted[y * TILE : (y + 1) * TILE], atol=1e-5)
