from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest
import torch
from synthetic import evaluation

from robustseg.models.card import read_card
from robustseg.models.weights import save_model
from robustseg.report.runs import open_runs
from robustseg.robustness import save


@pytest.fixture(scope="module")
def folders(tmp_path_factory, toy_model) -> Path:
    """A run with teacher and student, both evaluated on val."""
    root = tmp_path_factory.mktemp("runs")
    for stage in ("teacher", "student"):
        save_model(root / "world" / stage, toy_model, toy_model.card)
        save(evaluation(stage, modalities=("rgb", "depth", "lidar")), root / "world" / stage / "evaluation" / "val")
    save_model(root / "bare", toy_model, toy_model.card)
    save_model(root / "other", toy_model, toy_model.card)
    save(evaluation("other", modalities=("rgb", "depth", "lidar"), frames=5), root / "other" / "evaluation" / "val")
    return root


def test_a_run_is_its_student_beside_its_teacher(folders) -> None:
    runs = open_runs([folders / "world"])
    assert [model.name for model in runs.models] == ["teacher", "student"]
    assert runs.subject.folder == folders / "world" / "student"
    assert (runs.split, list(runs.evaluations)) == ("val", ["teacher", "student"])
    alone = open_runs([folders / "world" / "teacher"], "val")
    assert [model.name for model in alone.models] == ["teacher"]


def test_the_first_of_several_is_the_subject(folders) -> None:
    runs = open_runs([folders / "world" / "teacher", folders / "world" / "student"])
    assert [model.name for model in runs.models] == ["student", "teacher"]
    twice = open_runs([folders / "world", folders / "world" / "teacher"])
    assert len({model.name for model in twice.models}) == 3


def test_runs_of_one_stage_are_called_as_the_runs(folders, tmp_path) -> None:
    for name, stage in {"robust": "student", "complete": "teacher"}.items():
        copytree(folders / "world" / stage, tmp_path / name / stage)
    runs = open_runs([tmp_path / "robust", tmp_path / "complete", folders / "world"])
    assert [model.name for model in runs.models[-2:]] == ["complete", "robust"]
    assert len(runs.models) == 4


@pytest.mark.parametrize(
    ("name", "split", "said"),
    [
        ("nowhere", "", "is neither a model folder"),
        ("bare", "", "was not evaluated yet: robustseg evaluate"),
        ("world", "test", "robustseg evaluate .*student --split test"),
    ],
)
def test_what_is_missing_is_said_with_its_remedy(folders, name, split, said) -> None:
    with pytest.raises(FileNotFoundError, match=said):
        open_runs([folders / name], split)


def test_unlike_evaluations_are_not_compared(folders) -> None:
    with pytest.raises(ValueError, match="evaluated on different frames"):
        open_runs([folders / "world", folders / "other"])
    with pytest.raises(ValueError, match="at least one"):
        open_runs([])


def test_labels_of_other_data_are_told(folders, toy_model) -> None:
    save_model(folders / "like", toy_model, toy_model.card)
    like = evaluation("like", modalities=("rgb", "depth", "lidar"), seed=7)
    save(like, folders / "like" / "evaluation" / "val")
    assert open_runs([folders / "world"]).remarks == ()
    (remark,) = open_runs([folders / "like", folders / "world" / "student"]).remarks
    assert remark.startswith("student and like were scored on different labels")


def test_an_evaluation_without_labels_is_refused(folders, toy_model) -> None:
    save_model(folders / "void", toy_model, toy_model.card)
    void = evaluation("void", modalities=("rgb", "depth", "lidar"))
    save(replace(void, counts=torch.zeros_like(void.counts)), folders / "void" / "evaluation" / "val")
    with pytest.raises(ValueError, match="no labelled pixel was scored"):
        open_runs([folders / "void"])


def test_a_choice_of_splits_is_left_to_the_reader(folders, toy_model) -> None:
    for split in ("fog", "night"):
        save(evaluation(), folders / "bare2" / "evaluation" / split)
    save_model(folders / "bare2", toy_model, toy_model.card)
    with pytest.raises(ValueError, match="was evaluated on fog, night: choose one with --split"):
        open_runs([folders / "bare2"])


def test_a_teacher_without_evaluation_is_left_out_and_told(folders, toy_model) -> None:
    save_model(folders / "half" / "teacher", toy_model, toy_model.card)
    save_model(folders / "half" / "student", toy_model, toy_model.card)
    save(evaluation(), folders / "half" / "student" / "evaluation" / "val")
    runs = open_runs([folders / "half"])
    assert [model.name for model in runs.models] == ["student"]
    assert "teacher was not evaluated on val and is left out" in runs.remarks[0]


def test_a_model_that_was_trained_again_is_evaluated_again_first(folders, toy_model) -> None:
    folder = folders / "anew" / "student"
    save_model(folder, toy_model, toy_model.card)
    of_now = replace(evaluation(), weights=read_card(folder).sha256)
    save(of_now, folder / "evaluation" / "val")
    assert open_runs([folder]).subject.subsets.weights == of_now.weights
    save(replace(of_now, weights="0" * 64), folder / "evaluation" / "val")
    with pytest.raises(ValueError, match=r"is of other weights than .* holds now: robustseg evaluate"):
        open_runs([folder])
