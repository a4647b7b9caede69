"""Which jobs are to be done: results are kept, needs come first, disagreement is said."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from robustseg.experiments import schedule
from robustseg.experiments.grid import Comparison, read_grid
from robustseg.experiments.job import Places, fingerprints
from robustseg.experiments.result import read_result, write_result
from robustseg.experiments.schedule import Wish, make_agenda, make_job, stored_results, wanted

RECIPE = "data: {size: [32, 48], world: {train_frames: 12, val_frames: 6}}\n"
GRID = """
name: world
recipe: tiny.yaml
seeds: [1, 2]
methods:
  kl: {}
  teacher: {stage: teacher}
  again: {start: kl, seeds: [2]}
"""


@pytest.fixture
def grid(tmp_path) -> Comparison:
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    (tmp_path / "grid.yaml").write_text(GRID)
    return read_grid(tmp_path / "grid.yaml")


@pytest.fixture
def places(tmp_path) -> Places:
    return Places(tmp_path / "out", tmp_path / "out" / "results")


@pytest.fixture
def done(grid, places, result):
    """Pretends that a run was done: its result is there and, if asked for, its weights."""

    def do(name: str, seed: int, *, weights: bool = True) -> None:
        job = make_job(grid, (name, seed), places)
        method = job.method
        made = replace(result(name, seed, stage=method.stage), teacher=method.teacher, start=method.start)
        made = replace(made, recipe=method.recipe, fingerprints=fingerprints(job.recipe.data))
        write_result(job.result_file, made)
        if weights:
            job.model.mkdir(parents=True)
            (job.model / "training.json").write_text("{}")

    return do


def todo(grid, places, **wish) -> list[tuple[str, int]]:
    return list(make_agenda(grid, Wish(**wish), places).todo)


def test_what_is_needed_comes_first_and_seeds_take_turns(grid, places):
    everything = [("teacher", 1), ("kl", 1), ("teacher", 2), ("kl", 2), ("again", 2)]
    assert wanted(grid, Wish()) == everything
    assert todo(grid, places) == everything
    assert todo(grid, places, only=("kl",), seeds=(2,)) == [("teacher", 2), ("kl", 2)]
    assert todo(grid, places, only=("again",)) == [("teacher", 1), ("kl", 1), ("teacher", 2), ("kl", 2), ("again", 2)]


def test_unknown_wishes(grid, places):
    for wish, said in (({"only": ("km",)}, "no method 'km'"), ({"seeds": (7,)}, "seed 7"), ({"redo": ("x",)}, "'x'")):
        with pytest.raises(ValueError, match=said):
            todo(grid, places, **wish)


def test_results_are_kept(grid, places, done):
    done("teacher", 1)
    done("kl", 1)
    agenda = make_agenda(grid, Wish(), places)
    assert list(agenda.todo) == [("teacher", 2), ("kl", 2), ("again", 2)]
    assert set(agenda.done) == {("teacher", 1), ("kl", 1)}
    assert list(stored_results(grid, places)) == [("kl", 1), ("teacher", 1)]


def test_weights_are_made_again_only_where_they_are_needed(grid, places, done):
    done("teacher", 2, weights=False)
    done("kl", 2, weights=False)
    assert todo(grid, places, seeds=(2,)) == [("teacher", 2), ("kl", 2), ("again", 2)]
    done("again", 2, weights=False)
    assert todo(grid, places, seeds=(2,)) == []


def test_a_changed_recipe_is_said_and_redone(grid, places, done):
    done("teacher", 1)
    done("kl", 1)
    job = make_job(grid, ("kl", 1), places)
    stored = read_result(job.result_file)
    write_result(job.result_file, replace(stored, recipe=replace(stored.recipe, holdout_seed=5)))
    with pytest.raises(ValueError, match=r"holdout_seed: 5 -> 3407.*--redo kl"):
        todo(grid, places)
    with pytest.raises(ValueError, match="--redo kl"):
        stored_results(grid, places)
    agenda = make_agenda(grid, Wish(redo=("kl",)), places)
    assert list(agenda.todo) == [("kl", 1), ("teacher", 2), ("kl", 2), ("again", 2)]
    assert [job.redo for job in agenda.todo.values()] == [True, False, True, True]


def test_other_frames_and_missing_protocols_are_said(grid, places, done):
    done("teacher", 1)
    with pytest.raises(ValueError, match="protocol nm is missing"):
        todo(replace(grid, protocols=("emm", "nm")), places)
    job = make_job(grid, ("teacher", 1), places)
    stored = read_result(job.result_file)
    write_result(job.result_file, replace(stored, fingerprints=stored.fingerprints | {"val": "other"}))
    with pytest.raises(ValueError, match=r"frames\.val: other"):
        todo(grid, places)
    assert list(stored_results(grid, places)) == [("teacher", 1)]  # for which the data need not be at hand


def test_a_job_knows_its_folders(grid, places):
    recipe = make_job(grid, ("again", 2), places).recipe
    assert (recipe.seed, recipe.name, recipe.out) == (2, "seed_2", str(places.out / "again"))
    assert recipe.distill.teacher == str(places.out / "teacher" / "seed_2" / "teacher")
    assert recipe.distill.student_init == str(places.out / "kl" / "seed_2" / "student")
    assert make_job(grid, ("kl", 1), places).recipe.distill.student_init == "teacher"


def test_results_of_sensors_with_files_of_their_own_names(tmp_path, result):
    for folder in ("camera", "labels"):
        for split in ("train", "val"):
            (tmp_path / "data" / folder / split).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / "data" / folder / split / "a.png"), np.zeros((32, 32), np.uint8))
    (tmp_path / "tiny.yaml").write_text(
        "data: {kind: folders, size: [32, 32], classes: [{name: a, color: [1, 2, 3]}], modalities:"
        " [{name: rgb, files: {x: 'camera/{split}/{name}.png'}, channels: [x, x, x]}]}\n"
    )
    (tmp_path / "grid.yaml").write_text(GRID)
    grid = read_grid(tmp_path / "grid.yaml")
    places = Places(tmp_path / "out", tmp_path / "out" / "results", root=str(tmp_path / "data"))
    job = make_job(grid, ("teacher", 1), places)
    made = replace(result("teacher", 1, stage="teacher"), recipe=job.method.recipe)
    write_result(job.result_file, replace(made, fingerprints=fingerprints(job.recipe.data)))
    assert set(make_agenda(grid, Wish(only=("teacher",)), places).done) == {("teacher", 1)}
    cv2.imwrite(str(tmp_path / "data" / "camera" / "val" / "b.png"), np.zeros((32, 32), np.uint8))
    cv2.imwrite(str(tmp_path / "data" / "labels" / "val" / "b.png"), np.zeros((32, 32), np.uint8))
    schedule._of_data.cache_clear()
    with pytest.raises(ValueError, match=r"frames\.val"):
        make_agenda(grid, Wish(only=("teacher",)), places)
