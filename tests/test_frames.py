import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from robustseg.data.folders import FolderFrames
from robustseg.data.resizing import resized_frame
from robustseg.deploy import predict_folder
from robustseg.frames import fingerprint, open_frames, prediction_frames
from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.models.card import ModelCard
from robustseg.models.standard import random_segmenter, segmenter_on_meta
from robustseg.recipe import Data, World

CLASSES = (LabelClass("a", (1, 2, 3)),)
FOLDERS = Data(kind="folders", modalities=(Modality("rgb"), Modality("depth")), classes=CLASSES, size=(32, 32))


def write(root: Path, *folders: str, size: int = 32, value: int = 0) -> None:
    for folder in folders:
        path = root / folder / "train" / "0001.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((size, size), value, np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 0])


def test_world_has_two_splits_and_is_shared():
    data = Data(size=(32, 64), world=World(train_frames=3, val_frames=2))
    assert (len(open_frames(data, "train")), len(open_frames(data, "val"))) == (3, 2)
    assert open_frames(data, "val") is open_frames(data, "val")
    with pytest.raises(ValueError, match="splits train, val"):
        open_frames(data, "test")


def test_folders_need_a_root(tmp_path):
    with pytest.raises(ValueError, match=r"--data\.root"):
        open_frames(FOLDERS, "train")
    write(tmp_path, "rgb", "depth", "labels")
    assert len(open_frames(dataclasses.replace(FOLDERS, root=str(tmp_path)), "train")) == 1


def test_fingerprint_follows_the_files_not_the_place(tmp_path):
    prints = []
    for place in ("one", "two"):
        write(tmp_path / place, "rgb", "depth", "labels")
        prints.append(fingerprint(dataclasses.replace(FOLDERS, root=str(tmp_path / place)), "train"))
    assert prints[0] == prints[1]
    write(tmp_path / "two", "depth", size=48)
    assert fingerprint(dataclasses.replace(FOLDERS, root=str(tmp_path / "two")), "train") != prints[0]


def test_fingerprint_notices_new_labels(tmp_path):
    data = dataclasses.replace(FOLDERS, root=str(tmp_path))
    write(tmp_path, "rgb", "depth", "labels", value=1)
    before, size = fingerprint(data, "train"), (tmp_path / "labels/train/0001.png").stat().st_size
    write(tmp_path, "labels", value=2)
    assert (tmp_path / "labels/train/0001.png").stat().st_size == size
    assert fingerprint(data, "train") != before


def test_fingerprint_of_a_world_follows_the_split():
    worlds = [World(train_frames=3, val_frames=3), World(train_frames=3, val_frames=4), World(4, 3), World(3, 3, 1)]
    train, val = ([fingerprint(Data(world=world), split) for world in worlds] for split in ("train", "val"))
    assert train[0] == train[1]
    assert len({train[0], train[2], train[3]}) == 3
    assert val[0] == val[2]
    assert len({val[0], val[1], val[3], train[0]}) == 4


def test_prediction_needs_neither_labels_nor_all_sensors(tmp_path):
    card = ModelCard("mit_nano", 16, CLASSES, FOLDERS.modalities, "remove", (32, 32))
    write(tmp_path, "depth")
    (sample,) = (prediction_frames(card, tmp_path, "train")[0],)
    assert sample.present.tolist() == [False, True]
    assert (sample.labels == 255).all()
    with pytest.raises(FileNotFoundError, match="--split"):
        prediction_frames(card, tmp_path, "")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        prediction_frames(card, tmp_path / "nowhere", "")


def test_prediction_passes_over_a_frame_without_sensors(tmp_path):
    radar = Modality("radar", files={"a": "a/{name}.png", "b": "b/{name}.png"}, channels=("a", "b", "b - a"))
    model = random_segmenter(segmenter_on_meta("mit_nano", width=16, num_classes=1, num_modalities=1), seed=0)
    radar = dataclasses.replace(radar, mean=(0.0,) * 3, std=(1.0,) * 3)
    model.card = ModelCard("mit_nano", 16, CLASSES, (radar,), "remove", (32, 32))
    for path in ("a/1.png", "b/1.png", "b/2.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / path), np.zeros((32, 32), np.uint8))
    records = predict_folder(model, prediction_frames(model.card, tmp_path, ""), tmp_path / "out")
    assert [(record["name"], record["skipped"]) for record in records] == [("1", False), ("2", True)]


def test_prediction_keeps_the_frames_size(tmp_path):
    card = ModelCard("mit_nano", 16, CLASSES, FOLDERS.modalities, "remove", (32, 32), resize=(32, 32))
    write(tmp_path, "rgb", "depth", size=70)
    assert prediction_frames(card, tmp_path, "train")[0].images.shape == (2, 3, 70, 70)


def test_modalities_of_several_sizes_follow_the_camera(tmp_path):
    modalities = (Modality("depth"), Modality("rgb", photometric=True))
    card = ModelCard("mit_nano", 16, CLASSES, modalities, "remove", (32, 32), resize=(32, 32))
    write(tmp_path, "rgb", size=70)
    write(tmp_path, "depth", size=35, value=9)
    sample = prediction_frames(card, tmp_path, "train")[0]
    assert sample.images.shape == (2, 3, 70, 70)
    assert (sample.images[0] == 9).all()
    with pytest.raises(ValueError, match="sizes differ"):
        prediction_frames(dataclasses.replace(card, resize=None), tmp_path, "train")[0]
    (tmp_path / "rgb/train/0001.png").unlink()
    assert prediction_frames(card, tmp_path, "train")[0].images.shape == (2, 3, 35, 35)


@pytest.mark.parametrize("size", [(32, 48), (96, 112), (40, 112)])
def test_evaluation_and_prediction_see_the_same_pixels(tmp_path, size):
    modalities = (Modality("rgb", photometric=True), Modality("depth", scale=0.1, resample="nearest"))
    for folder in ("rgb", "depth"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "1.png"), np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8))
    card = ModelCard("mit_nano", 16, CLASSES, modalities, "remove", (32, 32), resize=size)
    seen = prediction_frames(card, tmp_path, "")[0]
    evaluated = FolderFrames(tmp_path, "", modalities=modalities, classes=CLASSES, resize=size)[0]
    assert torch.equal(resized_frame(seen.images, size, modalities), evaluated.images)
