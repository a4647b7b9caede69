from collections import Counter
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustseg.failures import (
    all_subsets,
    draw_present,
    drop,
    evaluation_subsets,
    few_subsets,
    keep_some,
    subset_letters,
    subset_name,
)
from robustseg.modalities import Modality

NAMES = ["rgb", "depth", "event", "lidar"]


def test_the_order_is_the_one_of_published_tables() -> None:
    letters = [subset_letters(row, NAMES) for row in all_subsets(4)]
    assert letters == ["R", "D", "E", "L", "RD", "RE", "RL", "DE", "DL", "EL", "RDE", "RDL", "REL", "DEL", "RDEL"]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_all_subsets_are_all_and_once(count: int) -> None:
    rows = {tuple(row) for row in all_subsets(count).tolist()}
    assert rows == {row for row in product([False, True], repeat=count) if any(row)}
    assert len(rows) == len(all_subsets(count))


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 3), (3, 7), (7, 15)])
def test_few_subsets_are_singles_leave_one_out_and_full(count: int, expected: int) -> None:
    few = few_subsets(count)
    assert len(few) == expected
    assert set(few.sum(dim=1).tolist()) <= {1, count - 1, count}
    assert few[-1].all()


def test_auto_lists_all_up_to_six_modalities() -> None:
    assert len(evaluation_subsets(6)) == 63
    assert len(evaluation_subsets(7)) == 15
    assert len(evaluation_subsets(7, "all")) == 127
    assert len(evaluation_subsets(4, "few")) == 9
    with pytest.raises((ValueError, TypeError)):
        evaluation_subsets(3, "some")
    with pytest.raises(ValueError, match="got 0"):
        all_subsets(0)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.lists(st.booleans(), min_size=4, max_size=4).filter(any), min_size=1), seed=st.integers(0, 999))
def test_a_draw_keeps_something_and_only_what_is_available(rows: list[list[bool]], seed: int) -> None:
    available = torch.tensor(rows)
    drawn = draw_present(available, torch.Generator().manual_seed(seed))
    assert drawn.any(dim=1).all()
    assert not (drawn & ~available).any()


def test_sizes_are_uniform_and_so_are_subsets_of_a_size() -> None:
    available = torch.tensor([True, True, False, True]).expand(6000, 4)
    drawn = draw_present(available, torch.Generator().manual_seed(0))
    sizes = Counter(drawn.sum(dim=1).tolist())
    subsets = Counter(subset_letters(row, NAMES) for row in drawn)
    assert all(abs(sizes[size] - 2000) < 200 for size in (1, 2, 3))
    assert set(subsets) == {"R", "D", "L", "RD", "RL", "DL", "RDL"}
    assert all(abs(n - 667) < 120 for letters, n in subsets.items() if letters != "RDL")


def test_keep_some_matches_a_loop() -> None:
    generator = torch.Generator().manual_seed(1)
    available = torch.rand(50, 5, generator=generator) < 0.6
    available[:, 2] = True
    noise = torch.rand(50, 6, generator=generator)
    for row, here, dice in zip(keep_some(available, noise), available, noise, strict=True):
        owned = [m for m in range(5) if here[m]]
        size = 1 + int(dice[0] * len(owned))
        kept = sorted(owned, key=lambda m: dice[1 + m].item())[:size]
        assert row.nonzero().flatten().tolist() == sorted(kept)


def test_a_sample_without_sensors_is_named() -> None:
    available = torch.tensor([[True, False], [False, False]])
    with pytest.raises(ValueError, match=r"samples \[1\]"):
        draw_present(available, torch.Generator().manual_seed(0))


def test_noise_of_almost_one_keeps_all() -> None:
    assert keep_some(torch.ones(1, 3, dtype=torch.bool), torch.full((1, 4), 1.0)).all()


def test_drop_removes_places() -> None:
    present = torch.tensor([[True, True, False], [True, False, True]])
    assert drop(present, [0]).tolist() == [[False, True, False], [False, False, True]]
    assert drop(present, []).equal(present)


def test_names() -> None:
    modalities = [Modality("rgb"), Modality("depth")]
    assert subset_name(torch.tensor([True, True]), modalities) == "rgb+depth"
    assert subset_name(torch.tensor([False, False]), modalities) == "none"
    assert subset_letters(torch.tensor([True, True, True]), ["s1", "s1_before", "nir"]) == "S1S1_N"
