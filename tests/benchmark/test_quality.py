from dataclasses import replace

import pytest

from robustseg.benchmark.quality import stored_quality
from robustseg.models.card import read_card
from robustseg.robustness.storage import save


@pytest.fixture
def evaluated(folder, made):
    save(made(weights=read_card(folder).sha256), folder / "evaluation" / "val")
    return folder


def test_scores_by_subset(evaluated, made):
    found = stored_quality(evaluated, read_card(evaluated))
    evaluation = made()
    assert found.split == "val"
    assert found.miou == pytest.approx(dict(zip(evaluation.names, evaluation.miou("zero").tolist(), strict=True)))


def test_of_several_one_is_chosen(evaluated, made):
    save(made(seed=1, split="test"), evaluated / "evaluation" / "test")
    card = read_card(evaluated)
    assert stored_quality(evaluated, card, "test").split == "test"
    with pytest.raises(ValueError, match="--split"):
        stored_quality(evaluated, card)
    (evaluated / "recipe.yaml").write_text("data: {kind: world, val: test}\n")
    assert stored_quality(evaluated, card).split == "test"


def test_scores_of_other_weights_are_refused(evaluated):
    with pytest.raises(ValueError, match="other weights"):
        stored_quality(evaluated, replace(read_card(evaluated), sha256="1" * 64))


def test_subsets_that_were_not_scored_are_left_out(folder, made):
    evaluation = made()
    scored = evaluation.scored.clone()
    scored[:, 0] = False
    counts = evaluation.counts.clone()
    counts[:, 0] = 0
    save(replace(evaluation, scored=scored, counts=counts), folder / "evaluation" / "val")
    found = stored_quality(folder, read_card(folder))
    known = {
        name
        for name, value in zip(evaluation.names, replace(evaluation, counts=counts).miou(), strict=True)
        if value == value
    }
    assert set(found.miou) == known


def test_without_an_evaluation(folder):
    with pytest.raises(FileNotFoundError, match="robustseg evaluate"):
        stored_quality(folder, read_card(folder))
