from dataclasses import replace

import pytest
import torch

from robustseg.metrics import count
from robustseg.robustness import load, save
from robustseg.robustness.nothing import (
    labelled,
    nothing,
    nothing_class,
    nothing_counts,
    nothing_words,
    set_counts,
    unknown_worth,
)


def test_nothing_is_the_majority_class_everywhere(made):
    found = made(frames=1)
    road, car = (found.counts[0, 0, k, [0, 2]].sum().item() for k in range(2))
    scores, miou = nothing(found, 0)
    assert scores[0].item() == pytest.approx(100 * road / (road + car))
    assert scores[1].item() == 0
    assert scores[2].isnan()
    assert miou == pytest.approx(scores[0].item() / 3)
    assert nothing(found, 0, "skip")[1] == pytest.approx(scores[0].item() / 2)
    with pytest.raises(ValueError, match=r"one of 0\.\.2, got 3"):
        nothing(found, 3)


def test_its_counts_are_those_of_a_real_prediction(made):
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 3, (4, 10, 10), generator=generator)
    labels[labels == 2] = 255
    guess = torch.randint(0, 2, (4, 10, 10), generator=generator)
    found = made(frames=4, modalities=("rgb",))
    found = replace(found, counts=count(guess, labels, 3)[:, None])
    assert nothing_counts(found, 1).equal(count(torch.ones_like(labels), labels, 3))


def test_a_frame_that_was_scored_once_has_its_labels(made):
    found = made()
    counts, scored = found.counts.clone(), found.scored.clone()
    counts[0, :4], scored[0, :4] = 0, False
    counts[1], scored[1] = 0, False
    hidden = replace(found, counts=counts, scored=scored)
    assert labelled(hidden)[0].equal(labelled(found)[0])
    assert labelled(hidden)[1].sum() == 0


def test_frames_without_a_set_count_as_nothing(made):
    found = made()
    counts, scored = found.counts.clone(), found.scored.clone()
    counts[2, 1], scored[2, 1] = 0, False  # no depth in frame 2
    hidden = replace(found, counts=counts, scored=scored)
    sets = torch.tensor([[False, False, False], [False, True, False], [True, True, True]])
    totals = set_counts(hidden, sets, 0)
    empty = nothing_counts(found, 0)
    others = [0, 1, 3, 4, 5]
    assert totals[0].equal(empty.sum(dim=0))
    assert totals[1].equal(counts[others, 1].sum(dim=0) + empty[2])
    assert totals[2].equal(found.counts[:, 6].sum(dim=0))


def test_what_was_not_evaluated_is_named(made):
    found = made()
    few = replace(found, counts=found.counts[:, :3], scored=found.scored[:, :3], subsets=found.subsets[:3])
    with pytest.raises(ValueError, match=r"4 of 7 sets .* the first is rgb\+depth: evaluate again with --subsets all"):
        set_counts(few, found.subsets, 0)
    with pytest.raises(ValueError, match="this is 'nm'"):
        set_counts(replace(found, protocol="nm"), found.subsets, 0)


def test_sets_that_the_recipe_leaves_out_are_told(made):
    found = made(("before", "after", "later"))

    def only(*rows: int):
        kept = list(rows)
        return replace(found, counts=found.counts[:, kept], scored=found.scored[:, kept], subsets=found.subsets[kept])

    told = only(1, 2, 3, 4, 5, 6)
    with pytest.raises(ValueError, match=r"1 of 7 sets .* before: the recipe leaves it out \(data.needs_one_of\)"):
        set_counts(told, found.subsets, 0)
    assert unknown_worth(told) == (
        "The recipe leaves out sets that tell nothing, such as before alone (data.needs_one_of)."
    )
    for few in (only(0, 1, 2), only(6)):
        assert "evaluate again with --subsets all" in unknown_worth(few)


def test_the_class_comes_from_training_if_that_is_known(made):
    found = made()
    assert nothing_class(replace(found, majority=1)) == 1
    assert "car, the most frequent class of training" in nothing_words(replace(found, majority=1))
    unknown = replace(found, majority=-1)
    assert nothing_class(unknown) == int(labelled(found).sum(dim=0).argmax())
    assert "that of training is unknown" in nothing_words(unknown)


def test_stored_counts_are_as_good(made, tmp_path):
    found = made()
    save(found, tmp_path)
    stored = load(tmp_path)
    assert stored.counts.dtype == torch.int32
    assert set_counts(stored, found.subsets, 0).equal(set_counts(found, found.subsets, 0))
    assert nothing(stored, 0)[1] == nothing(found, 0)[1]
