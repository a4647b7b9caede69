import json
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from robustseg import scoring
from robustseg.build import build_model, load
from robustseg.data.world import WorldFrames
from robustseg.data.world.files import make_world
from robustseg.frames import open_frames
from robustseg.models.card import ModelCard, read_card, write_card
from robustseg.models.weights import save_model
from robustseg.recipe import Data, Model, Recipe, Scoring, World
from robustseg.recipe_file import read_recipe, write_recipe
from robustseg.robustness import load_study
from robustseg.robustness.tally import Tally
from robustseg.scoring import (
    SUMMARY_FILE,
    Task,
    evaluate_folder,
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
        recipe_task(tmp_path)
    (tmp_path / "recipe.yaml").write_text("data: {size: [32, 64], world: {val_frames: 3}}\n")
    found = recipe_task(tmp_path)
    assert (len(open_frames(found.data, found.split)), found.split) == (3, "val")


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


def test_results_keep_the_recipe_that_they_were_scored_by(model_folder, tmp_path) -> None:
    evaluate_folder(replace(task(model_folder), scoring=Scoring(flip=True), batch_size=6), out=tmp_path / "out")
    kept = read_recipe(tmp_path / "out" / "recipe.yaml")
    assert kept.scoring.flip
    assert kept.data == read_recipe(model_folder / "recipe.yaml").data


def test_a_precision_is_scored_as_it_will_be_used(model_folder) -> None:
    found = evaluate_folder(replace(task(model_folder), precision="bf16"))["emm"]
    assert found.note.split("; ")[0] == "computed in bf16"
    assert not (found.counts == evaluate_folder(task(model_folder))["emm"].counts).all()


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
    assert not (tmp_path / "out" / "unfinished").exists()
    assert load_study(tmp_path / "out")["nm"].counts.equal(whole["nm"].counts)


def test_a_shorter_evaluation_in_between_costs_a_long_one_nothing(model_folder, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as stopping:
        stopping.setattr("robustseg.robustness.tally.Tally.done", stop_after(3))
        with pytest.raises(KeyboardInterrupt):
            evaluate_folder(replace(task(model_folder), batch_size=1), out=tmp_path / "out")
    evaluate_folder(replace(task(model_folder), protocols=("nm",)), out=tmp_path / "out")
    read = read_frames(monkeypatch)
    evaluate_folder(task(model_folder), out=tmp_path / "out")
    assert read == [3, 4, 5]
    assert not (tmp_path / "out" / "unfinished").exists()


def test_counts_of_weights_that_are_no_more_are_deleted(model_folder, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as stopping:
        stopping.setattr("robustseg.robustness.tally.Tally.done", stop_after(3))
        with pytest.raises(KeyboardInterrupt):
            evaluate_folder(replace(task(model_folder), batch_size=1), out=tmp_path / "out")
    save_model(model_folder, build_model(Model(width=16), 10, 4, seed=1), read_card(model_folder))
    evaluate_folder(replace(task(model_folder), protocols=("nm",)), out=tmp_path / "out")
    assert not (tmp_path / "out" / "unfinished").exists()


def test_another_model_starts_over(model_folder, tmp_path) -> None:
    first = evaluate_folder(task(model_folder), out=tmp_path / "out")
    other = build_model(Model(width=16), 10, 4, seed=1)
    save_model(model_folder, other, read_card(model_folder))
    second = evaluate_folder(task(model_folder), out=tmp_path / "out")
    assert not second["emm"].counts.equal(first["emm"].counts)


def test_several_views_are_told(model_folder) -> None:
    scoring = Scoring(scales=(0.5, 1.0), flip=True, window=(32, 32))
    told = evaluate_folder(replace(task(model_folder), protocols=("nm",), scoring=scoring))["nm"].note
    assert told == "several views of a frame: scales 0.5, 1; mirrored; sliding window 32x32"
    assert evaluate_folder(replace(task(model_folder), protocols=("nm",)))["nm"].note == ""


def test_processes_add_up_to_one(model_folder, tmp_path) -> None:
    alone = evaluate_folder(task(model_folder))
    shared = evaluate_folder(task(model_folder), out=tmp_path / "out", processes=2)
    for protocol, evaluation in alone.items():
        assert shared[protocol].counts.equal(evaluation.counts)
        assert shared[protocol].names == evaluation.names
    confidence = shared["emm"].confidence
    assert confidence is not None
    assert confidence.allclose(alone["emm"].confidence, rtol=1e-4)


def test_nobody_goes_on_counting_after_an_interrupt(model_folder, tmp_path, monkeypatch) -> None:
    started = []

    def spawned(*args, spawn=scoring.spawn, **kwargs):
        started.append(spawn(*args, **kwargs))
        return started[-1]

    def interrupt(_folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "spawn", spawned)
    monkeypatch.setattr(scoring, "finished", interrupt)  # of the process that watches
    with pytest.raises(KeyboardInterrupt):
        evaluate_folder(task(model_folder), out=tmp_path / "out", processes=2)
    assert not any(process.is_alive() for process in started[0].processes)


def test_results_are_saved_before_another_evaluation_may_begin(model_folder, tmp_path, monkeypatch) -> None:
    def saving(study, folder: Path, save=scoring.save_study) -> None:
        with pytest.raises(Timeout), FileLock(folder / ".lock", blocking=False):
            pass
        save(study, folder)

    monkeypatch.setattr(scoring, "save_study", saving)
    evaluate_folder(task(model_folder), out=tmp_path / "out")
    assert sorted(load_study(tmp_path / "out")) == ["emm", "nm"]


@pytest.mark.parametrize("processes", [0, -1, 2])
def test_a_number_of_processes_that_cannot_be(model_folder, processes: int) -> None:
    with pytest.raises(ValueError, match=f"processes must be 1 or more.*got {processes}"):
        evaluate_folder(task(model_folder), processes=processes)


def test_one_evaluation_at_a_time(model_folder, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(ValueError, match="another evaluation is at work"):
        evaluate_folder(task(model_folder), out=tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "card"),
    [({"size": (64, 128)}, {}), ({"world": World(train_frames=2, val_frames=6, seed=1)}, {}), ({}, {"mean": 90.0})],
)
def test_what_is_shown_otherwise_starts_over(model_folder, tmp_path, monkeypatch, change: dict, card: dict) -> None:
    """Counts of two sizes, two worlds or two normalisations are not of one evaluation."""
    with monkeypatch.context() as stopping:
        stopping.setattr("robustseg.robustness.tally.Tally.done", stop_after(3))
        with pytest.raises(KeyboardInterrupt):
            evaluate_folder(replace(task(model_folder), batch_size=1), out=tmp_path / "out")
    other = replace(task(model_folder), data=replace(task(model_folder).data, **change))
    if card:
        known = read_card(model_folder)
        shifted = tuple(replace(entry, mean=(card["mean"],) * 3, std=(1.0,) * 3) for entry in known.modalities)
        write_card(model_folder, replace(known, modalities=shifted))
    expected = evaluate_folder(other)
    found = evaluate_folder(other, out=tmp_path / "out")
    assert found["emm"].counts.equal(expected["emm"].counts)


def test_temperatures_and_place_change_no_counts(model_folder, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as stopping:
        stopping.setattr("robustseg.robustness.tally.Tally.done", stop_after(3))
        with pytest.raises(KeyboardInterrupt):
            evaluate_folder(replace(task(model_folder), batch_size=1), out=tmp_path / "out")
    write_card(model_folder, replace(read_card(model_folder), temperatures=(2.0,) * 4))
    read = read_frames(monkeypatch)
    evaluate_folder(task(model_folder.rename(tmp_path / "moved")), out=tmp_path / "out")
    assert read == [3, 4, 5]


def read_frames(monkeypatch) -> list[int]:
    """The indices of the frames that are read from now on."""
    read = []
    get = WorldFrames.__getitem__
    monkeypatch.setattr(WorldFrames, "__getitem__", lambda self, index: (read.append(index), get(self, index))[1])
    return read


def stop_after(frames: int):
    """`Tally.done`, which is interrupted once it has noted so many frames."""

    def done(self, index: int, name: str, tags: dict[str, str], done=Tally.done) -> None:
        done(self, index, name, tags)
        if len(self.frames) == frames:
            raise KeyboardInterrupt

    return done


@pytest.mark.parametrize("processes", [1, 2])
def test_a_bad_frame_is_named_and_nothing_is_lost(model_folder, tmp_path, processes: int) -> None:
    """Files that a model was trained on, one of them damaged since."""
    world = tmp_path / "world"
    make_world(world, train=2, val=5, size=(32, 64))
    recipe = read_recipe(world / "recipe.yaml", ["--data.root", str(world)])
    card = replace(read_card(model_folder), modalities=recipe.data.modalities)
    save_model(model_folder, load(model_folder), card)
    write_recipe(model_folder / "recipe.yaml", recipe)
    bad = sorted((world / "depth" / "val").iterdir())[3]
    whole = bad.read_bytes()
    bad.write_bytes(whole[:100])
    one_by_one = replace(task(model_folder), batch_size=1)
    with pytest.raises(ValueError, match=rf"{bad.name} .*; what was counted is kept: .*data check") as caught:
        evaluate_folder(one_by_one, out=tmp_path / "out", processes=processes)
    assert "FrameError" not in str(caught.value)
    bad.write_bytes(whole)
    evaluate_folder(one_by_one, out=tmp_path / "out", processes=processes)
    assert load_study(tmp_path / "out")["emm"].scored.all()
