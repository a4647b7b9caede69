import csv
import json
import math

import numpy as np
import pytest
import torch

from robustseg.failures import all_subsets
from robustseg.robustness import Evaluation, load


@pytest.fixture
def found() -> Evaluation:
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(1, 50, (6, 7, 3, 3), generator=generator)
    counts[:, :, 2] = 0  # a class that occurs nowhere
    scored = torch.ones(6, 7, dtype=torch.bool)
    counts[:, 1] = 0
    scored[:, 1] = False  # nothing but depth: in no frame
    return Evaluation(
        counts=counts,
        scored=scored,
        subsets=all_subsets(3),
        frames=tuple(f"f{i}" for i in range(6)),
        tags=tuple({"weather": ("day", "fog")[i % 2], "place": "here", "id": str(i)} for i in range(6)),
        modalities=("rgb", "depth", "aolp"),
        sensors=("camera", "depth", "camera"),
        classes=("road", "car", "unicorn"),
        model="student",
        split="val",
        note="selected on val",
    )


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


def test_a_sensor_is_worth_what_it_adds(found: Evaluation) -> None:
    scores = dict(zip(found.names, found.miou().tolist(), strict=True))
    worth = found.worth()
    assert list(worth) == ["camera", "depth"]
    assert math.isnan(worth["camera"])  # its only pair starts from depth alone, which was never scored
    pairs = [("rgb", "rgb+depth"), ("aolp", "depth+aolp"), ("rgb+aolp", "rgb+depth+aolp")]
    assert worth["depth"] == pytest.approx(np.mean([scores[more] - scores[less] for less, more in pairs]))


def test_conditions_are_tags_with_few_values(found: Evaluation) -> None:
    conditions = found.conditions()
    assert list(conditions) == ["weather"]
    fog = conditions["weather"]["fog"]
    assert fog.frames == ("f1", "f3", "f5")
    assert fog.counts.equal(found.counts[1::2])
    assert fog.full() == pytest.approx(loop_miou(found.counts[1::2, -1], "zero"))


def test_files_bring_back_the_same(found: Evaluation, tmp_path) -> None:
    found.save(tmp_path / "evaluation")
    again = load(tmp_path / "evaluation")
    assert again.counts.equal(found.counts)
    assert again.counts.dtype == torch.int64
    assert again.scored.equal(found.scored)
    assert again.subsets.equal(found.subsets)
    for field in ("frames", "tags", "modalities", "sensors", "classes", "model", "split", "protocol", "note"):
        assert getattr(again, field) == getattr(found, field)
    assert sorted(path.name for path in (tmp_path / "evaluation").iterdir()) == [
        "counts.npz",
        "evaluation.csv",
        "evaluation.json",
    ]


def test_the_json_is_plain_and_holds_both_policies(found: Evaluation, tmp_path) -> None:
    found.save(tmp_path)
    about = json.loads((tmp_path / "evaluation.json").read_text())
    assert about["mean"]["zero"] == pytest.approx(found.mean("zero"), abs=1e-4)
    assert about["mean"]["skip"] == pytest.approx(found.mean("skip"), abs=1e-4)
    assert about["subsets"][1] == {"name": "depth", "letters": "D", "frames": 0, "zero": None, "skip": None}
    assert about["note"] == "selected on val"
    assert about["conditions"]["weather"]["fog"]["frames"] == 3


def test_the_csv_has_a_row_per_subset(found: Evaluation) -> None:
    rows = list(csv.DictReader(found.csv().splitlines()))
    assert [row["letters"] for row in rows] == ["R", "D", "A", "RD", "RA", "DA", "RDA"]
    assert float(rows[-1]["car"]) == pytest.approx(found.iou()[-1, 1].item(), abs=1e-4)
    assert rows[0]["unicorn"] == ""
    assert rows[1]["miou_zero"] == ""


def test_counts_of_another_evaluation_are_noticed(found: Evaluation, tmp_path) -> None:
    found.save(tmp_path)
    np.savez_compressed(tmp_path / "counts.npz", counts=found.counts.numpy() + 1)
    with pytest.raises(ValueError, match="evaluate again"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere")
