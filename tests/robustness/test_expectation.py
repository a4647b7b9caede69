import math
from dataclasses import replace

import pytest
import torch

from robustseg.failures import few_subsets
from robustseg.robustness.expectation import Cause, Expectation, Failures, expect, parse_failures, states
from robustseg.robustness.nothing import nothing
from robustseg.robustness.protocols import emm_expected


def by_loop(found, rates: dict[str, float]) -> float:
    """Expected mIoU from independent modalities, state by state."""
    scores = dict(zip(found.names, found.miou().tolist(), strict=True))
    total = 0.0
    for place in range(2 ** len(found.modalities)):
        works = [name for bit, name in enumerate(found.modalities) if place >> bit & 1]
        chance = math.prod(1 - rates[name] if name in works else rates[name] for name in found.modalities)
        total += chance * (scores["+".join(works)] if works else nothing(found, found.majority)[1])
    return total


def test_two_sensors_by_hand():
    # both work 0.9 * 0.8, only a works 0.9 * 0.2, only b works 0.1 * 0.8, nothing 0.1 * 0.2
    rows, chances = states(parse_failures("a=0.1,b=0.2"), ("a", "b"), ("a", "b"))
    assert rows.tolist() == [[False, False], [True, False], [False, True], [True, True]]
    assert chances.tolist() == pytest.approx([0.02, 0.18, 0.08, 0.72])
    told = Expectation(("a", "b"), rows, chances, torch.tensor([5.0, 40.0, 20.0, 60.0], dtype=torch.float64))
    assert told.mean == pytest.approx(0.02 * 5 + 0.18 * 40 + 0.08 * 20 + 0.72 * 60)
    assert told.nothing_left == pytest.approx(0.02)
    assert told.quantile(0.02) == 5  # P(mIoU <= 5) = 0.02
    assert told.quantile(0.05) == 20  # P(mIoU <= 20) = 0.1
    assert told.quantile(0.1) == 20
    assert told.quantile(0.11) == 40
    assert told.quantile(1.0) == 60
    assert [name for name, _, _ in told.weightiest(2)] == ["a+b", "a"]
    with pytest.raises(ValueError, match="level"):
        told.quantile(0.0)


def test_a_common_cause_by_hand():
    # a fails with 0.1; a and b together with 0.2: b works only without the common cause
    rows, chances = states(parse_failures("a=0.1,a&b=0.2"), ("a", "b", "c"), ("a", "b", "c"))
    table = {tuple(row): chance for row, chance in zip(rows.tolist(), chances.tolist(), strict=True)}
    assert table[True, True, True] == pytest.approx(0.9 * 0.8)
    assert table[False, True, True] == pytest.approx(0.1 * 0.8)
    assert table[False, False, True] == pytest.approx(0.2)
    assert len(table) == 3  # c never fails, b never alone


def test_the_expectation_matches_a_loop(made):
    found = made(("rgb", "depth", "event", "lidar"))
    rates = {"rgb": 0.1, "depth": 0.02, "event": 0.3, "lidar": 0.05}
    told = expect(found, parse_failures(",".join(f"{name}={rate}" for name, rate in rates.items())), found.majority)
    assert told.mean == pytest.approx(by_loop(found, rates))
    assert told.chances.sum().item() == pytest.approx(1)
    assert told.nothing_left == pytest.approx(math.prod(rates.values()))


def test_the_published_expectation_leaves_nothing_out_of_the_sum(made):
    found = made()
    told = expect(found, parse_failures("rgb=0.2,depth=0.2,lidar=0.2"), 0)
    bare = nothing(found, 0)[1]
    published = emm_expected(found.miou(), found.subsets, 0.2)
    assert told.mean == pytest.approx((1 - 0.2**3) * published + 0.2**3 * bare)


