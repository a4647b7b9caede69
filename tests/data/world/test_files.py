from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from robustseg.data.folders import FolderFrames
from robustseg.data.world import WorldFrames, make_world
from robustseg.labels import label_table
from robustseg.recipe_file import read_recipe


def test_files_hold_what_the_dataset_holds(tmp_path: Path):
    out = tmp_path / "world"
    calls = []
    make_world(out, train=3, val=2, seed=1, size=(48, 64), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (5, 5)
    frames = WorldFrames("val", 2, 1, (48, 64))
    for sample in (frames[0], frames[1]):
        for place, modality in enumerate(frames.modalities):
            image = cv2.imread(str(out / modality.name / "val" / f"{sample.name}.png"), cv2.IMREAD_UNCHANGED)
            assert (image[..., ::-1].transpose(2, 0, 1) == sample.images[place].numpy()).all()
        labels = cv2.imread(str(out / "labels" / "val" / f"{sample.name}.png"), cv2.IMREAD_UNCHANGED)
        assert (labels == sample.labels.numpy()).all()
    assert len((out / "conditions.csv").read_text().splitlines()) == 6
    sheet = cv2.imread(str(out / "contact_sheet.png"))
    assert sheet.shape[0] > 500
    assert np.unique(sheet).size > 100


def test_the_recipe_names_the_worlds_sensors_and_classes(tmp_path: Path):
    out = tmp_path / "world"
    make_world(out, train=1, val=1, size=(32, 48))
    written = read_recipe(out / "recipe.yaml").data
    frames = WorldFrames("train", 1, 0)
    assert written.modalities == frames.modalities
    plain = [(entry.name, entry.color) for entry in frames.classes]
    assert [(entry.name, entry.color) for entry in written.classes] == plain
    assert label_table(written.classes) == label_table(frames.classes)
    assert (written.kind, Path(written.root), written.size) == ("folders", out, (32, 48))


def test_the_folder_reader_gives_the_worlds_frames(tmp_path: Path):
    out = tmp_path / "world"
    make_world(out, train=1, val=2, size=(32, 48))
    read = FolderFrames.from_recipe(read_recipe(out / "recipe.yaml").data, "val")
    made = WorldFrames("val", 2, 0, (32, 48))
    names = sorted(made[index].name for index in range(2))
    assert [read[index].name.endswith(name) for index, name in enumerate(names)] == [True, True]
    by_name = {made[index].name: made[index] for index in range(2)}
    for index, name in enumerate(names):
        assert torch.equal(read[index].images, by_name[name].images)
        assert torch.equal(read[index].labels, by_name[name].labels)


def test_a_full_folder_is_not_written_over(tmp_path: Path):
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        make_world(tmp_path, train=1, val=1)
