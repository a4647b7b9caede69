import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from robustseg.distill import better_half, consistency
from robustseg.distill.similarity import dominant, similarity


@pytest.fixture
def logits() -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    part, whole = (torch.randn(3, 6, 4, 6, generator=draw, dtype=torch.float64).requires_grad_() for _ in range(2))
    return {"part": part, "whole": whole}


def test_equals_whole_logits(case, logits):
    loss = consistency(**logits, labels=case.labels, threshold=1.0)
    large = {
        name: F.interpolate(value.detach(), (16, 24), mode="bilinear").log_softmax(1) for name, value in logits.items()
    }
    right = F.nll_loss(large["part"], case.labels, ignore_index=255)
    alike = F.kl_div(large["part"], large["whole"], reduction="none", log_target=True).sum(1).mean()
    assert loss.item() == pytest.approx((right + alike).item(), rel=1e-10)


def test_gradient_is_right_and_reaches_the_part_only(case, logits):
    consistency(**logits, labels=case.labels).backward()
    assert logits["part"].grad.norm() > 0
    assert logits["whole"].grad is None
    whole = logits["whole"].detach()
    assert torch.autograd.gradcheck(
        lambda part: consistency(part=part, whole=whole, labels=case.labels), logits["part"], fast_mode=True
    )


def test_better_half_equals_a_loop():
    sample = torch.tensor([0, 0, 0, 1, 1, 2, -1, -1])
    modality = torch.tensor([0, 1, 2, 0, 2, 1, 0, 1])
    draw = torch.Generator().manual_seed(1)
    maps = [torch.randn(8, 5, 3, 4, generator=draw), 3 * torch.randn(8, 4, 2, 2, generator=draw)]
    asked = torch.tensor([[True, True, True], [False, False, True], [False, True, False]])
    for stage in maps:
        stage[3] = torch.nan  # encoded, but not asked for
    chosen = better_half(maps, sample, modality, asked)
    rows = [stage[:3].permute(0, 2, 3, 1) for stage in maps]
    scores = torch.stack([similarity(stage, sample[:3]) for stage in rows]).mean(0)
    assert chosen[0].tolist() == dominant(scores, sample[:3]).tolist()
    assert chosen.sum(1).tolist() == [2, 1, 1]
    assert torch.equal(chosen[1:], asked[1:])
