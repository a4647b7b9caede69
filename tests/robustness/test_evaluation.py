import csv
from dataclasses import replace

import pytest
import torch

from robustseg.robustness import Evaluation


def loop_miou(counts: torch.Tensor, absent: str) -> float:
    scores = []
    for tp, fp, fn in counts.sum(dim=0).tolist():
        if tp + fp + fn:
            scores.append(100 * tp / (tp + fp + fn))
        elif absent == "zero":
            scores.append(0.0)
    return sum(scores) / len(scores)


@pytest.mark.parametrize("absent", ["zero", "skip"])
def test_scores_match_loops(found: Evaluation, absent: str) -> None:
    expected = [loop_miou(found.counts[:, s], absent) for s in range(7) if s != 1]
    scores = found.miou(absent)
    assert scores[1].isnan()
    assert scores[[0, 2, 3, 4, 5, 6]].tolist() == pytest.approx(expected)
    assert found.mean(absent) == pytest.approx(sum(expected) / 6)
    assert found.full(absent) == pytest.approx(expected[-1])
    name, worst = found.worst(absent)
    assert worst == pytest.approx(min(expected))
    assert scores[found.names.index(name)].item() == pytest.approx(min(expected))


def test_conditions_are_tags_with_few_values(found: Evaluation) -> None:
    conditions = found.conditions()
    assert list(conditions) == ["weather"]
    fog = conditions["weather"]["fog"]
    assert fog.frames == ("f1", "f3", "f5")
    assert fog.counts.equal(found.counts[1::2])
    assert fog.full() == pytest.approx(loop_miou(found.counts[1::2, -1], "zero"))


def test_the_csv_has_a_row_per_subset(found: Evaluation) -> None:
    rows = list(csv.DictReader(found.csv().splitlines()))
    assert [row["letters"] for row in rows] == ["R", "D", "A", "RD", "RA", "DA", "RDA"]
    assert float(rows[-1]["car"]) == pytest.approx(found.iou()[-1, 1].item(), abs=1e-4)
    assert rows[0]["unicorn"] == ""
    assert {row["note"] for row in rows} == {"selected on val"}
    assert rows[1]["miou_zero"] == ""


def test_the_headline_policy_is_the_evaluations_own(found: Evaluation) -> None:
    strict = replace(found, absent="skip")
    assert strict.mean() == found.mean("skip") != found.mean()
    assert strict.full("zero") == found.full()
    assert strict.worst() == found.worst("skip")
    assert strict.summary()["headline"] == "skip"
