from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from robustseg.data.folders import FolderFrames
from robustseg.data.sample import Sample
from robustseg.data.world import CLASSES, MODALITIES, WorldFrames, make_world
from robustseg.labels import label_table
from robustseg.recipe_file import read_recipe


def file_name(sample: Sample) -> str:
    return f"{sample.name}_{sample.tags['condition']}.png"


def test_files_hold_what_the_dataset_holds(tmp_path: Path):
    out = tmp_path / "world"
    calls = []
    make_world(out, train=3, val=2, seed=1, size=(48, 64), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (5, 5)
    frames = WorldFrames("val", 2, 1, (48, 64))
    for sample in (frames[0], frames[1]):
        for place, modality in enumerate(frames.modalities):
            image = cv2.imread(str(out / modality.name / "val" / file_name(sample)), cv2.IMREAD_UNCHANGED)
            assert (image[..., ::-1].transpose(2, 0, 1) == sample.images[place].numpy()).all()
        labels = cv2.imread(str(out / "labels" / "val" / file_name(sample)), cv2.IMREAD_UNCHANGED)
        assert (labels == sample.labels.numpy()).all()
    sheet = cv2.imread(str(out / "contact_sheet.png"))
    assert sheet.shape[0] > 500
    assert np.unique(sheet).size > 100


def test_the_recipe_names_the_worlds_sensors_and_classes(tmp_path: Path):
    out = tmp_path / "world"
    make_world(out, train=1, val=1, size=(32, 48))
    written = read_recipe(out / "recipe.yaml").data
    frames = WorldFrames("train", 1, 0)
    assert tuple(replace(modality, files={}) for modality in written.modalities) == frames.modalities
    plain = [(entry.name, entry.color) for entry in frames.classes]
    assert [(entry.name, entry.color) for entry in written.classes] == plain
    assert label_table(written.classes) == label_table(frames.classes)
    assert (written.kind, Path(written.root), written.size) == ("folders", out, (32, 48))


def test_the_folder_reader_gives_the_worlds_frames(tmp_path: Path):
    out = tmp_path / "world"
    make_world(out, train=1, val=17, size=(32, 48))  # the last scene has a low sun
    read = FolderFrames.from_recipe(read_recipe(out / "recipe.yaml").data, "val")
    made = WorldFrames("val", 17, 0, (32, 48))
    by_name = {Path(file_name(made[index])).stem: made[index] for index in range(17)}
    assert "low_sun" in {sample.tags["condition"] for sample in by_name.values()}
    assert read.sequences == made.sequences
    for index in range(17):
        sample = by_name[read[index].name]
        assert read[index].tags["condition"] == sample.tags["condition"]
        assert torch.equal(read[index].images, sample.images)
        assert torch.equal(read[index].labels, sample.labels)


def test_a_model_of_the_world_finds_the_files(tmp_path: Path):
    make_world(tmp_path, train=1, val=2, size=(32, 48))
    frames = FolderFrames(tmp_path, "val", modalities=MODALITIES, classes=CLASSES)
    assert len(frames) == 2


@pytest.mark.parametrize("size", [(0, 10), (16, 16), (40, 31), (32, 20_000)])
def test_sizes_that_no_recipe_takes_are_refused(tmp_path: Path, size: tuple[int, int]):
    with pytest.raises(ValueError, match=r"size must lie in 32\.\.16384"):
        make_world(tmp_path / "world", train=1, val=1, size=size)
    assert not (tmp_path / "world").exists()


def test_a_full_folder_is_not_written_over(tmp_path: Path):
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        make_world(tmp_path, train=1, val=1)
