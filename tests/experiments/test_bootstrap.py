"""The bootstrap against an explicit loop, and against what is known of variances."""

import math

import pytest
import torch

from robustseg.experiments.bootstrap import (
    Interval,
    as_they_are,
    draw,
    harmful_additions,
    interval,
    resampled_scores,
    summarise,
)
from robustseg.failures import all_subsets
from robustseg.metrics import mean_iou


def counts(seeds: int = 3, frames: int = 6, subsets: int = 3, classes: int = 4, seed: int = 0) -> torch.Tensor:
    """The last class occurs in the first frame alone, so that some resamples lack it."""
    generator = torch.Generator().manual_seed(seed)
    found = torch.randint(1, 100, (seeds, frames, subsets, classes, 3), generator=generator)
    found[:, 1:, :, -1] = 0
    return found


def slow_scores(found, draws, absent):
    """One resample after another, frame by frame, seed by seed."""
    rows = []
    for frames, seeds in zip(draws.frames.tolist(), draws.seeds.tolist(), strict=True):
        of_seed = []
        for own in found:
            total = torch.zeros_like(own[0])
            for times, frame in zip(frames, own, strict=True):
                for _ in range(times):
                    total = total + frame
            of_seed.append(mean_iou(total, absent))
        centre = sum(of_seed) / len(of_seed)
        drawn = [score for times, score in zip(seeds, of_seed, strict=True) for _ in range(times)]
        n = len(of_seed)
        factor = math.sqrt(n / (n - 1)) if n > 1 else 0.0
        rows.append(centre + factor * (sum(drawn) / n - centre))
    return torch.stack(rows)


@pytest.mark.parametrize("absent", ["zero", "skip"])
@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_like_a_loop(absent, seeds):
    found = counts(seeds)
    draws = draw(("a", "a", "", "b", "", "b"), seeds, torch.Generator().manual_seed(1), resamples=20)
    torch.testing.assert_close(resampled_scores(found, draws, absent), slow_scores(found, draws, absent))


def test_the_data_themselves_are_the_mean_over_seeds():
    found = counts()
    plain = mean_iou(found.sum(dim=1)).mean(dim=0)
    torch.testing.assert_close(resampled_scores(found, as_they_are(6, 3), "zero")[0], plain)


def test_scenes_are_drawn_whole_and_as_many_as_there_are():
    draws = draw(("a", "a", "", "b", "", "b"), 4, torch.Generator().manual_seed(0), resamples=200)
    assert torch.equal(draws.frames[:, 0], draws.frames[:, 1])
    assert torch.equal(draws.frames[:, 3], draws.frames[:, 5])
    assert not torch.equal(draws.frames[:, 2], draws.frames[:, 4])
    assert bool((draws.frames[:, [0, 2, 3, 4]].sum(dim=1) == 4).all())
    assert bool((draws.seeds.sum(dim=1) == 4).all())


def test_draws_depend_on_the_generator_alone():
    one, same, other = (draw(("",) * 5, 2, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one.frames, same.frames)
    assert torch.equal(one.seeds, same.seeds)
    assert not torch.equal(one.frames, other.frames)


def test_the_seeds_variance_is_unbiased():
    """With one frame, resamples vary by seeds alone: their variance must be s^2 / n with the sample's own s^2."""
    found = counts(seeds=3, frames=1)
    draws = draw(("",), 3, torch.Generator().manual_seed(0), resamples=20_000)
    scores = resampled_scores(found, draws, "zero")
    per_seed = mean_iou(found[:, 0])
    torch.testing.assert_close(scores.var(dim=0), per_seed.var(dim=0, unbiased=True) / 3, rtol=0.05, atol=0)
    torch.testing.assert_close(scores.mean(dim=0), per_seed.mean(dim=0), rtol=0.01, atol=0)


def test_harm_is_counted_pair_by_pair():
    present = all_subsets(3)
    scores = torch.rand(5, 7, generator=torch.Generator().manual_seed(3)).double() * 3
    slow = torch.zeros(5, dtype=torch.float64)
    for row in range(5):
        for small in range(7):
            for large in range(7):
                added = present[large] & ~present[small]
                grown = bool((present[small] & ~present[large]).sum() == 0) and int(added.sum()) == 1
                slow[row] += float(grown and scores[row, large] < scores[row, small] - 0.5)
    assert slow.sum() > 0
    assert torch.equal(harmful_additions(scores, present), slow)
    assert harmful_additions(scores[:, :1], present[:1]).tolist() == [0] * 5


def test_summaries():
    present = all_subsets(2)
    found = summarise(torch.tensor([[10.0, 30.0, 20.0], [torch.nan, 5.0, 6.0]]), present)
    assert found.mean.tolist() == [20.0, 5.5]
    assert found.all.tolist() == [20.0, 6.0]
    assert found.worst.tolist() == [10.0, 5.0]
    assert found.harms.tolist() == [1.0, 0.0]
    assert bool(summarise(torch.tensor([[10.0]]), present[:1]).all.isnan().all())
    cases = summarise(torch.tensor([[10.0, 30.0, 20.0]]), None)
    assert (cases.mean.tolist(), cases.worst.tolist()) == ([20.0], [10.0])
    assert bool(cases.all.isnan().all() & cases.harms.isnan().all())


def test_intervals_are_percentiles():
    found = interval(torch.tensor(3.0), torch.arange(1001).double())
    assert (found.value, found.low, found.high) == pytest.approx((3.0, 25.0, 975.0))
    assert found.sure
    assert not Interval(0.1, -0.1, 0.3).sure
    assert math.isnan(interval(torch.tensor(1.0), torch.tensor([torch.nan])).low)
