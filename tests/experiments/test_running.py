"""Jobs in processes of their own: failures stay alone, a job is done by one command at a time."""

import os
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from robustseg.experiments.check import check_methods
from robustseg.experiments.grid import Comparison, Method
from robustseg.experiments.job import Job, Places
from robustseg.experiments.running import BUSY, _work, run_jobs
from robustseg.files import locked
from robustseg.recipe import Data, Machine, Model, Recipe, World

WORLD = Recipe(data=Data(size=(32, 48), world=World(12, 6)), model=Model(width=8), machine=Machine(accelerator="cpu"))
NOWHERE = replace(WORLD, data=Data("deliver", root="/nowhere", size=(32, 48)))


def job(folder: Path, name: str = "teacher", recipe: Recipe = NOWHERE, teacher: str = "") -> Job:
    method = Method(name, "student" if teacher else "teacher", recipe, (1,), teacher, teacher)
    return Job(method, 1, {"teacher": "teacher"}, ("emm",), Places(folder, folder / "results"))


def test_a_failed_job_is_told_and_stops_what_needs_it(tmp_path):
    jobs = [job(tmp_path), job(tmp_path, "kl", teacher="teacher")]
    told = []
    failed = run_jobs({entry.key: entry for entry in jobs}, 2, lambda key, seconds: told.append(key))
    assert told == []
    assert failed["kl", 1] == "what it needs failed"
    assert "/nowhere" in failed["teacher", 1]
    assert "seed_1.log" in failed["teacher", 1]
    assert "Traceback" in (tmp_path / "teacher" / "seed_1.log").read_text()


def test_a_job_that_another_command_does_is_left_to_it(tmp_path):
    mine = job(tmp_path, recipe=WORLD)
    with locked(mine.places.lock(mine.key), "busy"):
        process = get_context("spawn").Process(target=_work, args=(mine, 1, os.getpid()))
        process.start()
        process.join()
    assert process.exitcode == BUSY
    assert not mine.model.exists()


def comparison(*methods: Method, floors: dict[str, str] | None = None) -> Comparison:
    return Comparison("world", {method.name: method for method in methods}, ("emm",), (), floors or {})


TEACHER = Method("teacher", "teacher", WORLD, (1,))
STUDENT = Method("kl", "student", WORLD, (1,), "teacher", "teacher")
RGB = replace(WORLD, data=replace(WORLD.data, use=("rgb",)))


def test_sound_methods_pass():
    wide = replace(STUDENT, name="wide", start="scratch", recipe=replace(WORLD, model=Model(width=16)))
    floor = Method("rgb_alone", "teacher", RGB, (1,))
    everything = comparison(TEACHER, STUDENT, wide, floor, floors={"rgb": "rgb_alone"})
    check_methods(everything, ["teacher", "kl", "wide", "rgb_alone"])


def test_a_student_may_have_more_of_its_own_than_its_start():
    own = replace(STUDENT, recipe=replace(WORLD, model=Model(width=8, private=("norm",), fusion="weighted")))
    check_methods(comparison(TEACHER, own), ["teacher", "kl"])


@pytest.mark.parametrize(
    ("method", "floors", "said"),
    [
        (replace(STUDENT, recipe=RGB), {}, "'kl' has the modalities rgb, 'teacher', that it needs, rgb, depth"),
        (replace(STUDENT, recipe=replace(WORLD, model=Model(width=16))), {}, "cannot start from 'teacher'"),
        (replace(STUDENT, recipe=replace(WORLD, data=replace(WORLD.data, use=("radar",)))), {}, "method 'kl': "),
        (STUDENT, {"rgb": "teacher"}, "floors: method 'teacher' must have 'rgb' alone"),
    ],
)
def test_what_cannot_work_is_found_before_training(method, floors, said):
    with pytest.raises(ValueError, match=r"kl|floors") as error:
        check_methods(comparison(TEACHER, method, floors=floors), ["teacher", "kl"])
    assert said in str(error.value)
