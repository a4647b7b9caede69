"""The file of a comparison: what it means, and what is refused."""

from pathlib import Path

import pytest

from robustseg.experiments.grid import Comparison, read_grid, with_settings
from robustseg.recipe import Recipe

TINY = "model: {width: 8}\ndistill: {hpdm: 3}\n"
GRID = """
name: world
recipe: tiny.yaml
seeds: [1, 2]
methods:
  teacher: {stage: teacher}
  rgb_alone: {stage: teacher, set: {data.use: [rgb]}, seeds: [1]}
  dropout: {set: {distill.logit_kl: 0, distill.hpdm: 0}}
  kl: {like: dropout, set: {distill.logit_kl: 10}}
  again: {like: kl, start: kl, seeds: [2], set: {distill.rrm: 0, student.epochs: 3}}
  scratch_kl: {like: kl, start: scratch}
  alone: {like: dropout, teacher: none, set: {distill.rrm: 0}}
  alone_from_kl: {like: alone, start: kl}
differences: [[kl, dropout]]
floors: {rgb: rgb_alone}
"""


def written(folder: Path, text: str, recipe: str = TINY) -> Path:
    (folder / "tiny.yaml").write_text(recipe)
    (folder / "grid.yaml").write_text(text)
    return folder / "grid.yaml"


@pytest.fixture
def grid(tmp_path) -> Comparison:
    return read_grid(written(tmp_path, GRID))


def test_settings_are_laid_over_the_recipe(grid):
    kl, again = grid.methods["kl"], grid.methods["again"]
    assert (kl.recipe.distill.logit_kl, kl.recipe.distill.hpdm, kl.recipe.distill.rrm) == (10, 0, 1)
    assert grid.methods["teacher"].recipe.distill.hpdm == 3
    assert (again.recipe.distill.logit_kl, again.recipe.distill.hpdm, again.recipe.distill.rrm) == (10, 0, 0)
    assert again.recipe.student.epochs == 3
    assert grid.methods["rgb_alone"].recipe.data.use == ("rgb",)


def test_families(grid):
    kl, again = grid.methods["kl"], grid.methods["again"]
    assert (kl.stage, kl.seeds, kl.teacher, kl.start, kl.needs) == (
        "student",
        (1, 2),
        "teacher",
        "teacher",
        ("teacher",),
    )
    assert (again.seeds, again.teacher, again.start, again.needs) == ((2,), "teacher", "kl", ("teacher", "kl"))
    assert grid.methods["scratch_kl"].needs == ("teacher",)
    assert grid.methods["teacher"].needs == ()
    alone = grid.methods["alone"]
    assert (alone.stage, alone.teacher, alone.start, alone.needs) == ("student", "", "scratch", ())
    assert (alone.recipe.distill.teacher, alone.recipe.distill.student_init) == ("none", "scratch")
    assert grid.methods["alone_from_kl"].needs == ("kl",)
    assert grid.with_needs(["again"]) == ["teacher", "kl", "again"]
    assert grid.dependents(["kl"]) == {"kl", "again", "alone_from_kl"}
    assert (grid.differences, grid.floors, grid.protocols) == ((("kl", "dropout"),), {"rgb": "rgb_alone"}, ("emm",))


def test_a_recipe_that_starts_from_scratch_is_believed(tmp_path):
    found = read_grid(written(tmp_path, GRID, TINY.replace("hpdm: 3", "student_init: scratch")))
    assert (found.methods["kl"].start, found.methods["again"].start) == ("scratch", "kl")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: world", "name: a/b", "cannot be a name"),
        ("name: world", "name: world\nbogus: 1", "unknown key 'bogus'"),
        ("teacher: {stage: teacher}", "results: {stage: teacher}", "'results' cannot be a name"),
        ("  dropout:", "  ../x:", "cannot be a name"),
        ("{stage: teacher}", "{stage: master}", "methods.teacher.stage must be one of"),
        ("{stage: teacher}", "{stage: teacher, lr: 3}", "unknown key 'lr' in methods.teacher"),
        ("{stage: teacher}", "{stage: teacher, teacher: kl}", "'teacher' is a teacher, it learns from labels alone"),
        ("like: dropout", "like: dropuot", "method 'kl' is like no method 'dropuot'"),
        ("  dropout: {set", "  dropout: {like: kl, set", "circle (like): "),
        ("start: kl", "start: kll", "method 'again' starts from no method 'kll'"),
        ("{like: kl, start: scratch}", "{teacher: nobody}", "'scratch_kl' learns from no method 'nobody'"),
        ("  dropout: {set", "  dropout: {start: kl, set", "circle (teacher and start)"),
        ("like: dropout, teacher: none", "like: kl, teacher: none", "method 'alone': distill.teacher is 'none'"),
        ("  teacher:", "  other:", "learns from no method 'teacher'"),
        ("seeds: [1, 2]", "seeds: [1, 1]", "different numbers"),
        ("seeds: [1, 2]", "seeds: []", "different numbers"),
        ("seeds: [2]", "seeds: [3]", "method 'again' has seed 3, which 'teacher', that it needs, has not"),
        ("logit_kl: 10", "logit: 10", "method 'kl': no recipe has the key 'distill.logit'"),
        ("distill.logit_kl: 10", "distill: 10", "method 'kl': set must name single keys"),
        ("logit_kl: 10", "logit_kl: much", "method 'kl': distill.logit_kl must be a finite number"),
        ("logit_kl: 10", "logit_kl: -1", "method 'kl': logit_kl must be a weight"),
        ("distill.logit_kl: 10", "seed: 10", "method 'kl': set cannot change seed"),
        ("set: {distill.logit_kl: 10}", "set: [3]", "method 'kl': set must be a mapping"),
        ("[[kl, dropout]]", "[[kl, drop]]", "differences name no method 'drop'"),
        ("[[kl, dropout]]", "[[kl]]", "a list of 2"),
        ("rgb: rgb_alone", "rgb: rgb_only", "the floor of rgb is no method 'rgb_only'"),
        ("seeds: [1, 2]", "seeds: [1, 2]\nprotocols: [emm, fog]", "no protocol 'fog'"),
        ("seeds: [1, 2]", "seeds: [1, 2]\nprotocols: [nm]", "protocols must hold emm"),
        ("recipe: tiny.yaml", "recipe: ../tiny.yaml", "leads outside"),
        ("recipe: tiny.yaml", "recipe: &x tiny.yaml\nname2: *x", "aliases"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, old, new, said):
    assert old in GRID
    path = written(tmp_path, GRID.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"grid\.yaml") as error:
        read_grid(path)
    assert said in str(error.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no grid"):
        read_grid(tmp_path / "grid.yaml")
    with pytest.raises(FileNotFoundError, match="no recipe"):
        read_grid(written(tmp_path, GRID.replace("tiny.yaml", "tinier.yaml")))


def test_a_recipe_that_names_folders_is_refused(tmp_path):
    with pytest.raises(ValueError, match="names model folders"):
        read_grid(written(tmp_path, GRID, "distill: {teacher: runs/x/teacher}\n"))


def test_settings_are_of_the_type_that_the_recipe_says():
    assert with_settings(Recipe(), {"teacher.lr": 1, "data.size": [32, 48]}).data.size == (32, 48)
    with pytest.raises(ValueError, match=r"teacher.epochs must be int"):
        with_settings(Recipe(), {"teacher.epochs": 1.5})
