import math

import pytest
import torch

from robustseg.distill import class_weights

SHARES = [0.5, 0.3, 0.1996, 0.0004, 0.0]


@pytest.mark.parametrize("kind", ["inverse", "log"])
def test_equals_the_formula_class_by_class(kind):
    raw = []
    for share in SHARES:
        floored = max(share, 0.001)  # the rare and the unseen class alike
        raw.append(1 / floored if kind == "inverse" else 1 / math.log(1.02 + floored))
    average = sum(share * weight for share, weight in zip(SHARES, raw, strict=True))
    weights = class_weights(torch.tensor(SHARES, dtype=torch.float64), kind)
    assert weights.tolist() == pytest.approx([weight / average for weight in raw], rel=1e-12)


def test_the_rare_are_heavier_and_a_pixel_weighs_1_on_average():
    share = torch.tensor(SHARES, dtype=torch.float64)
    for kind in ("inverse", "log"):
        weights = class_weights(share, kind)
        assert (weights.diff() >= 0).all()
        assert weights[3] == weights[4]
        assert (share * weights).sum().item() == pytest.approx(1)


def test_nothing_labelled_is_no_preference():
    assert class_weights(torch.zeros(3), "inverse").tolist() == [1, 1, 1]
