"""The MLP that computes its wide maps twice against the same written as single operations."""

import pytest
import torch
from torch import Generator, Tensor

from robustseg.models import mit
from robustseg.models.mit import MixedMLP
from robustseg.models.standard import initialise
from robustseg.models.trained_mlp import trained_mlp


def random_mlp(dtype: torch.dtype) -> tuple[MixedMLP, Tensor]:
    mlp = MixedMLP(5, 8)
    initialise(mlp, Generator().manual_seed(0))
    for parameter in mlp.parameters():
        parameter.data.add_(0.5 * torch.randn(parameter.shape, generator=Generator().manual_seed(1)))
    x = torch.randn(3, 6, 4, 5, generator=Generator().manual_seed(2)).to(dtype)
    return mlp.to(dtype), x.requires_grad_()


def results(mlp: MixedMLP, x: Tensor) -> list[Tensor]:
    out = mlp(x)
    return [out, *torch.autograd.grad(out.square().sum(), [x, *mlp.parameters()])]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_equals_single_operations(dtype, tolerance, monkeypatch):
    monkeypatch.setattr(mit, "CACHED", 1)
    mlp, x = random_mlp(dtype)
    in_pieces = results(mlp, x)
    monkeypatch.setattr(mit, "learns_in_pieces", lambda x: False)
    for one, other in zip(in_pieces, results(mlp, x), strict=True):
        assert (one - other).norm() <= tolerance * other.norm()


def test_gradient_is_right():
    mlp, x = random_mlp(torch.float64)
    assert torch.autograd.gradcheck(lambda x: trained_mlp(x, mlp.expand, mlp.depthwise, mlp.shrink), x, fast_mode=True)
