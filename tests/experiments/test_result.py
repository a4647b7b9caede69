"""A result's file: it comes back, tells nothing of folders, and damage is refused."""

import json
from dataclasses import replace

import pytest
import torch

from robustseg.experiments import result as module
from robustseg.experiments.grid import Method
from robustseg.experiments.result import disagreements, found_rows, read_result, write_result
from robustseg.recipe import Data, Distill, Machine, Model, Recipe, Schedule


def test_it_comes_back(tmp_path, result, evaluated):
    made = result(seed=3)
    write_result(tmp_path / "a" / "seed_3.json", made)
    found = read_result(tmp_path / "a" / "seed_3.json")
    assert found == made
    assert torch.equal(found.counts(), evaluated(seed=3).counts)
    assert torch.equal(found.present(), evaluated().subsets)


def test_scores_are_those_of_the_evaluation(evaluated):
    found, rows = evaluated(), found_rows(evaluated())
    assert rows.mean == round(found.mean(), 4)
    assert rows.all == rows.scores["rgb+depth+event+lidar"] == round(found.full(), 4)
    assert rows.worst == min(rows.scores.values())
    unscored = replace(found, counts=found.counts * found.subsets[:, 0][None, :, None, None])
    assert found_rows(unscored).scores["depth"] is None


def test_nothing_of_folders_is_told(tmp_path, result):
    home = tmp_path / "somebody"
    data = Data(kind="folders", root=str(home / "data"))
    distill = Distill(teacher=str(home / "runs/teacher"), student_init=str(home / "x"))
    model = Model(encoder_weights=str(home / "mit_b0.pth"))
    write_result(
        tmp_path / "r.json", replace(result(), recipe=Recipe("mine", 7, data, model, distill=distill, out=str(home)))
    )
    text = (tmp_path / "r.json").read_text()
    assert "somebody" not in text
    assert "mit_b0.pth" in text
    recipe = read_result(tmp_path / "r.json").recipe
    assert (recipe.data.root, recipe.distill.teacher, recipe.out) == ("", "", "runs")


def changed(path, **changes):
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bogus": 1}, "unknown key"),
        ({"seed": "one"}, "seed must be int"),
        ({"frames": ["f"]}, "do not belong together"),
        ({"classes": ["road"]}, "counts are int32"),
        ({"modalities": ["rgb"]}, "do not fit 1 modalities"),
        ({"absent": "ignore"}, "absent must be one of"),
    ],
)
def test_damage_is_refused(tmp_path, result, changes, said):
    path = tmp_path / "r.json"
    write_result(path, result())
    changed(path, **changes)
    with pytest.raises(ValueError, match=said):
        read_result(path)


def test_half_a_file_and_a_large_one_are_refused(tmp_path, result, monkeypatch):
    path = tmp_path / "r.json"
    write_result(path, result())
    path.write_text(path.read_text()[:1000])
    with pytest.raises(ValueError, match="no valid JSON"):
        read_result(path)
    monkeypatch.setattr(module, "LARGEST", 100)
    with pytest.raises(ValueError, match="at most 100 make sense"):
        read_result(path)


def method(recipe: Recipe, stage: str = "student") -> Method:
    return Method(
        "kl", stage, recipe, (1,), "teacher" if stage == "student" else "", "teacher" if stage == "student" else ""
    )


def test_what_decides_is_compared_and_the_rest_is_not(result):
    prints = {"train": "0" * 16, "val": "1" * 16}
    now = method(Recipe(teacher=Schedule(epochs=99), machine=Machine(workers=3), name="x", out="elsewhere"))
    assert disagreements(result(), now, 1, prints) == []
    assert disagreements(result(), now, 2, prints) == ["seed: 1 -> 2"]
    assert disagreements(result(), replace(now, start="scratch"), 1, prints) == ["start: teacher -> scratch"]
    other = method(Recipe(student=Schedule(epochs=99)))
    assert disagreements(result(), other, 1, None) == ["student.epochs: 15 -> 99"]
    assert disagreements(result(), now, 1, prints | {"val": "2"}) == [f"frames.val: {'1' * 16} -> 2"]


def test_a_teacher_does_not_depend_on_how_students_learn(result):
    made = result(stage="teacher")
    now = method(Recipe(student=Schedule(epochs=99), distill=Distill(hpdm=0)), "teacher")
    assert disagreements(made, now, 1, None) == []
    assert disagreements(made, method(Recipe(teacher=Schedule(epochs=99)), "teacher"), 1, None)
    assert disagreements(made, method(Recipe(distill=Distill(ohem_threshold=0.5)), "teacher"), 1, None)


def test_keys_that_came_later_have_their_defaults(tmp_path, result):
    path = tmp_path / "r.json"
    write_result(path, result())
    about = json.loads(path.read_text())
    del about["recipe"]["sight"], about["recipe"]["distill"]["hybrid"]
    path.write_text(json.dumps(about))
    assert disagreements(read_result(path), method(Recipe()), 1, None) == []
