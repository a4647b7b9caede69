import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from robustseg.models import upsampling
from robustseg.models.upsampling import labels_at, upsampled, upsampled_strips


@pytest.mark.parametrize("size", [(36, 52), (35, 50), (9, 13), (18, 60), (4, 5)])
@pytest.mark.parametrize("strip", [1, 700, 6000, 2**20])
def test_strips_are_the_upsampled_logits(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], strip: int) -> None:
    monkeypatch.setattr(upsampling, "STRIP", strip)
    logits = torch.randn(2, 5, 9, 13, generator=Generator().manual_seed(0))
    whole = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    joined = torch.full_like(whole, torch.nan)
    for samples, rows, part in upsampled_strips(logits, size):
        joined[samples, :, rows] = part
    assert torch.allclose(joined, whole, atol=1e-6)
    assert torch.equal(labels_at(logits, size), joined.argmax(dim=1))


def test_logits_of_the_right_size_are_not_copied() -> None:
    logits = torch.zeros(1, 3, 4, 5)
    assert upsampled(logits, (4, 5)) is logits


def test_where_nothing_is_a_number_the_label_is_a_class_all_the_same() -> None:
    assert int(labels_at(torch.full((1, 3, 2, 2), torch.nan), (4, 4)).max()) == 2
