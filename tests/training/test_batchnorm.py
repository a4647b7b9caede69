import copy
from functools import partial

import pytest
import torch
from spawned import Slope, batchnorm_steps, slope_gradients
from torch import Generator, Tensor, distributed, nn

from robustseg.build import build_model
from robustseg.models.weights import structure
from robustseg.recipe import Machine, Model
from robustseg.training.batchnorm import SharedBatchNorm, share_batchnorm
from robustseg.training.processes import launch


def network() -> nn.Sequential:
    """Two norms, so that the gradient of one depends on the other's statistics."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2))
    generator = Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data.normal_(generator=generator)
    return model.double()


def images(frames: int) -> Tensor:
    shift = 50 * torch.arange(frames)[:, None, None, None]  # frames differ, and lie far from 0
    return torch.randn(frames, 3, 7, 6, generator=Generator().manual_seed(1), dtype=torch.float64) + shift


def result(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Outputs, gradients and buffers of two training steps without update."""
    outputs = []
    for _ in range(2):
        model.zero_grad()
        outputs.append(model(x))
        outputs[-1].pow(3).mean().backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return [*(output.detach() for output in outputs), *gradients, *model.buffers()]


def test_two_equal_processes_are_one_with_the_double_batch(monkeypatch):
    plain, shared = network(), network()
    share_batchnorm(shared)
    expected = result(plain, torch.cat([images(3), images(3)]))
    monkeypatch.setattr(distributed, "all_reduce", lambda tensor: tensor.mul_(2))
    got = result(shared, images(3))
    expected[:2] = [output[:3] for output in expected[:2]]
    assert len(got) == len(expected) == 2 + 8 + 6
    assert all(torch.allclose(one, other, rtol=1e-9, atol=1e-9) for one, other in zip(got, expected, strict=True))


def test_gradients_of_gradients_know_all_processes(monkeypatch):
    def penalty_gradients(model: nn.Module, x: Tensor) -> list[Tensor]:
        x = x.requires_grad_()
        (slope,) = torch.autograd.grad(model(x).pow(3).sum(), x, create_graph=True)
        slope.square().sum().backward()
        gradients = [parameter.grad for parameter in model.parameters()]
        return [torch.zeros(()) if gradient is None else gradient for gradient in gradients]

    plain, shared = network(), network()
    share_batchnorm(shared)
    expected = penalty_gradients(plain, torch.cat([images(3), images(3)]))
    monkeypatch.setattr(distributed, "all_reduce", lambda tensor: tensor.detach().mul_(2))  # autograd does not see it
    for one, both in zip(penalty_gradients(shared, images(3)), expected, strict=True):
        assert torch.allclose(2 * one, both, rtol=1e-7, atol=1e-7 * float(both.abs().max()) + 1e-12)


def test_in_evaluation_it_is_a_batchnorm():
    plain = network()
    result(plain, images(3))  # gives it statistics
    shared = copy.deepcopy(plain)
    share_batchnorm(shared)
    assert torch.equal(shared.eval()(images(2)), plain.eval()(images(2)))


def test_weights_and_names_stay_and_fit_the_plain_network(toy_model):
    model = build_model(Model(width=16), len(toy_model.card.classes), len(toy_model.card.modalities), seed=0)
    before = copy.deepcopy(model.state_dict())
    share_batchnorm(model)
    assert [type(m) for m in model.modules() if isinstance(m, nn.BatchNorm2d)] == [SharedBatchNorm]
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    structure(toy_model.card).load_state_dict(model.state_dict(), assign=True)


def test_half_precision_is_normalised_in_full(monkeypatch):
    monkeypatch.setattr(distributed, "all_reduce", lambda tensor: tensor)
    norm = SharedBatchNorm(2)
    x = 1000 + torch.randn(2, 2, 8, 8, generator=Generator().manual_seed(0)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        out = norm(x)
    assert out.dtype == torch.bfloat16
    assert torch.allclose(out, nn.BatchNorm2d(2)(x.float()).bfloat16(), atol=1e-2)


@pytest.mark.slow
def test_two_processes_are_one_with_the_double_batch():
    """Data-parallel gradients, averaged over the processes, are those of the whole batch's mean loss."""
    model = network()
    expected = result(copy.deepcopy(model), images(6))
    got = launch(Machine(accelerator="cpu", devices=2), partial(batchnorm_steps, model=model, images=images(6)))
    expected[:2] = [output[:3] for output in expected[:2]]  # the first process's half
    for one, other in zip(got, expected, strict=True):
        assert torch.allclose(torch.tensor(one, dtype=other.dtype), other, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_gradients_of_gradients_over_two_processes_are_those_of_the_double_batch():
    model = network()
    whole = copy.deepcopy(model)
    Slope(whole)(images(6), 6).backward()
    expected = [parameter.grad for parameter in whole.parameters() if parameter.grad is not None]
    got = launch(Machine(accelerator="cpu", devices=2), partial(slope_gradients, model=model, images=images(6)))
    for one, other in zip(got, expected, strict=True):
        assert torch.allclose(torch.tensor(one, dtype=other.dtype), other, rtol=1e-7, atol=1e-9)
