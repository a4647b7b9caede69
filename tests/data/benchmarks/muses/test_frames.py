"""A whole split: what is seen lies on what is labelled, and what is wrong is said when it is opened."""

import json
import multiprocessing
import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from robustseg.data.benchmarks.muses import CLASSES, open_muses, project_muses
from robustseg.data.fake.muses import write_muses
from robustseg.data.sample import FrameError
from robustseg.recipe import Data, Muses

SIZE = (108, 192)


@pytest.fixture
def shared(tree):
    """Data that no test may spoil."""
    return Data(kind="muses", root=str(tree))


def test_a_split(shared, tree):
    frames = open_muses(shared, "val", training=False)
    assert [modality.name for modality in frames.modalities] == ["camera", "event", "lidar", "radar"]
    assert [modality.sort for modality in frames.modalities] == ["camera", "event", "lidar", "radar"]
    assert (len(frames), len(frames.classes), frames.classes) == (3, 19, CLASSES)
    assert frames.sequences == ("REC0008", "REC0009", "REC0010")
    sample = frames[2]
    assert sample.images.shape == (4, 3, *SIZE)
    assert sample.images.dtype == torch.float32
    assert sample.present.tolist() == [True] * 4
    assert (sample.name, sample.tags["weather"]) == ("REC0010_frame_001000", "rain")
    stem = "val/rain/day/REC0010_frame_001000"
    camera = np.asarray(Image.open(tree / f"frame_camera/{stem}_frame_camera.png"))
    labels = np.asarray(Image.open(tree / f"gt_semantic/{stem}_gt_labelTrainIds.png"))
    np.testing.assert_array_equal(sample.images[0], camera.transpose(2, 0, 1))
    np.testing.assert_array_equal(sample.labels, labels)
    assert (labels == 255).any()


def test_what_the_sensors_see_lies_on_its_label(tmp_path):
    write_muses(tmp_path / "m", frames=1, size=(540, 960))
    sample = open_muses(Data(kind="muses", root=str(tmp_path / "m")), "train", training=True)[0]
    labels = sample.labels.numpy()
    _, event, lidar, radar = sample.images.numpy()
    here = (lidar[0] > 0) & (labels != 255)
    right = (lidar[1][here] - 5) / 10 == labels[here]
    assert here.sum() > 1000
    assert right.mean() > 0.95  # not at edges, which LiDAR and camera see from different places
    edges = (labels[:-1, :-1] != labels[1:, 1:]).astype(np.uint8)
    near = cv2.dilate(edges, np.ones((3, 3)))[event.sum(axis=0)[:-1, :-1] > 0]
    assert near.mean() > 0.99
    assert (radar[1] > 0).any()
    assert not radar[2].any()


def test_the_test_split_has_no_labels(shared):
    frames = open_muses(shared, "test", training=False)
    assert (frames[0].labels == 255).all()
    assert all(scene.labels is None for scene in frames.scenes)


def test_void_stays_void_unless_the_habit_is_on(shared):
    strict = open_muses(shared, "val", training=True)[0].labels
    road = open_muses(replace(shared, habits=("void_as_road",)), "val", training=True)[0].labels
    assert (strict == 255).any()
    assert torch.equal(road, torch.where(strict == 255, 0, strict))


def test_sizes(shared):
    data = replace(shared, resize=(64, 80))
    sizes = {
        key: (tuple(sample.images.shape[2:]), tuple(sample.labels.shape))
        for key, sample in {
            "training": open_muses(data, "val", training=True)[0],
            "strict": open_muses(data, "val", training=False)[0],
            "habit": open_muses(replace(data, habits=("resized_labels",)), "val", training=False)[0],
        }.items()
    }
    assert sizes == {"training": (SIZE, SIZE), "strict": ((64, 80), SIZE), "habit": ((64, 80), (64, 80))}


def test_each_habit_alone_changes_the_raw_sensors_too(shared):
    plain = open_muses(replace(shared, use=("lidar", "event")), "val", training=True)[0].images
    high = open_muses(replace(shared, use=("lidar", "event"), habits=("high_byte",)), "val", training=True)
    assert high[0].images[0].min() == 57  # a height below 0
    assert high[0].images[0][0].min() == 58 == high.modalities[0].missing
    assert torch.equal(high[0].images[1], plain[1])
    wide = open_muses(replace(shared, use=("lidar", "event"), habits=("min_max",)), "val", training=True)
    assert (wide[0].images[0].min(), wide[0].images[0].max()) == (0, 255)
    assert wide.modalities[0].unit == "counts"


def test_an_empty_scan_is_an_image_of_zeros(data, copy):
    path = next((copy / "lidar/val").rglob("*.bin"))
    path.write_bytes(b"")
    use = replace(data, use=("camera", "lidar"))
    for habits in ((), ("min_max",)):
        (index,) = [
            index
            for index, scene in enumerate(open_muses(use, "val", training=True).scenes)
            if scene.files[1][0] == path
        ]
        assert not open_muses(replace(use, habits=habits), "val", training=True)[index].images[1].any()


