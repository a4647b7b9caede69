import pytest
import torch

from robustseg.failures import draw_present, draw_sight
from robustseg.recipe import Sight

ALL = torch.tensor([True, True, True, True])


def draw(sight: Sight, available=ALL, *, seed=0, **others):
    return draw_sight(available, sight, torch.Generator().manual_seed(seed), **others)


def test_the_default_is_the_methods_modality_dropout():
    for seed in range(20):
        expected = draw_present(ALL[None], torch.Generator().manual_seed(seed))
        assert torch.equal(draw(Sight(), seed=seed), expected)


def test_random_subsets_come_first_then_singles_then_everything():
    subsets = draw(Sight(drawn=2, singles=3, everything=True))
    assert subsets.shape == (6, 4)
    assert subsets[2:5].sum(1).tolist() == [1, 1, 1]
    assert len(subsets[2:5].unique(dim=0)) == 3  # different ones
    assert subsets[5].all()


def test_all_subsets_are_equally_likely_if_asked_for():
    sight = Sight(drawn=60, draw="subset")
    drawn = torch.cat([draw(sight, seed=seed) for seed in range(50)])
    counts = (drawn.long() @ torch.tensor([1, 2, 4, 8])).bincount(minlength=16)
    assert counts[0] == 0
    assert (counts[1:] / len(drawn) - 1 / 15).abs().max() < 0.02


@pytest.mark.parametrize("how", ["size", "subset"])
def test_subsets_hold_what_tells_something(how):
    one_of = torch.tensor([False, True, False, True])
    for seed in range(30):
        subsets = draw(Sight(drawn=3, singles=2, draw=how), seed=seed, one_of=one_of)
        assert (subsets & one_of).any(dim=1).all()
    lone = torch.tensor([True, False, True, False])  # a frame that has none of them is seen as it is
    assert (draw(Sight(drawn=3, singles=1), lone, one_of=one_of) <= lone).all()


def test_the_size_of_a_subset_that_tells_nothing_stays():
    one_of = torch.tensor([False, False, False, True])
    sizes = []
    for seed in range(60):
        expected = draw_present(ALL[None], torch.Generator().manual_seed(seed))
        subset = draw(Sight(), seed=seed, one_of=one_of)
        assert subset[0, 3]
        assert subset.sum() == expected.sum()
        assert torch.equal(subset, expected) or not expected[0, 3]
        sizes.append(int(subset.sum()))
    assert set(sizes) == {1, 2, 3, 4}


def test_nothing_is_drawn_that_is_not_there():
    available = torch.tensor([False, True, False, True])
    for seed in range(30):
        subsets = draw(Sight(drawn=2, singles=3, everything=True), available, seed=seed)
        assert (subsets <= available).all()
        assert subsets.any(dim=1).all()
        assert torch.equal(subsets[-1], available)
    with pytest.raises(ValueError, match="no modality at all"):
        draw(Sight(), torch.zeros(4, dtype=torch.bool))


def test_a_student_must_see_something():
    with pytest.raises(ValueError, match="must see something"):
        Sight(drawn=0)
