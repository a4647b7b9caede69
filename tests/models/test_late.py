import torch
from torch import Tensor

from robustseg.models.late import log_mean_probabilities

PRESENT = torch.tensor([[True, False, True, False], [False, False, False, True], [True, True, True, True]])


@torch.no_grad()
def test_probabilities_are_the_mean_of_those_of_single_modalities(tiny, images: Tensor) -> None:
    model, alone = tiny(fusion="late"), tiny()
    alone.load_state_dict(model.state_dict())
    got = model.coarse(images, PRESENT)
    for b in range(3):
        each = []
        for place in PRESENT[b].nonzero().squeeze(1).tolist():
            only = torch.arange(4) == place
            each.append(alone.coarse(images[b : b + 1], only[None]).logits.softmax(dim=1))
        mean = torch.stack(each).mean(dim=0)
        assert torch.allclose(got.logits[b].exp(), mean[0], atol=1e-5)
    for mine, theirs in zip(got.maps, alone.coarse(images, PRESENT).maps, strict=True):
        assert torch.equal(mine, theirs)


def test_absent_modalities_are_not_decoded_and_batchnorm_sees_the_others(tiny, images: Tensor) -> None:
    model = tiny(fusion="late").train()
    seen = []
    model.decoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    model(images, PRESENT)
    assert [len(stage) for stage in seen[0].maps] == [7, 7, 7, 7]
    assert seen[0].present.sum(dim=1).tolist() == [1] * 7
    assert int(model.decoder.get_submodule("norm").get_buffer("num_batches_tracked")) == 1


def test_the_log_of_the_mean_equals_a_loop_and_is_finite_where_probabilities_vanish() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 3, 2, 2, dtype=torch.float64, generator=generator)
    got = log_mean_probabilities(logits, PRESENT)
    samples = PRESENT.nonzero()[:, 0]
    for b in range(3):
        assert torch.allclose(got[b].exp(), logits[samples == b].softmax(dim=1).mean(dim=0))
    extreme = torch.zeros(7, 3, 1, 1).index_fill(1, torch.tensor(0), 1e4).requires_grad_()
    result = log_mean_probabilities(extreme, PRESENT)
    result.sum().backward()
    assert result.isfinite().all()
    assert extreme.grad is not None
    assert extreme.grad.isfinite().all()
    assert torch.autograd.gradcheck(log_mean_probabilities, (logits.requires_grad_(), PRESENT))


@torch.no_grad()
def test_it_may_start_from_the_standard_network(tiny, images: Tensor) -> None:
    standard, model = tiny(), tiny(fusion="late")
    for parameter in model.parameters():
        parameter.zero_()
    model.load_state_dict(standard.state_dict())
    for place in range(4):  # of one modality there is nothing to fuse
        alone = (torch.arange(4) == place).expand(3, 4)
        expected = standard.coarse(images, alone).logits.log_softmax(dim=1)
        assert torch.allclose(model.coarse(images, alone).logits, expected, atol=1e-5)


@torch.no_grad()
def test_the_order_of_the_rows_makes_no_difference(tiny, images: Tensor) -> None:
    model, every = tiny(fusion="late"), torch.ones(3, 4, dtype=torch.bool)
    encoded = model.encode_batch(images, every)
    shuffled = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    maps = [stage[shuffled] for stage in encoded.maps]
    fused = model.fuse(maps, encoded.sample[shuffled], encoded.modality[shuffled], every)
    expected = model.fuse(encoded.maps, encoded.sample, encoded.modality, every)
    assert all(torch.equal(one, other) for one, other in zip(fused.maps, expected.maps, strict=True))
