import csv
import errno
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from robustseg.data.sample import FrameError
from robustseg.deploy import Predictor, predict_folder
from robustseg.deploy.folder import dropped_places, file_ids


def test_every_frame_gets_images_and_a_record(toy_model, toy_frames, tmp_path) -> None:
    frames, seen = toy_frames(labelled=False), []
    records = predict_folder(toy_model, frames, tmp_path, progress=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (6, 6)
    assert [record["used"] for record in records][1:5] == [
        ["rgb", "depth", "lidar"],
        ["rgb", "lidar"],
        ["rgb", "depth", "lidar"],
        ["lidar"],
    ]
    sample = frames[2]
    expected = Predictor(toy_model).predict(sample.images, sample.present)
    labels = np.asarray(Image.open(tmp_path / "labels" / "drive" / "0002.png"))
    np.testing.assert_array_equal(labels, np.array([7, 26, 300, 9])[expected.labels])
    confidence = np.asarray(Image.open(tmp_path / "confidence" / "drive" / "0002.png"))
    np.testing.assert_allclose(confidence / 255, expected.confidence, atol=0.5 / 255 + 1e-6)
    painted = np.asarray(Image.open(tmp_path / "overlay" / "drive" / "0002.png"))
    assert painted.shape == (32, 48, 3)


def test_the_list_says_what_was_missing(toy_model, toy_frames, tmp_path) -> None:
    records = predict_folder(toy_model, toy_frames(), tmp_path, without=["lidar"])
    listed = json.loads((tmp_path / "predictions.json").read_text())
    assert listed["frames"] == records
    assert listed["classes"][2] == {"id": 300, "train_id": 2, "name": "tree", "color": [107, 142, 35]}
    assert records[2]["without"] == ["depth", "lidar"]
    assert records[4] == {
        "name": "drive/0004",
        "used": [],
        "without": ["rgb", "depth", "lidar"],
        "confidence": None,
        "skipped": True,
    }
    assert not (tmp_path / "labels" / "drive" / "0004.png").exists()
    rows = list(csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines()))
    assert rows[2]["used"] == "rgb"
    assert rows[4]["confidence"] == ""


def test_choices(toy_frames) -> None:
    modalities = toy_frames().modalities
    assert dropped_places(modalities, None, None) == ()
    assert dropped_places(modalities, ["depth"], None) == (0, 2)
    assert dropped_places(modalities, ["depth", "rgb"], ["depth"]) == (1, 2)
    with pytest.raises(ValueError, match="no modality or sensor 'sonar'"):
        dropped_places(modalities, ["sonar"], None)
    with pytest.raises(ValueError, match="no modality is left"):
        dropped_places(modalities, ["rgb"], ["rgb"])


def test_ids_are_8_bit_where_that_is_enough(toy_frames) -> None:
    classes = toy_frames().classes
    assert file_ids(classes).dtype == np.uint16
    assert file_ids(classes[:2]).tolist() == [7, 26]
    assert file_ids(classes[:2]).dtype == np.uint8


def test_a_full_disk_is_named(toy_model, toy_frames, tmp_path, monkeypatch) -> None:
    def full(self, path, *args, **kwargs) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left on device; 0 of 6 frames are done"):
        predict_folder(toy_model, toy_frames(), tmp_path)


@pytest.fixture
def unlucky_frames(toy_frames):
    class Unlucky(toy_frames):
        """The third frame is damaged."""

        def __getitem__(self, index: int):
            if index == 2:
                error = FrameError("depth/2.png cannot be read")
                error.name = "drive/0002"
                raise error
            return super().__getitem__(index)

    return Unlucky()


def test_a_frame_that_cannot_be_read_stops_no_other(toy_model, unlucky_frames, tmp_path) -> None:
    records = predict_folder(toy_model, unlucky_frames, tmp_path)
    assert [record["name"] for record in records if "error" in record] == ["drive/0002"]
    assert json.loads((tmp_path / "predictions.json").read_text())["frames"] == records
    rows = list(csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines()))
    assert [row["error"] for row in rows] == ["", "", "depth/2.png cannot be read", "", "", ""]
    assert len(list((tmp_path / "labels" / "drive").iterdir())) == 5


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_the_list_is_written_when_the_work_is_stopped(toy_model, toy_frames, tmp_path, stop) -> None:
    def progress(done: int, of: int) -> None:
        if done == 2:
            raise stop

    with pytest.raises(stop):
        predict_folder(toy_model, toy_frames(), tmp_path, progress=progress)
    assert len(json.loads((tmp_path / "predictions.json").read_text())["frames"]) == 2
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 3


def test_names_stay_below_the_folder(toy_model, toy_frames, tmp_path) -> None:
    class Sly(toy_frames):
        def __getitem__(self, index: int):
            sample = super().__getitem__(index)
            object.__setattr__(sample, "name", "../../evil")
            return sample

    with pytest.raises(ValueError, match="leads outside"):
        predict_folder(toy_model, Sly(), tmp_path / "out")


def test_id_maps_have_the_frames_size_whatever_the_network_looks_at(toy_model, toy_frames, tmp_path) -> None:
    before = toy_model.card
    toy_model.card = replace(before, resize=(64, 32))
    try:
        predict_folder(toy_model, toy_frames(number=2, odd_sizes={1: (40, 33)}), tmp_path)
    finally:
        toy_model.card = before
    for kind in ("labels", "overlay", "confidence"):
        sizes = [Image.open(tmp_path / kind / "drive" / f"000{place}.png").size for place in (0, 1)]
        assert sizes == [(48, 32), (33, 40)]


def test_a_data_folder_is_not_written_over(toy_model, toy_frames, tmp_path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "0001.png").write_text("precious")
    for listed in (None, "{}", "no list"):
        if listed:
            (tmp_path / "predictions.json").write_text(listed)
        with pytest.raises(ValueError, match="holds files that are no predictions"):
            predict_folder(toy_model, toy_frames(), tmp_path)
    assert (tmp_path / "labels" / "0001.png").read_text() == "precious"


def test_a_second_run_leaves_no_picture_of_the_first(toy_model, toy_frames, tmp_path) -> None:
    predict_folder(toy_model, toy_frames(), tmp_path)
    assert (tmp_path / "labels" / "drive" / "0004.png").exists()
    records = predict_folder(toy_model, toy_frames(), tmp_path, without=["lidar"])
    assert records[4]["skipped"]
    assert len(list(tmp_path.rglob("0004.png"))) == 0
    assert len(list(tmp_path.rglob("0003.png"))) == 3
