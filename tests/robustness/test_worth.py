import itertools
import math
from dataclasses import replace

import pytest
import torch

from robustseg.robustness.nothing import nothing
from robustseg.robustness.worth import all_sets, knows_worth, shapley, worth, worth_by_condition


def by_permutations(values: torch.Tensor) -> list[float]:
    """Shapley's definition: the mean gain over all orders of arrival."""
    players = len(values).bit_length() - 1
    totals = [0.0] * players
    for order in itertools.permutations(range(players)):
        here = 0
        for player in order:
            joined = here | 1 << player
            totals[player] += (values[joined] - values[here]).item()
            here = joined
    return [total / math.factorial(players) for total in totals]


def test_two_players_by_hand():
    # v() = 10, v(a) = 30, v(b) = 20, v(ab) = 60: a adds 20 or 40, b adds 10 or 30
    assert shapley(torch.tensor([10.0, 30.0, 20.0, 60.0])).tolist() == [30.0, 20.0]
    assert shapley(torch.tensor([3.0, 5.0])).tolist() == [2.0]


@pytest.mark.parametrize("players", [1, 2, 3, 5])
def test_values_equal_a_loop_over_all_orders(players: int):
    values = torch.rand(2**players, generator=torch.Generator().manual_seed(players), dtype=torch.float64)
    assert shapley(values).tolist() == pytest.approx(by_permutations(values))


def test_efficiency_symmetry_and_dummies():
    sets = all_sets(4)
    generator = torch.Generator().manual_seed(0)
    table = torch.rand(3, 2, generator=generator, dtype=torch.float64)
    # players 0 and 1 are alike, 3 changes nothing
    values = table[sets[:, :2].sum(dim=1), sets[:, 2].long()]
    found = shapley(values)
    assert found.sum().item() == pytest.approx((values[-1] - values[0]).item())
    assert found[0].item() == pytest.approx(found[1].item())
    assert found[3].item() == pytest.approx(0, abs=1e-12)


def test_sixteen_players_at_once():
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(16, 3, generator=generator, dtype=torch.float64)
    found = shapley(all_sets(16).double() @ weights)  # in a game without interaction everybody is worth his own weight
    assert torch.allclose(found, weights)


def test_a_set_that_is_nan_is_no_silent_zero():
    assert shapley(torch.tensor([0.0, 1.0, math.nan, 2.0])).isnan().all()
    for wrong in (torch.ones(3), torch.ones(1)):
        with pytest.raises(ValueError, match=r"2\^P are needed"):
            shapley(wrong)


def test_an_evaluation_is_a_game(made):
    found = made()
    value = worth(found, 0)
    scores = dict(zip(found.names, found.miou().tolist(), strict=True))
    bare = nothing(found, 0)[1]
    order = ["rgb", "depth", "rgb+depth", "lidar", "rgb+lidar", "depth+lidar", "rgb+depth+lidar"]
    assert value.miou.tolist() == pytest.approx([bare, *(scores[name] for name in order)])
    assert value.shapley().tolist() == pytest.approx(by_permutations(value.miou))
    assert value.shapley().sum().item() == pytest.approx(found.full() - bare)
    assert (value.nothing, value.everything) == pytest.approx((bare, found.full()))


def test_classes_add_up_to_the_mean(made):
    value = worth(made(), 0)
    classes = value.class_shapley()  # P K
    assert classes[:, 2].isnan().all()  # the unicorn has no pixel
    assert (classes[:, :2].sum(dim=1) / 3).tolist() == pytest.approx(value.shapley().tolist())
    assert classes[1, 0].item() == pytest.approx(by_permutations(value.iou[:, 0])[1])


def test_a_sensor_is_all_its_modalities(made):
    found = made(("rgb", "lidar", "aolp"), sensors=("camera", "lidar", "camera"))
    value = worth(found, 0)
    assert value.players == ("camera", "lidar")
    scores = dict(zip(found.names, found.miou().tolist(), strict=True))
    bare = nothing(found, 0)[1]
    both, camera, lidar = scores["rgb+lidar+aolp"], scores["rgb+aolp"], scores["lidar"]
    by_hand = [(camera - bare + both - lidar) / 2, (lidar - bare + both - camera) / 2]
    assert value.shapley().tolist() == pytest.approx(by_hand)
    assert worth(found, 0, by="modality").players == ("rgb", "lidar", "aolp")


def test_gains_and_harms(made):
    value = worth(made(), 0)
    gains = value.gains()
    for player, place in itertools.product(range(3), range(8)):
        if place >> player & 1:
            assert gains[player, place].isnan()
        else:
            expected = value.miou[place | 1 << player] - value.miou[place]
            assert gains[player, place].item() == pytest.approx(expected.item())
    harms = value.harms()
    assert len(harms) == int((gains < 0).sum())
    assert [harm.points for harm in harms] == sorted(harm.points for harm in harms)
    assert harms[0].points == pytest.approx(gains.nan_to_num(nan=0).min().item())
    assert harms[0].player not in harms[0].joins


def test_each_condition_has_its_own_worth(made):
    found = made()
    parts = worth_by_condition(found, 0)
    assert list(parts["weather"]) == ["day", "fog"]
    fog = found.where(torch.tensor([False, True] * 3))
    value = parts["weather"]["fog"]
    assert value.everything == pytest.approx(fog.full("skip"))
    assert value.shapley().sum().item() == pytest.approx(fog.full("skip") - nothing(fog, 0, "skip")[1])


def test_frames_without_a_sensor_are_in_every_set(made):
    found = made()
    counts, scored = found.counts.clone(), found.scored.clone()
    counts[:, 1], scored[:, 1] = 0, False  # depth alone was never there
    value = worth(replace(found, counts=counts, scored=scored), 0)
    assert value.miou[2].item() == pytest.approx(value.nothing)
    assert not value.shapley().isnan().any()


def test_few_subsets_are_refused_by_name(made):
    found = made(("a", "b", "c", "d"))
    kept = (found.subsets.sum(dim=1) != 2).nonzero().flatten()
    few = replace(found, counts=found.counts[:, kept], scored=found.scored[:, kept], subsets=found.subsets[kept])
    with pytest.raises(ValueError, match="6 of 15 sets that are needed were not evaluated, the first is a\\+b"):
        worth(few, 0)
    assert not knows_worth(few)
    assert knows_worth(found)
    assert not knows_worth(replace(found, protocol="rmm_0.5"))
    two = replace(few, sensors=("x", "x", "x", "y"))  # both alone, both together: all that two sensors need
    assert knows_worth(two)
    assert not knows_worth(two, "modality")
    assert worth(two, 0).players == ("x", "y")
