import csv
import json
import math

import numpy as np
import pytest
import torch

from robustseg.failures import all_subsets
from robustseg.files import sha256
from robustseg.robustness import Evaluation, evaluation, load


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
    nothing = {"name": "depth", "letters": "D", "frames": 0, "zero": None, "skip": None, "iou": [None] * 3}
    assert about["subsets"][1] == nothing
    for subset, row in zip(about["subsets"], found.iou().tolist(), strict=True):
        assert subset["iou"] == pytest.approx([None if math.isnan(value) else value for value in row], abs=1e-4)
    assert about["note"] == "selected on val"
    assert about["conditions"]["weather"]["fog"]["frames"] == 3


def test_the_csv_has_a_row_per_subset(found: Evaluation) -> None:
    rows = list(csv.DictReader(found.csv().splitlines()))
    assert [row["letters"] for row in rows] == ["R", "D", "A", "RD", "RA", "DA", "RDA"]
    assert float(rows[-1]["car"]) == pytest.approx(found.iou()[-1, 1].item(), abs=1e-4)
    assert rows[0]["unicorn"] == ""
    assert {row["note"] for row in rows} == {"selected on val"}
    assert rows[1]["miou_zero"] == ""


def test_counts_of_another_evaluation_are_noticed(found: Evaluation, tmp_path) -> None:
    found.save(tmp_path)
    np.savez_compressed(tmp_path / "counts.npz", counts=found.counts.numpy() + 1)
    with pytest.raises(ValueError, match="evaluate again"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "{}", '{"frames": 3}', "[" * 100_000, '{"frames": ["a"], "modalities": [1]}', "\xff"]
)
def test_foreign_json_is_one_clear_line(found: Evaluation, tmp_path, text: str) -> None:
    found.save(tmp_path)
    (tmp_path / "evaluation.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"evaluation\.json is damaged or no evaluation") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"counts": np.zeros((6, 7, 3, 3))},
        {"counts": np.zeros((6, 7, 2, 3), np.int64)},
        {"scored": np.ones((5, 7), bool)},
        {"subsets": np.ones((7, 2), bool)},
        {"subsets": np.array([{}])},
    ],
)
def test_foreign_counts_are_one_clear_line(found: Evaluation, tmp_path, change: dict[str, np.ndarray]) -> None:
    found.save(tmp_path)
    arrays = {"counts": found.counts.numpy(), "scored": found.scored.numpy(), "subsets": found.subsets.numpy()}
    np.savez_compressed(tmp_path / "counts.npz", **(arrays | change))
    sign(tmp_path)
    with pytest.raises(ValueError, match=r"counts\.npz is damaged or no evaluation"):
        load(tmp_path)


def test_large_and_broken_files_are_refused(found: Evaluation, tmp_path, monkeypatch) -> None:
    found.save(tmp_path)
    monkeypatch.setattr(evaluation, "MAX_COUNTS_BYTES", 100)
    with pytest.raises(ValueError, match="larger than 100 bytes"):
        load(tmp_path)
    (tmp_path / "counts.npz").write_bytes(b"PK no zip")
    sign(tmp_path)
    with pytest.raises(ValueError, match=r"counts\.npz is damaged"):
        load(tmp_path)
    monkeypatch.setattr(evaluation, "MAX_JSON_BYTES", 100)
    with pytest.raises(ValueError, match=r"evaluation\.json is larger than 100 bytes"):
        load(tmp_path)


def sign(folder) -> None:
    """Makes the JSON name the counts beside it."""
    about = json.loads((folder / "evaluation.json").read_text())
    about["counts_sha256"] = sha256(folder / "counts.npz")
    (folder / "evaluation.json").write_text(json.dumps(about))