def test_samples_agree(made):
    found = made(("rgb", "aolp", "lidar"), sensors=("camera", "camera", "lidar"))
    failures = parse_failures("aolp=0.2,lidar=0.3", "camera,lidar=0.1,rgb,lidar=0.15")
    told = expect(found, failures, 0)
    causes = {(1,): 0.2, (2,): 0.3, (0, 1, 2): 0.1, (0, 2): 0.15}
    draws = torch.rand(200_000, len(causes), generator=torch.Generator().manual_seed(0))
    works = torch.ones(len(draws), 3, dtype=torch.bool)
    for column, (places, rate) in enumerate(causes.items()):
        works[:, list(places)] &= ~(draws[:, column] < rate)[:, None]
    codes = (works.long() * torch.tensor([1, 2, 4])).sum(dim=1)
    share = torch.bincount(codes, minlength=8) / len(draws)
    values = torch.zeros(8, dtype=torch.float64)
    for row, chance, score in zip(told.states, told.chances.tolist(), told.scores.tolist(), strict=True):
        code = int((row.long() * torch.tensor([1, 2, 4])).sum())
        values[code] = score
        assert share[code].item() == pytest.approx(chance, abs=0.005)
    assert values[codes].mean().item() == pytest.approx(told.mean, abs=0.1)
    assert values[codes].sort().values[int(0.05 * len(draws))].item() == pytest.approx(told.quantile())


def test_certain_and_impossible_failures(made):
    found = made()
    told = expect(found, parse_failures("rgb=1,depth=0"), 0)
    assert told.states.tolist() == [[False, True, True]]
    assert told.mean == pytest.approx(found.miou()[found.names.index("depth+lidar")].item())
    gone = expect(found, parse_failures("rgb&depth&lidar=1"), 0)
    assert gone.mean == gone.quantile() == pytest.approx(nothing(found, 0)[1])
    assert gone.nothing_left == 1


def test_few_subsets_are_enough_if_nothing_else_can_happen(made):
    found = made(("a", "b", "c", "d"))
    rows = [found.subsets.tolist().index(row) for row in few_subsets(4).tolist()]
    few = replace(found, counts=found.counts[:, rows], scored=found.scored[:, rows], subsets=found.subsets[rows])
    assert expect(few, parse_failures("a=0.1"), 0).mean == pytest.approx(expect(found, parse_failures("a=0.1"), 0).mean)
    with pytest.raises(ValueError, match=r"1 of 4 sets .* c\+d: evaluate again with --subsets all"):
        expect(few, parse_failures("a=0.1,b=0.1"), 0)


def test_a_sensor_stands_for_its_modalities():
    rows, chances = states(parse_failures("camera=0.1"), ("rgb", "aolp", "lidar"), ("camera", "camera", "lidar"))
    assert rows.tolist() == [[False, False, True], [True, True, True]]
    assert chances.tolist() == pytest.approx([0.1, 0.9])


def test_groups_have_two_ways_to_be_written():
    same = Failures((Cause(("rgb",), 0.01), Cause(("rgb", "nir"), 0.02)))
    assert parse_failures("rgb=0.01, rgb&nir=0.02") == same
    assert parse_failures("rgb=0.01", "rgb, nir=0.02") == same
    two = parse_failures("", "a,b=0.1,c,d,e=0.2")
    assert two.causes == (Cause(("a", "b"), 0.1), Cause(("c", "d", "e"), 0.2))


@pytest.mark.parametrize(
    ("failure", "together", "said"),
    [
        ("", "", "say what can fail"),
        ("rgb", "", "'rgb' has no probability"),
        ("rgb=often", "", "'often' in 'rgb=often' is no probability"),
        ("rgb=1.5", "", r"probability of rgb must lie in 0\.\.1, got 1\.5"),
        ("rgb=-0.1", "", "got -0.1"),
        ("rgb=nan", "", "got nan"),
        ("=0.1", "", "needs the name"),
        ("rgb=0.1,,lidar=0.1", "", "has no probability"),
        ("rgb=0.1,rgb=0.2", "", "rgb has two probabilities"),
        ("rgb&rgb=0.1", "", "stands twice"),
        ("a&b=0.1", "b,a=0.1", "a&b has two probabilities"),
        ("", "rgb=0.1", "'rgb=0.1' is no group"),
        ("", "rgb,nir", "group rgb,nir has no probability"),
    ],
)
def test_wrong_words_are_one_clear_line(failure: str, together: str, said: str):
    with pytest.raises(ValueError, match=said) as caught:
        parse_failures(failure, together)
    assert "\n" not in str(caught.value)


def test_unknown_names_and_too_many_modalities():
    with pytest.raises(ValueError, match="no modality or sensor 'sonar'; known are rgb, aolp, camera"):
        states(parse_failures("sonar=0.1"), ("rgb", "aolp"), ("camera", "camera"))
    names = tuple(f"m{place}" for place in range(17))
    with pytest.raises(ValueError, match="up to 16 modalities, these are 17"):
        states(parse_failures("m0=0.1"), names, names)
