import json

import pytest

from robustseg.scoring import SUMMARY_FILE, evaluation_frames, selection_note


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
