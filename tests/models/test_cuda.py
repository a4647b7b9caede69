"""What a GPU must do as a CPU does; skipped where there is none."""

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from robustseg import recipe
from robustseg.build import build_model
from robustseg.models.precision import in_precision

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture
def frames() -> Tensor:
    """B 2, M 4, 128 by 160 pixels."""
    return torch.randn(2, 4, 3, 128, 160, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_labels_are_those_of_a_cpu(tiny, frames: Tensor, precision: str) -> None:
    with torch.inference_mode():
        wanted = tiny()(frames).logits
    output = in_precision(tiny().cuda(), precision)
    got = output.labels(frames.cuda()).cpu()
    first, second = wanted.topk(2, dim=1).values.unbind(dim=1)
    sure = first - second > 0.05 * float(wanted.std())  # random weights have many ties, which rounding decides
    assert sure.float().mean() > 0.7
    assert (got == wanted.argmax(dim=1))[sure].float().mean() >= 0.999


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_forward_and_one_step(tiny, frames: Tensor, dtype: torch.dtype) -> None:
    model = tiny().cuda().train().requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    with torch.autocast("cuda", dtype):
        logits = model(frames.cuda()).logits
    labels = torch.randint(0, logits.shape[1], (2, 128, 160), device="cuda")
    torch.nn.functional.cross_entropy(logits.float(), labels).backward()
    optimizer.step()
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())
    changed = [not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    assert sum(changed) > 0.9 * len(changed)


def test_attention_never_makes_its_matrix(frames: Tensor) -> None:
    model = build_model(recipe.Model(backbone="mit_b0", width=32), 5, 4, seed=0).eval().cuda()
    fast = in_precision(model, "bf16")
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]):  # raises where neither can be used
        fast.labels(frames.cuda())
        model.labels(frames.cuda())
