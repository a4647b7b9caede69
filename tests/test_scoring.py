import json
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from robustseg.build import build_model
from robustseg.data.world import WorldFrames
from robustseg.frames import open_frames
from robustseg.models.card import ModelCard, read_card
from robustseg.models.weights import save_model
from robustseg.recipe import Data, Model, Recipe, Scoring, World
from robustseg.recipe_file import write_recipe
from robustseg.scoring import (
    SUMMARY_FILE,
    Task,
    discard_unfinished,
    evaluate_folder,
    evaluation_frames,
    recipe_task,
    selection_note,
)


def test_models_selected_on_the_reported_split_are_marked(tmp_path):
    (tmp_path / SUMMARY_FILE).write_text(json.dumps({"split": "val"}))
    assert "selected on this very split (val)" in selection_note(tmp_path, "val")
    assert selection_note(tmp_path, "test") == ""
    assert selection_note(tmp_path / "converted", "val") == ""
    (tmp_path / SUMMARY_FILE).write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        selection_note(tmp_path, "val")


def test_data_come_from_the_recipe_beside_the_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no model folder"):
        evaluation_frames(tmp_path, recipe_file=None, root="", split="")
    (tmp_path / "recipe.yaml").write_text("data: {size: [32, 64], world: {val_frames: 3}}\n")
    frames, split = evaluation_frames(tmp_path, recipe_file=None, root="", split="")
    assert (len(frames), split) == (3, "val")


@pytest.fixture
def model_folder(tmp_path) -> Path:
    """An untrained network for the built-in world, as training would leave it."""
    recipe = Recipe(data=Data(size=(32, 64), world=World(train_frames=2, val_frames=6)), model=Model(width=16))
    frames = open_frames(recipe.data, "val")
    model = build_model(recipe.model, len(frames.classes), len(frames.modalities), seed=0)
    card = ModelCard("mit_nano", 16, frames.classes, frames.modalities, "remove", (32, 64))
    save_model(tmp_path / "model", model, card)
    write_recipe(tmp_path / "model" / "recipe.yaml", recipe)
    return tmp_path / "model"


def task(folder: Path) -> Task:
    return replace(recipe_task(folder), protocols=("emm", "nm"), batch_size=2)


def test_a_stopped_evaluation_goes_on(model_folder, tmp_path, monkeypatch) -> None:
    whole = evaluate_folder(task(model_folder))
    read = []

    def reading(self, index: int, get=WorldFrames.__getitem__):
        read.append(index)
        if read.count(4) == 1 and index == 4:
            raise KeyboardInterrupt
        return get(self, index)

    monkeypatch.setattr(WorldFrames, "__getitem__", reading)
    with pytest.raises(KeyboardInterrupt):
        evaluate_folder(task(model_folder), out=tmp_path / "out")
    assert read == [0, 1, 2, 3, 4]
    found = evaluate_folder(task(model_folder), out=tmp_path / "out")
    assert read[5:] == [2, 3, 4, 5]  # the batch that waited for its successor is read again
    for protocol, evaluation in whole.items():
        assert found[protocol].counts.equal(evaluation.counts)
        assert found[protocol].frames == evaluation.frames
        assert found[protocol].tags == evaluation.tags
    discard_unfinished(tmp_path / "out")
    assert not (tmp_path / "out" / "unfinished").exists()


def test_views_are_told(model_folder, tmp_path) -> None:
    plain = task(model_folder)
    assert evaluate_folder(plain, out=tmp_path / "plain")["emm"].note == ""
    mirrored = replace(plain, scoring=Scoring(flip=True))
    found = evaluate_folder(mirrored, out=tmp_path / "mirrored")
    assert {entry.note for entry in found.values()} == {"scored on views of each frame: mirrored"}


def test_another_model_starts_over(model_folder, tmp_path) -> None:
    first = evaluate_folder(task(model_folder), out=tmp_path / "out")
    other = build_model(Model(width=16), 10, 4, seed=1)
    save_model(model_folder, other, read_card(model_folder))
    second = evaluate_folder(task(model_folder), out=tmp_path / "out")
    assert not second["emm"].counts.equal(first["emm"].counts)


def test_processes_add_up_to_one(model_folder, tmp_path) -> None:
    alone = evaluate_folder(task(model_folder))
    shared = evaluate_folder(task(model_folder), out=tmp_path / "out", processes=2)
    for protocol, evaluation in alone.items():
        assert shared[protocol].counts.equal(evaluation.counts)
        assert shared[protocol].names == evaluation.names
    confidence = shared["emm"].confidence
    assert confidence is not None
    assert confidence.allclose(alone["emm"].confidence, rtol=1e-4)


def test_one_evaluation_at_a_time(model_folder, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(ValueError, match="another evaluation is at work"):
        evaluate_folder(task(model_folder), out=tmp_path / "out")
