import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from robustseg.frames import fingerprint, open_frames, prediction_frames
from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.models.card import ModelCard
from robustseg.recipe import Data, World

CLASSES = (LabelClass("a", (1, 2, 3)),)
FOLDERS = Data(kind="folders", modalities=(Modality("rgb"), Modality("depth")), classes=CLASSES, size=(32, 32))


def write(root: Path, *folders: str, size: int = 32) -> None:
    for folder in folders:
        path = root / folder / "train" / "0001.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((size, size), np.uint8))


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
    one, other = (Data(world=World(train_frames=count)) for count in (3, 4))
    assert fingerprint(one, "train") != fingerprint(other, "train")


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
