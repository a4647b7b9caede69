import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from robustseg.app import gather
from robustseg.build import load
from robustseg.data.world import WorldFrames
from robustseg.deploy.health import HEALTH_FILE
from robustseg.models.weights import save_model
from robustseg.recipe import Data, Recipe
from robustseg.recipe.data import World
from robustseg.recipe_file import RECIPE_FILE, write_recipe
from robustseg.robustness import evaluate, save


@pytest.fixture(scope="module")
def saved(world_model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "student"
    save_model(folder, world_model, world_model.card)
    write_recipe(folder / RECIPE_FILE, Recipe(data=Data(size=(32, 48), world=World(train_frames=4, val_frames=8))))
    return folder


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "toy" / "student"))


def test_the_recipes_frames_are_found(folder) -> None:
    material = gather(folder)
    assert material.name == "toy/student"
    assert isinstance(material.frames, WorldFrames)
    assert len(material.frames) == len(material.tags) == 8
    assert [tags["condition"] for tags in material.tags] == [material.frames[k].tags["condition"] for k in range(8)]
    assert (material.evaluation, material.profiles) == (None, {})


def test_a_model_without_a_recipe_is_fed_by_its_visitors(folder) -> None:
    (folder / RECIPE_FILE).unlink()
    assert gather(folder).frames is None
    with pytest.raises(FileNotFoundError, match="recipe"):
        gather(folder, split="val")


def test_data_that_are_named(folder, tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        gather(folder, tmp_path / "nowhere")
    with pytest.raises(ValueError, match="give one of them"):
        gather(folder, tmp_path, root="there")
    with pytest.raises(FileNotFoundError, match="no model folder"):
        gather(tmp_path)


def test_the_evaluation_of_these_weights_is_found(folder, tiny_world) -> None:
    model = load(folder)
    evaluation = replace(evaluate(model, WorldFrames("val", 8, 0, size=(32, 48))), split="val")
    save(replace(evaluation, weights=model.card.sha256), folder / "evaluation" / "val")
    found = gather(folder).evaluation
    assert found is not None
    assert torch.equal(found.counts.long(), evaluation.counts.long())
    save(replace(evaluation, weights="0" * 64), folder / "evaluation" / "val")
    assert gather(folder).evaluation is None


def test_damaged_health_is_said(folder) -> None:
    (folder / HEALTH_FILE).write_bytes(b"no")
    with pytest.raises(ValueError, match="damaged"):
        gather(folder)
