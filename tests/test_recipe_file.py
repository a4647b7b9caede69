import dataclasses

import pytest

from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.recipe import Data, Recipe, Schedule
from robustseg.recipe_file import differences, plain, read_recipe, write_recipe

FULL = Recipe(
    name="mine",
    data=Data(
        kind="folders",
        root="somewhere",
        size=(64, 96),
        modalities=(
            Modality("rgb", mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)),
            Modality("radar", files={"a": "r/{split}/{name}.npy"}, channels=("a.0", "sin(a)", "a.1 - a.0")),
        ),
        classes=(LabelClass("road", (1, 2, 3), ids=(7, 8)), LabelClass("car", (4, 5, 6))),
    ),
    teacher=Schedule(epochs=3, lr=2e-4),
)


def test_a_written_recipe_reads_back_to_itself(tmp_path):
    write_recipe(tmp_path / "r.yaml", FULL)
    assert read_recipe(tmp_path / "r.yaml") == FULL


@pytest.mark.parametrize("name", ["1e3", "7e10", "1.5", "12", "2026-11-22", "yes", "0x1f"])
def test_names_that_look_like_something_else(tmp_path, name):
    write_recipe(tmp_path / "r.yaml", dataclasses.replace(FULL, name=name))
    assert read_recipe(tmp_path / "r.yaml").name == name


def test_a_flag_cannot_name_another_file(tmp_path):
    (tmp_path / "other.yaml").write_text("class_path: this.Zen\n")
    write_recipe(tmp_path / "r.yaml", FULL)
    for flag in ("--data", "--data.world", "--teacher"):
        with pytest.raises(ValueError, match="takes no value of its own"):
            read_recipe(tmp_path / "r.yaml", [flag, str(tmp_path / "other.yaml")])


def test_missing_keys_are_the_defaults(tmp_path):
    (tmp_path / "r.yaml").write_text("name: short\n")
    assert read_recipe(tmp_path / "r.yaml") == Recipe(name="short")


def test_numbers_as_people_write_them(tmp_path):
    (tmp_path / "r.yaml").write_text("teacher: {lr: 1e-3, weight_decay: 1}\nstudent: {lr: .5}\nname: 2026-11-22\n")
    recipe = read_recipe(tmp_path / "r.yaml")
    assert (recipe.teacher.lr, recipe.teacher.weight_decay, recipe.student.lr) == (1e-3, 1.0, 0.5)
    assert recipe.name == "2026-11-22"


def test_flags_override_the_file(tmp_path):
    write_recipe(tmp_path / "r.yaml", FULL)
    changed = read_recipe(tmp_path / "r.yaml", ["--teacher.epochs", "9", "--data.size", "[32, 32]", "--seed=5"])
    assert changed == dataclasses.replace(
        FULL,
        seed=5,
        teacher=dataclasses.replace(FULL.teacher, epochs=9),
        data=dataclasses.replace(FULL.data, size=(32, 32)),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bogus: 3", "bogus"),
        ("data: {kindd: world}", "kindd"),
        ("data: other.yaml", "data must be a mapping"),
        ("name: [1, 2]", "name"),
        ("teacher: {epochs: x}", "teacher.epochs"),
        ("select: best", "published"),
        ("data: {modalities: [{name: rgb, foo: 1}]}", "foo"),
        ("data: {modalities: [{name: rgb, mean: [0, 0, 0], std: [0, 1, 1]}]}", "std"),
        ("data: {classes: [{name: road, color: [1, 2]}]}", "color"),
        ("data: {class_path: os.system, init_args: {command: ls}}", "class_path"),
        ('data: {modalities: ["this.d"]}', "must be a mapping"),
        ('data: {modalities: "[{class_path: this.d}]"}', "must be a list"),
        ('data: {classes: ["this.d"]}', "must be a mapping"),
        ("data: {resize: '[&a [1], *a]'}", "must be a list"),
        ("name: one\nname: two", "name stands twice"),
        ("model: {backbone: resnet}", "mit_b0"),
        ("teacher: {batch_size: 0}", "batch_size"),
        ("teacher: {lr: -1}", "lr"),
        ("holdout: 1.5", "holdout"),
        ("data: {size: [8, 64]}", "size"),
        ("name: ../elsewhere", "name"),
        ("a: &x 1\nb: *x", "aliases"),
        ("!!python/object/apply:os.system ['ls']", "tags"),
        ("seed: !!int '5'", "tags"),
        ("seed: 010", "seed must be int"),
        ("teacher: {epochs: 1:30}", "teacher.epochs must be int"),
        ("teacher: {<<: {epochs: 3}}", "<<"),
        ("data: {modalities: [{name: a, files: {1: x}}]}", "mapping of names"),
        ("[1, 2", "not valid YAML"),
        ("- 1", "mapping"),
        ("a: " + "[" * 900 + "]" * 900, "nested more than 32 deep"),
        ("{a: " * 900 + "1" + "}" * 900, "nested more than 32 deep"),
        ("", "mapping"),
    ],
)
def test_wrong_recipes_are_one_clear_line(tmp_path, text, said):
    (tmp_path / "r.yaml").write_text(text + "\n")
    with pytest.raises(ValueError, match=r"r\.yaml") as caught:
        read_recipe(tmp_path / "r.yaml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_flags_and_files(tmp_path):
    write_recipe(tmp_path / "r.yaml", FULL)
    with pytest.raises(ValueError, match="--bogus"):
        read_recipe(tmp_path / "r.yaml", ["--bogus", "1"])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_recipe(tmp_path / "nowhere.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(ValueError, match="larger"):
        read_recipe(tmp_path / "big.yaml")


def test_differences_name_the_keys():
    new = dataclasses.replace(FULL, teacher=Schedule(epochs=4, lr=2e-4))
    assert differences(plain(FULL), plain(new)) == ["teacher.epochs: 3 -> 4"]
    assert differences(plain(FULL), plain(FULL)) == []
