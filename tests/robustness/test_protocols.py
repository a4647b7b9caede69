import math

import pytest
import torch

from robustseg.failures import all_subsets, few_subsets
from robustseg.robustness.protocols import emm_average, emm_expected, failure_weights, nm_scores, subset_means


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
    levels = torch.ones(3, 2, dtype=torch.bool)  # of noise on two modalities: as many rows as there are subsets
    assert math.isnan(emm_expected(torch.tensor([10.0, 20.0, 60.0]), levels, 0.1))
    with pytest.raises(ValueError, match="between 0 and 1"):
        failure_weights(subsets, 0.0)


def test_means_over_two_modalities_by_hand() -> None:
    scores = torch.tensor([40.0, 20.0, 60.0], dtype=torch.float64)
    means = subset_means(scores, all_subsets(2))
    assert means.average == pytest.approx(40)
    # p = 0.2: weights 0.16, 0.16, 0.64 of 0.96
    assert means.expected[0.2] == pytest.approx((0.16 * 40 + 0.16 * 20 + 0.64 * 60) / 0.96)
    assert means.expected[0.1] == pytest.approx((0.09 * 40 + 0.09 * 20 + 0.81 * 60) / 0.99)
    assert list(means.expected) == [0.2, 0.1, 0.05]


def test_noise_has_three_levels() -> None:
    scores = torch.tensor([30.0, 10.0])
    found = nm_scores(scores, ("mid", "low"))
    assert (found["low"], found["mid"]) == (10, 30)
    assert math.isnan(found["high"])
    for wrong in (("low", "loud"), ("low", "low")):
        with pytest.raises(ValueError, match="one row for each of low, mid, high"):
            nm_scores(scores, wrong)