def test_use_picks_and_orders(shared):
    frames = open_muses(replace(shared, use=("lidar", "camera")), "val", training=False)
    assert [modality.name for modality in frames.modalities] == ["lidar", "camera"]
    assert frames[0].images[0].min() < -1  # metres


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use": ("camera", "sonar")}, "'sonar'.*camera, event, lidar, radar"),
        ({"use": ("camera", "camera")}, "twice"),
        ({"habits": ("val_is_test",)}, "val_is_test"),
        ({"root": ""}, "--data.root"),
    ],
)
def test_wrong_settings(shared, change, message):
    with pytest.raises(ValueError, match=message):
        open_muses(replace(shared, **change), "val", training=False)


def test_an_unknown_split(shared):
    with pytest.raises(ValueError, match="has no split 'dev'; it has test, train, val"):
        open_muses(shared, "dev", training=False)


def test_missing_files_are_counted(data, copy):
    for path in (copy / "radar/val").rglob("*.png"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"_radar\.png is missing, one of 3 files"):
        open_muses(data, "val", training=False)
    frames = open_muses(replace(data, missing="allow"), "val", training=False)
    assert frames[0].present.tolist() == [True, True, True, False]


@pytest.mark.parametrize(("source", "folder"), [("sdk", "projected_to_rgb"), ("published", "multimodal")])
def test_projections_that_nobody_has_made(data, source, folder):
    with pytest.raises(FileNotFoundError, match=rf"there is no \S+/{folder}, which .*data\.muses\.source: raw"):
        open_muses(replace(data, muses=Muses(source=source)), "val", training=False)
    if source == "sdk":  # the camera's images are its own
        assert open_muses(replace(data, muses=Muses(source=source), use=("camera",)), "val", training=False)[0]


@pytest.mark.parametrize("empty", [True, False])
def test_a_scene_without_one_sensor(data, copy, empty):
    meta = json.loads((copy / "meta.json").read_text())
    scene = meta["REC0008_frame_001000"]
    (copy / scene["path_to_lidar"]).unlink()
    scene.update(path_to_lidar=None) if empty else scene.pop("path_to_lidar")
    (copy / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(FileNotFoundError, match=r"_lidar\.bin is missing, one of 1 files.*data\.missing: allow"):
        open_muses(data, "val", training=False)
    frames = open_muses(replace(data, missing="allow"), "val", training=False)
    assert [frames[index].present.tolist()[2] for index in range(3)] == [False, True, True]
    report = project_muses(data, "val")
    assert (report.count("missing"), len(report.failed)) == (1, 0)


def test_files_that_are_not_listed_are_counted(data, copy):
    (copy / "lidar/val/clear/day/REC0008_frame_000001_lidar.bin").write_bytes(b"")
    with pytest.raises(ValueError, match=r"is not in meta\.json"):
        open_muses(data, "val", training=False)


@pytest.mark.parametrize(
    ("folder", "damage", "message"),
    [
        ("event_camera", lambda path: path.write_bytes(path.read_bytes()[:500]), "_event_camera.h5 cannot be read"),
        ("lidar", lambda path: path.write_bytes(bytes(50)), "_lidar.bin is no LiDAR scan"),
        ("radar", lambda path: cv2.imwrite(str(path), np.zeros((9, 9), np.uint8)), "_radar.png is no polar radar"),
        ("frame_camera", lambda path: path.write_bytes(b"x"), "_frame_camera.png cannot be read"),
        ("gt_semantic", lambda path: cv2.imwrite(str(path), np.full(SIZE, 19, np.uint8)), r"unknown label ids \[19\]"),
    ],
)
def test_damaged_files_are_named_when_they_are_read(data, copy, folder, damage, message):
    path = sorted((copy / folder / "val").rglob("*.*"))[0]
    damage(path)
    frames = open_muses(data, "val", training=True)
    with pytest.raises(FrameError, match=message) as caught:
        frames[0]
    assert str(path) in str(caught.value)
    assert "robustseg data check names all files" in str(caught.value)
    assert caught.value.name == "REC0008_frame_001000"
    assert len(frames[1].name) > 0


def test_more_ids_may_be_ignored(data, copy):
    path = sorted((copy / "gt_semantic/val").rglob("*.png"))[0]
    ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    before = open_muses(data, "val", training=True)[0].labels
    ids[:3] = 33
    cv2.imwrite(str(path), ids)
    with pytest.raises(FrameError, match=r"unknown label ids \[33\]: list them in `data\.ignore_ids`"):
        open_muses(data, "val", training=True)[0]
    labels = open_muses(replace(data, ignore_ids=(33,)), "val", training=True)[0].labels
    assert (labels[:3] == 255).all()
    assert torch.equal(labels[3:], before[3:])  # 255 stays void


def test_motion_needs_the_receivers_file(data, copy):
    moving = replace(data, muses=Muses(motion=True))
    still = open_muses(data, "val", training=True)[0].images
    moved = open_muses(moving, "val", training=True)[0].images
    assert torch.equal(still[:2], moved[:2])
    assert (still[2] != moved[2]).any()
    assert (still[3] != moved[3]).any()
    for path in (copy / "gnss/val").rglob("*.txt"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"_gnss\.txt is missing, one of 3 files"):
        open_muses(moving, "val", training=True)


def test_frames_travel_to_other_processes(shared):
    frames = open_muses(shared, "val", training=True)
    again = pickle.loads(multiprocessing.reduction.ForkingPickler.dumps(frames))
    assert torch.equal(again[0].images, frames[0].images)
