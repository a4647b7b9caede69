import pytest
import torch
from torch.nn import functional as F

from robustseg.distill import strips
from robustseg.distill.strips import Strips, bands, with_gradient

SIZES = [
    ((4, 6), (16, 24)),
    ((4, 6), (17, 300)),
    ((1, 1), (5, 7)),
    ((6, 5), (6, 5)),
    ((8, 9), (3, 4)),
    ((3, 150), (9, 450)),
]


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("small", "large"), SIZES)
@pytest.mark.parametrize("budget", [1, 2**20])
def test_strips_are_the_upsampled_logits_and_lead_back(small, large, budget, monkeypatch):
    monkeypatch.setattr(strips, "STRIP_BYTES", budget)
    logits = random(2, 3, *small, seed=0).requires_grad_()
    above = random(2, 3, *large, seed=1)
    expected = F.interpolate(logits, size=large, mode="bilinear", align_corners=False)
    expected.backward(above)
    plan, gradient = Strips(logits, large), torch.zeros_like(logits)
    with torch.no_grad():
        strip = torch.cat([plan.up(logits, rows) for rows in plan], dim=2)
        for rows in plan:
            plan.add_down(gradient, above[:, :, rows.outputs], rows)
    assert [rows.outputs.start for rows in plan] == (list(range(large[0])) if budget == 1 else [0])
    torch.testing.assert_close(strip, expected.detach())
    torch.testing.assert_close(gradient, logits.grad)


def test_a_band_is_worked_out_by_hand():
    (only,) = bands(2, 4, 128, torch.float64, torch.device("cpu"))
    assert only.weights.tolist() == [[1.0, 0.75, 0.25, 0.0], [0.0, 0.25, 0.75, 1.0]]


def test_a_known_gradient_is_scaled_and_takes_the_logits_type():
    logits = random(1, 2, 2, 2, seed=0).to(torch.bfloat16).requires_grad_()
    (3 * with_gradient(torch.tensor(5.0), logits, torch.ones(1, 2, 2, 2))).backward()
    assert logits.grad is not None
    assert logits.grad.dtype == torch.bfloat16
    assert (logits.grad == 3).all()
