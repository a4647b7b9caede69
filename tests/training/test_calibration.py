import json
from dataclasses import replace

import pytest
import torch

from robustseg.build import load
from robustseg.cli import main
from robustseg.data.stats import class_frequency
from robustseg.failures import all_subsets
from robustseg.frames import open_frames
from robustseg.models.card import CARD_FILE, read_card, write_card
from robustseg.recipe import Data, Schedule
from robustseg.robustness.temperature import fit_temperatures
from robustseg.training.calibration import calibrate, calibration_caveat, calibration_frames
from robustseg.training.run import train
from robustseg.training.selection import hold_out


@pytest.fixture(scope="module")
def student(tmp_path_factory, small):
    schedule = Schedule(epochs=4, batch_size=4, lr=1e-2, warmup_epochs=0)  # long enough to be sure of something
    return train(small(tmp_path_factory.mktemp("runs"), teacher=schedule, student=schedule))


def test_training_fits_on_the_frames_that_selected(student, small) -> None:
    recipe = small(student.parent.parent)
    frames = open_frames(recipe.data, "train")
    for folder in (student, student.parent / "teacher"):
        card = read_card(folder)
        _, held = hold_out(frames, recipe.holdout, recipe.seed)
        expected = fit_temperatures(load(folder), held, all_subsets(4))
        assert card.temperatures == pytest.approx(expected, abs=2e-4)
        assert all(0.1 < value < 10 for value in expected)
        assert card.calibrated_on == "0.1 of train"
        assert json.loads((folder / "training.json").read_text())["calibrated_on"] == card.calibrated_on
        assert card.frequency == class_frequency(frames)
        assert sum(card.frequency) == pytest.approx(1, abs=1e-4)


def test_without_selection_nothing_is_fitted(small, tmp_path, capsys) -> None:
    folder = train(small(tmp_path, select="last"))
    card = read_card(folder)
    assert (card.temperatures, card.calibrated_on) == ((), "")
    assert json.loads((folder / "training.json").read_text())["calibrated_on"] is None
    assert main(["calibrate", str(folder)]) == 1
    assert "name a split with --split" in capsys.readouterr().err
    assert read_card(folder) == card


def test_a_model_that_cannot_be_calibrated_is_kept(small, tmp_path, monkeypatch, capsys) -> None:
    def fail(*_, **__):
        raise ValueError("no frame to fit temperatures on has a labelled pixel")

    monkeypatch.setattr("robustseg.training.calibration.fit_temperatures", fail)
    folder = train(small(tmp_path))
    assert "student: not calibrated, no frame to fit" in capsys.readouterr().err
    assert read_card(folder).temperatures == ()
    assert load(folder).num_modalities == 4


def test_the_command_fits_anew_and_leaves_the_weights(student, capsys) -> None:
    card, weights = read_card(student), (student / "model.safetensors").read_bytes()
    write_card(student, replace(card, temperatures=(), calibrated_on=""))
    assert main(["calibrate", str(student)]) == 0
    said = capsys.readouterr().out
    assert "4 of 4 modalities: temperature" in said
    assert "note:" not in said
    assert read_card(student).temperatures == pytest.approx(card.temperatures, abs=2e-4)
    assert replace(read_card(student), temperatures=card.temperatures) == card
    assert main(["calibrate", str(student), "--split", "val"]) == 0
    assert "note: val is the split that the recipe reports" in capsys.readouterr().out
    changed = read_card(student)
    assert changed.calibrated_on == "val"
    assert changed.temperatures != card.temperatures
    assert (student / "model.safetensors").read_bytes() == weights
    assert not list(student.glob(".*.tmp*"))
    write_card(student, card)


def test_a_failed_fit_changes_nothing(student, toy_frames) -> None:
    before = (student / CARD_FILE).read_bytes()
    with pytest.raises(ValueError, match="modalities"):
        calibrate(student, toy_frames(), "toys")
    assert (student / CARD_FILE).read_bytes() == before


def test_frames_by_name_and_what_is_wrong_with_them(small, tmp_path) -> None:
    recipe = small(tmp_path)
    frames, where = calibration_frames(recipe, "val")
    assert (len(frames), where) == (4, "val")
    assert "learned from" in calibration_caveat(recipe, "train")
    _, where = calibration_frames(replace(recipe, select="published"), "")
    assert "reports" in calibration_caveat(recipe, where)
    assert calibration_caveat(recipe, calibration_frames(recipe, "")[1]) == ""
    habit = replace(recipe, data=Data(kind="mcubes", habits=("val_is_test",)))
    assert "reports" in calibration_caveat(habit, "test")  # one list under two names


def test_calibration_draws_nothing_from_the_global_source(student, small) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    frames, where = calibration_frames(small(student.parent.parent), "")
    card = read_card(student)
    assert calibrate(student, frames, where, device="cpu") == card
    assert torch.get_rng_state().equal(before)
