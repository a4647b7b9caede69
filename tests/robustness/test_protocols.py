import math

import pytest
import torch

from robustseg.failures import all_subsets, few_subsets
from robustseg.robustness.protocols import emm_average, emm_expected, failure_weights


@pytest.mark.parametrize(("count", "rate", "expected"), [(4, 0.2, 0.410), (4, 0.1, 0.656), (4, 0.05, 0.815)])
def test_the_full_set_weighs_as_published(count: int, rate: float, expected: float) -> None:
    weights = failure_weights(all_subsets(count), rate)
    assert weights.sum().item() == pytest.approx(1)
    assert weights[-1].item() == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize(("rate", "expected"), [(0.2, 0.516), (0.1, 0.730), (0.05, 0.858)])
def test_three_modalities_weigh_as_published(rate: float, expected: float) -> None:
    assert failure_weights(all_subsets(3), rate)[-1].item() == pytest.approx(expected, abs=6e-4)


def test_a_published_row_has_its_mean() -> None:
    row = [47.11, 52.17, 17.33, 19.01, 60.37, 47.49, 48.13, 52.82, 52.29, 21.47, 60.16, 60.60, 47.98, 52.44, 60.26]
    assert emm_average(torch.tensor(row)) == pytest.approx(46.64, abs=0.005)


def test_the_expectation_matches_a_loop() -> None:
    subsets = all_subsets(3)
    scores = torch.arange(7, dtype=torch.float64)
    top = bottom = 0.0
    for subset, score in zip(subsets.tolist(), scores.tolist(), strict=True):
        missing = 3 - sum(subset)
        chance = 0.1**missing * 0.9 ** (3 - missing)
        top, bottom = top + chance * score, bottom + chance
    assert emm_expected(scores, subsets, 0.1) == pytest.approx(top / bottom)
    assert math.isnan(emm_expected(scores[:5], few_subsets(3)[:5], 0.1))
    assert math.isnan(emm_expected(torch.ones(37), few_subsets(18), 0.1))  # more modalities than `all_subsets` lists
    with pytest.raises(ValueError, match="between 0 and 1"):
        failure_weights(subsets, 0.0)
