"""Every recipe in recipes/ reads, says what it costs, and trains two steps of both stages on made-up frames."""

import csv
import importlib
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from robustseg.data import fake
from robustseg.models.card import read_card
from robustseg.recipe import BENCHMARKS
from robustseg.recipe_file import read_recipe
from robustseg.training.run import train

RECIPES = Path(__file__).parent.parent / "recipes"
BENCHMARKED = [name + size for name in BENCHMARKS for size in ("", "_b2")]
LARGE = [pytest.param(name, marks=pytest.mark.slow) if name.endswith("_b2") else name for name in BENCHMARKED]


@pytest.fixture
def recipe_cost(monkeypatch):
    """The script, imported as its own folder's files import each other."""
    monkeypatch.syspath_prepend(RECIPES.parent / "benchmarks")
    return importlib.import_module("recipe_cost")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_it_reads_and_starts_with_its_command(path):
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert f"robustseg train recipes/{path.name}" in path.read_text(encoding="utf-8").partition("\nname:")[0]


def test_every_benchmark_has_two():
    assert {path.stem for path in RECIPES.glob("*.yaml")} >= set(BENCHMARKED)


@pytest.mark.parametrize("name", LARGE)
def test_its_cost_is_the_scripts(name, recipe_cost):
    path = RECIPES / f"{name}.yaml"
    lines = recipe_cost.comment(read_recipe(path))
    assert [re.split("[:,]", line)[0] for line in lines] == ["# Teacher", "# Student", "# A smaller decoder"]
    assert set(lines) <= set(path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_larger_backbone_is_all_that_differs(name):
    small, large = (read_recipe(RECIPES / f"{name}{size}.yaml") for size in ("", "_b2"))
    assert (small.model.backbone, large.model.backbone) == ("mit_b0", "mit_b2")
    assert replace(large, name=name, model=replace(large.model, backbone="mit_b0")) == small


def test_steps_by_hand(recipe_cost):
    """DELIVER: 398 of 3,983 frames choose, which leaves 896 batches of 4 in each of 200 epochs."""
    recipe = read_recipe(RECIPES / "deliver.yaml")
    assert recipe_cost.steps(recipe, recipe.teacher) == 200 * 896
    published = replace(recipe, select="published")
    assert recipe_cost.steps(published, replace(recipe.teacher, batch_size=8)) == 200 * 497


def test_macs_by_hand(recipe_cost):
    """A recipe's steps against the parts that they are made of."""
    recipe = read_recipe(RECIPES / "mcubes.yaml")
    small = replace(recipe, data=replace(recipe.data, size=(64, 64)))
    one, all_four = (recipe_cost.macs(lambda n=n: recipe_cost.forward(small, 8, n)) for n in (1, 4))
    first_layer = 8 * 4 * (16 * 16) * (7 * 7 * 3) * 32  # needs no gradient of the images
    teacher, student = recipe_cost.costs(small).values()
    assert teacher.step == 3 * all_four - first_layer
    encode = (all_four - one) / 3  # of 8 images
    mean_of_draws = one + 1.5 * encode  # 1, 2, 3 or 4 modalities, equally often
    assert student.step == pytest.approx(all_four + 3 * mean_of_draws - 2.5 * first_layer / 4)


@pytest.mark.parametrize("name", LARGE)
def test_two_steps_of_both_stages(name, tmp_path):
    recipe = read_recipe(RECIPES / f"{name}.yaml")
    extra = 192 if recipe.data.kind == "mcubes" else 0  # columns that MCubeS drops
    getattr(fake, f"write_{recipe.data.kind}")(tmp_path / "data", frames=6, size=(64, 64 + extra))
    words = ["--data.root", str(tmp_path / "data"), "--data.size", "[64, 64]", "--out", str(tmp_path)]
    words += ["--data.resize", "[64, 64]", "--machine.accelerator", "cpu", "--machine.log_every", "1"]
    for stage in ("teacher", "student"):
        words += [f"--{stage}.epochs", "1", f"--{stage}.batch_size", "2"]
    student = train(read_recipe(RECIPES / f"{name}.yaml", words))
    for folder in (student.parent / "teacher", student):
        with (folder / "log.csv").open() as stream:
            losses = [float(row["loss"]) for row in csv.DictReader(stream) if row["loss"]]
        assert len(losses) == 2
        assert all(math.isfinite(loss) for loss in losses)
        card = read_card(folder)
        assert (card.backbone, card.width) == (recipe.model.backbone, 768)
        assert not recipe.data.use or tuple(entry.name for entry in card.modalities) == recipe.data.use
    assert re.search(r"holdout", (student / "training.json").read_text())


@pytest.mark.parametrize("name", BENCHMARKED)
def test_the_alternatives_that_it_names_are_recipes(name):
    path = RECIPES / f"{name}.yaml"
    comments = " ".join(line.strip(" #") for line in path.read_text(encoding="utf-8").splitlines() if "#" in line)
    released = ["--distill.hpdm", "100", "--distill.hpdm_form", "released", "--distill.hybrid", "false"]
    released += ["--distill.rrm", "1.2e-4", "--distill.rrm_form", "released"]
    habits = ["--data.conventions", "published", "--data.muses.source", "published", "--data.resize", "[1024, 1024]"]
    assert " ".join(released) in comments
    assert (" ".join(habits[:4]) in comments) == name.startswith("muses")
    changed = read_recipe(path, [*released, *habits, "--model.gradient_checkpointing", "true"])
    assert (changed.distill.hpdm_form, changed.distill.rrm_form) == ("released", "released")
    assert changed.data.resize == (1024, 1024)
