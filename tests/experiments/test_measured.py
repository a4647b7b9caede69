"""Methods with their seeds, subtracted in pairs."""

from dataclasses import replace

import pytest
import torch

from robustseg.experiments.bootstrap import draw, resampled_scores
from robustseg.experiments.measured import STATISTICS, compared, gather

SKILLS = {"teacher": 0.7, "kl": 0.9, "robustseg": 1.0}


def test_statistics_of_the_mean_over_seeds(results):
    found = gather(results(SKILLS))["kl"]
    scores = torch.tensor([list(result.protocols["emm"].scores.values()) for result in found.results]).double()
    torch.testing.assert_close(found.overall.subsets[0], scores.mean(dim=0), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.overall.worst[0], scores.mean(dim=0).min(), atol=1e-3, rtol=0)
    assert [round(float(run.mean[0]), 4) for run in found.per_seed] == [
        run.protocols["emm"].mean for run in found.results
    ]


def test_a_method_minus_itself_is_nothing(results):
    found = gather(results(SKILLS))
    none = compared(found["kl"], found["kl"], resamples=50)
    assert none
    assert all((value.value, value.low, value.high) == (0, 0, 0) for value in none.statistics.values())


def test_pairs_are_drawn_alike(results):
    """The interval of a difference is that of resamples subtracted one by one."""
    found = gather(results(SKILLS))
    one, other = found["robustseg"], found["kl"]
    difference = compared(one, other, resamples=300)
    assert difference
    draws = draw(one.results[0].sequences, 3, torch.Generator().manual_seed(0), resamples=300)
    gaps = resampled_scores(one.counts, draws, "zero") - resampled_scores(other.counts, draws, "zero")
    low, high = torch.quantile(gaps.mean(dim=1), torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    value = difference.statistics["mean"]
    assert (value.low, value.high) == pytest.approx((low, high))
    assert value.value == pytest.approx(float(one.overall.mean - other.overall.mean))
    assert value.sure
    assert difference.name == "robustseg − kl"


def test_only_common_seeds_and_subsets_count(results, result):
    made = results(SKILLS)
    made["rgb_alone", 2] = result("rgb_alone", 2, modalities=("rgb",), skill=1.2)
    found = gather(made)
    floor = compared(found["rgb_alone"], found["kl"], resamples=50)
    assert floor
    assert (floor.seeds, list(floor.subsets)) == (1, ["rgb"])
    own = found["kl"].per_seed[1].subsets[0, 0]
    assert floor.subsets["rgb"].value == pytest.approx(float(found["rgb_alone"].overall.all[0] - own))
    other = gather({("a", 1): result(seed=1), ("b", 2): result(seed=2)})
    assert compared(other["a"], other["b"], resamples=10) is None


def test_alone_a_method_has_intervals_around_its_scores(results):
    found = compared(gather(results(SKILLS))["kl"])
    assert found
    assert list(found.statistics) == list(STATISTICS)
    for value in (*found.subsets.values(), *(found.statistics[name] for name in ("mean", "all"))):
        assert value.low < value.value < value.high


def test_results_of_other_frames_do_not_mix(result):
    other = result(seed=2)
    other = replace(other, frames=tuple(f"x{name}" for name in other.frames))
    with pytest.raises(ValueError, match="kl seed 2 was scored with other frames than kl seed 1"):
        gather({("kl", 1): result(), ("kl", 2): other})
