import numpy as np
import pytest
import torch

from robustseg.deploy.health import Profile
from robustseg.deploy.health.fitting import fitted, influence
from robustseg.deploy.health.statistics import NAMES
from robustseg.metrics import mean_iou

FEATURES = len(NAMES) + 4


def test_influence_is_the_change_of_a_large_datasets_score() -> None:
    """Of one frame in 2000 the derivative is the change itself, times 2000; classes that occur nowhere play no part."""
    generator = torch.Generator().manual_seed(0)
    frames = 2000
    usual = torch.randint(20, 200, (4, 3), generator=generator).double()
    usual[3] = 0
    change = torch.randint(-20, 20, (5, 4, 3), generator=generator)
    change[:, 3] = 0
    total = (usual * frames).long()
    expected = [frames * (mean_iou(total + one, "skip") - mean_iou(total, "skip")).item() for one in change]
    np.testing.assert_allclose(influence(change, usual), expected, rtol=0.01, atol=0.02)


def examples(count: int = 300, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Healthy ones; broken ones, whose first statistic is far off; of these, half hurt, by the second statistic."""
    generator = torch.Generator().manual_seed(seed)
    seen = torch.randn(count, FEATURES, generator=generator)
    broken = torch.rand(count, generator=generator) < 0.5
    hurts = broken & (torch.rand(count, generator=generator) < 0.5)
    seen[:, 0] += 12 * broken
    seen[:, 1] += 8 * hurts
    gain = torch.where(hurts, 6.0, -4.0) + torch.randn(count, generator=generator)
    return seen, broken, gain


def judged(profile: Profile, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which are sick, which unlike healthy ones."""
    return profile.unhealthy(*profile.told(seen), profile.distance(seen))


def test_what_is_broken_and_hurts_is_told() -> None:
    seen, broken, gain = examples()
    aside = torch.randn(200, FEATURES, generator=torch.Generator().manual_seed(5))
    profile = fitted(seen, broken, gain, aside=aside, span=(0.0, 255.0), seed=0)
    seen, broken, gain = examples(seed=1)
    sick, unlike = judged(profile, seen)
    assert (sick == (gain > 0)).float().mean() > 0.9
    assert unlike[broken].float().mean() > 0.5
    assert unlike[~broken].float().mean() < 0.02
    healthy = torch.randn(1000, FEATURES, generator=torch.Generator().manual_seed(6))
    sick, unlike = judged(profile, healthy)
    assert not sick.any()
    assert unlike.float().mean() < 0.005
    odds = profile.told(aside)[1]
    assert profile.limits[4] == odds.max()
    assert profile.limits[3] == pytest.approx(1.5 * odds.max().item() - 0.5 * odds.median().item(), rel=1e-5)
    told, _ = profile.told(seen)
    assert (told - gain).abs().mean() < 2
    assert profile.span == (0.0, 255.0)
    assert "pixels without a measurement: " in profile.oddest(seen[broken][0])


def test_distance_of_healthy_images_is_about_one_and_knows_what_goes_together() -> None:
    """Two statistics that are always alike: odd is one that differs from the other, more than both together."""
    generator = torch.Generator().manual_seed(0)
    seen = torch.randn(2000, FEATURES, generator=generator)
    seen[:, 1] = seen[:, 0] + 0.1 * torch.randn(2000, generator=generator)
    profile = fitted(seen, torch.zeros(2000, dtype=torch.bool), torch.zeros(2000), aside=seen, span=(0, 1), seed=0)
    assert profile.distance(seen).mean().item() == pytest.approx(1, abs=0.1)
    together, apart = torch.zeros(2, FEATURES).index_fill(1, torch.tensor([0]), 2.0)
    together = together.clone()
    together[1] = 2.0
    assert profile.distance(apart) > 2 * profile.distance(together)


def test_the_same_seed_gives_the_same_profile() -> None:
    seen, broken, gain = examples(60)
    one, other = (fitted(seen, broken, gain, aside=seen[~broken], span=(0, 1), seed=3) for _ in range(2))
    assert torch.equal(one.out, other.out)
    assert torch.equal(one.limits, other.limits)
