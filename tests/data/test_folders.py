"""FolderFrames on tiny generated folders and on the two real data sets of the shared folder."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from robustseg.data.folders import FolderFrames, list_frames
from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.recipe import Data

CLASSES = (LabelClass("road", (1, 2, 3)), LabelClass("car", (4, 5, 6), ids=(7,)))
RGB = Modality("rgb", photometric=True)
DEPTH = Modality("depth", unit="m", scale=0.01, resample="nearest", missing=-1.0)


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def resized_frames(data: Data, size: tuple[int, int]) -> FolderFrames:
    """Sizes far below those that a recipe accepts."""
    return FolderFrames(
        Path(data.root), "train", modalities=data.modalities, classes=CLASSES, labels=data.labels, resize=size
    )


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """Two training frames of RGB and 16-bit depth, 6x8."""
    draw = np.random.default_rng(0)
    for name in ("b", "a"):
        save(tmp_path / f"rgb/train/{name}.png", draw.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        save(tmp_path / f"depth/train/{name}.png", draw.integers(0, 65536, (6, 8), dtype=np.uint16))
        save(tmp_path / f"labels/train/{name}.png", draw.choice(np.uint8([0, 7, 255]), (6, 8)))
    return Data(kind="folders", root=str(tmp_path), modalities=(RGB, DEPTH), classes=CLASSES)


def test_reads_a_frame(data: Data) -> None:
    frames = FolderFrames.from_recipe(data, "train")
    assert [frames[index].name for index in range(len(frames))] == ["a", "b"]
    sample = frames[0]
    root = Path(data.root)
    rgb = np.asarray(Image.open(root / "rgb/train/a.png")).transpose(2, 0, 1)
    depth = np.asarray(Image.open(root / "depth/train/a.png")).astype(np.float32) * np.float32(0.01)
    ids = np.asarray(Image.open(root / "labels/train/a.png"))
    assert sample.images.dtype == torch.float32
    assert np.array_equal(sample.images[0], rgb)
    assert np.array_equal(sample.images[1], np.stack([depth] * 3))
    assert np.array_equal(sample.labels, np.where(ids == 7, 1, ids))
    assert sample.labels.dtype == torch.int64
    assert sample.present.tolist() == [True, True]
    assert (sample.tags, sample.sequence) == ({}, "")


def test_missing_file_is_an_error_or_an_absent_modality(data: Data) -> None:
    (Path(data.root) / "depth/train/b.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"depth/train/b\.png is missing, one of 1"):
        FolderFrames.from_recipe(data, "train")
    sample = FolderFrames.from_recipe(replace(data, missing="allow"), "train")[1]
    assert sample.present.tolist() == [True, False]
    assert (sample.images[1] == -1).all()


def test_frame_without_sensors_is_an_error(data: Data) -> None:
    for modality in ("rgb", "depth"):
        (Path(data.root) / f"{modality}/train/b.png").unlink()
    with pytest.raises(ValueError, match="frame 'b' has no sensor at all"):
        FolderFrames.from_recipe(replace(data, missing="allow"), "train")


def test_prediction_needs_no_labels_and_takes_the_union_of_frames(data: Data) -> None:
    root = Path(data.root)
    (root / "rgb/train/a.png").unlink()
    (root / "depth/train/b.png").unlink()
    for label in (root / "labels/train").iterdir():
        label.unlink()
    frames = FolderFrames(root, "train", modalities=data.modalities, classes=CLASSES, missing="allow")
    assert [frame.present for frame in frames.frames] == [(False, True), (True, False)]
    assert (frames[0].labels == 255).all()
    assert frames[0].labels.shape == (6, 8)


def test_empty_split_leaves_its_folder_out(tmp_path: Path) -> None:
    save(tmp_path / "rgb/x.png", np.zeros((2, 2, 3), np.uint8))
    assert [frame.name for frame in list_frames(tmp_path, "", [RGB])] == ["x"]


def test_empty_dataset_says_what_was_looked_for(data: Data) -> None:
    with pytest.raises(FileNotFoundError, match=r"labels/test/\{name\}\.png; it holds depth, labels, rgb"):
        FolderFrames.from_recipe(data, "test")
    with pytest.raises(FileNotFoundError, match="is no folder"):
        FolderFrames.from_recipe(replace(data, root=data.root + "/nowhere"), "train")


def test_sizes_must_agree_unless_resized(data: Data) -> None:
    save(Path(data.root) / "depth/train/a.png", np.full((3, 4), 5, np.uint16))
    with pytest.raises(ValueError, match=r"sizes differ.*rgb/train/a\.png is 6x8.*depth/train/a\.png is 3x4"):
        FolderFrames.from_recipe(data, "train")[0]
    sample = resized_frames(data, (4, 6))[0]
    assert sample.images.shape == (2, 3, 4, 6)
    assert sample.labels.shape == (4, 6)


def test_resize_averages_images_and_picks_nearest_values(data: Data) -> None:
    full, half = (
        FolderFrames.from_recipe(data, "train")[0],
        resized_frames(data, (3, 4))[0],
    )
    assert torch.allclose(half.images[0], full.images[0].reshape(3, 3, 2, 4, 2).mean(dim=(2, 4)), atol=1e-3)
    assert set(half.images[1].unique().tolist()) <= set(full.images[1].unique().tolist())
    assert set(half.labels.unique().tolist()) <= {0, 1, 255}
    double = resized_frames(data, (12, 16))[0]
    assert torch.equal(double.labels, full.labels.repeat_interleave(2, 0).repeat_interleave(2, 1))


def test_other_words_become_tags_and_names_stay_unique(tmp_path: Path) -> None:
    for sequence in ("fog", "night"):
        save(tmp_path / f"rgb/{sequence}/train/1_left.png", np.zeros((2, 2, 3), np.uint8))
        save(tmp_path / f"gt/train/{sequence}/1.png", np.zeros((2, 2), np.uint8))
    rgb = replace(RGB, files={"rgb": "{modality}/{sequence}/{split}/{name}_left.png"})
    frames = FolderFrames(
        tmp_path, "train", modalities=(rgb,), classes=CLASSES, labels="gt/{split}/{sequence}/{name}.png"
    )
    assert [frames[index].name for index in (0, 1)] == ["fog_1", "night_1"]
    assert (frames[1].tags, frames[1].sequence) == ({"sequence": "night"}, "night")


def test_frames_of_a_recording_stand_in_order_of_time(tmp_path: Path) -> None:
    times = ("0.5", "1", "2.25", "2.5", "10", "100")
    for place in np.random.default_rng(0).permutation(len(times)):
        for scene in ("b", "a10", "a"):
            save(tmp_path / f"rgb/train/{scene}_{times[place]}.png", np.zeros((6, 8, 3), np.uint8))
    rgb = replace(RGB, files={"rgb": "rgb/{split}/{sequence}_{time}.png"})
    frames = FolderFrames(tmp_path, "train", modalities=(rgb,), classes=CLASSES)
    assert [frame.tags["time"] for frame in frames.frames] == [*times] * 3
    assert frames.sequences == ("a",) * 6 + ("a10",) * 6 + ("b",) * 6


def test_several_files_make_one_modality(tmp_path: Path) -> None:
    before, after = np.uint8([[10, 20]]), np.uint8([[5, 60]])
    save(tmp_path / "before/val/0.png", before)
    save(tmp_path / "after/val/0.png", after)
    radar = Modality(
        "radar",
        files={"before": "before/{split}/{name}.png", "after": "after/{split}/{name}.png"},
        channels=("before", "after", "after - before"),
    )
    frames = FolderFrames(tmp_path, "val", modalities=(radar,), classes=CLASSES)
    assert frames[0].images.tolist() == [[[[10, 20]], [[5, 60]], [[-5, 40]]]]
    (tmp_path / "before/val/0.png").unlink()
    with pytest.raises(ValueError, match="no sensor at all"):
        FolderFrames(tmp_path, "val", modalities=(radar,), classes=CLASSES, missing="allow")
    empty = FolderFrames(tmp_path, "val", modalities=(radar,), classes=CLASSES, missing="all", resize="leading")[0]
    assert (empty.name, empty.present.tolist(), empty.images.shape) == ("0", [False], (1, 3, 1, 1))


def test_wrong_channels_and_words_are_found_when_it_is_made(data: Data) -> None:
    wrong = replace(RGB, channels=("red.0", "rgb.1", "rgb.2"))
    with pytest.raises(ValueError, match="names 'red'; its files are rgb"):
        FolderFrames.from_recipe(replace(data, modalities=(wrong,)), "train")
    wrong = replace(RGB, files={"rgb": "rgb/{split}/{camera}/{name}.png"})
    with pytest.raises(ValueError, match=r"uses \['camera'\]"):
        FolderFrames.from_recipe(replace(data, modalities=(wrong,)), "train")


def test_links_must_not_leave_the_root(data: Data, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "c.png"
    save(outside, np.zeros((6, 8, 3), np.uint8))
    os.symlink(outside, Path(data.root) / "rgb/train/c.png")  # it belongs to no frame
    assert len(FolderFrames.from_recipe(data, "train")) == 2
    (Path(data.root) / "rgb/train/b.png").unlink()
    os.symlink(outside, Path(data.root) / "rgb/train/b.png")
    with pytest.raises(ValueError, match="leads outside"):
        FolderFrames.from_recipe(data, "train")


SHARED = Path(os.environ.get("ROBUSTSEG_SHARED", Path(__file__).parents[3] / "shared")) / "data"


@pytest.mark.skipif(not (SHARED / "pothole").is_dir(), reason="the shared folder with the data set pothole is not here")
def test_pothole_opens() -> None:
    modalities = (RGB, Modality("disparity", scale=1 / 256))
    for split, count in (("train", 40), ("val", 5), ("test", 22)):
        classes = (LabelClass("road", (0, 0, 0)), LabelClass("pothole", (255, 0, 0)))
        frames = FolderFrames(
            SHARED / "pothole", split, modalities=modalities, classes=classes, labels="labels/{split}/{name}.png"
        )
        assert len(frames) == count
        assert frames[0].images.shape == (2, 3, 192, 320)
        assert 0 <= frames[0].images.min() <= frames[0].images.max() < 256


def test_a_recipe_may_use_some_of_its_modalities(data: Data):
    everything = FolderFrames.from_recipe(data, "train")
    alone = FolderFrames.from_recipe(replace(data, use=(DEPTH.name,)), "train")
    assert [modality.name for modality in alone.modalities] == [DEPTH.name]
    place = [modality.name for modality in everything.modalities].index(DEPTH.name)
    assert torch.equal(alone[0].images[0], everything[0].images[place])
