"""DELIVER on a generated tree: what is read against an independent reading, and a test for each known trap."""

import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from robustseg.data.benchmarks import IncompleteError, open_anyway, open_benchmark
from robustseg.data.benchmarks.deliver import CLASSES, MODALITIES
from robustseg.data.fake import write_deliver
from robustseg.recipe import Data

SIZE = (67, 70)  # no pixel lies half-way between two of the smaller images


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("benchmarks") / "DELIVER"
    write_deliver(root, frames=6, size=SIZE)
    return root


@pytest.fixture
def copy(tree, tmp_path) -> Path:
    return shutil.copytree(tree, tmp_path / "DELIVER")


def data(root: Path, **changes) -> Data:
    return Data(kind="deliver", root=str(root), **changes)


def file(root: Path, folder: str, index: int = 0, split: str = "val") -> Path:
    return sorted((root / folder).glob(f"*/{split}/*/{45050 + index:06d}_*.png"))[0]


def test_pixels_labels_and_names(tree):
    frames = open_benchmark(data(tree), "val", training=True)
    assert len(frames) == 6
    for index, scene in enumerate(frames.scenes):
        sample = frames[index]
        weather, name, frame = scene.name.split("/")
        for place, (folder, word) in enumerate(
            (("img", "rgb"), ("hha", "depth"), ("event", "event"), ("lidar", "lidar"))
        ):
            stored = np.asarray(Image.open(tree / folder / weather / "val" / name / f"{frame}_{word}_front.png"))
            if stored.ndim == 2:
                stored = np.stack([stored] * 3, axis=2)
            if stored.shape[:2] == SIZE:
                assert np.array_equal(sample.images[place].numpy().transpose(1, 2, 0), stored[..., :3])
        ids = np.asarray(Image.open(tree / "semantic" / weather / "val" / name / f"{frame}_semantic_front.png"))[..., 0]
        for row, column in np.ndindex(ids.shape):
            stored_id = int(ids[row, column])
            assert sample.labels[row, column] == (255 if stored_id in (0, 255) else stored_id - 1)
    assert {scene.sequence for scene in frames.scenes} == {scene.name.rpartition("/")[0] for scene in frames.scenes}


def test_void_is_not_class_255_and_not_the_last_class(tree):
    """0 - 1 is 255 in 8 bits by accident; here void is void, and Building is what id 1 says."""
    frames = open_benchmark(data(tree), "val", training=True)
    ids = np.asarray(Image.open(frames.scenes[0].labels))[..., 0]
    labels = frames[0].labels.numpy()
    assert (ids == 0).any()
    assert (ids == 255).any()
    assert (labels[(ids == 0) | (ids == 255)] == 255).all()
    assert labels.dtype == np.int64
    assert [entry.ids for entry in CLASSES] == [(place + 1,) for place in range(25)]


def test_tags_come_from_whole_path_components(tmp_path):
    """Roots that contain /img, `sun` or a failure's name confuse nobody, and `sun` is not found in `sunny`."""
    root = tmp_path / "images" / "img" / "sunny_motionblur" / "train"
    write_deliver(root, frames=6, size=(32, 32))
    frames = open_benchmark(data(root), "train")
    tags = [(scene.tags["weather"], scene.tags["failure"]) for scene in frames.scenes]
    assert sorted(tags) == sorted(
        [
            ("cloud", "normal"),
            ("fog", "motionblur"),
            ("night", "overexposure"),
            ("rain", "underexposure"),
            ("sun", "lidarjitter"),
            ("cloud", "eventlowres"),
        ]
    )
    assert all(path.is_relative_to(root) for scene in frames.scenes for files in scene.files for path in files)
    assert frames[0].images.shape == (4, 3, 32, 32)


def test_splits_are_three_different_ones(tree):
    names = [{scene.name for scene in open_benchmark(data(tree), split).scenes} for split in ("train", "val", "test")]
    assert not names[0] & names[1]
    assert not names[1] & names[2]
    with pytest.raises(FileNotFoundError, match=r"'rain' .*splits test, train, val"):
        open_benchmark(data(tree), "rain")


def test_small_events_are_brought_to_the_cameras_size_by_nearest(tree):
    frames = open_benchmark(data(tree), "val", training=True)
    (index,) = (place for place, scene in enumerate(frames.scenes) if scene.tags["failure"] == "eventlowres")
    small = np.asarray(Image.open(frames.scenes[index].files[2][0]))[..., :3]
    assert small.shape[:2] == (round(67 * 512 / 1042), round(70 * 512 / 1042))
    sample = frames[index]
    assert sample.images.shape[-2:] == SIZE
    assert set(np.unique(sample.images[2])) <= {0.0, 255.0}  # nothing between the pixels
    rows = ((np.arange(SIZE[0]) + 0.5) * small.shape[0] / SIZE[0]).astype(int)
    columns = ((np.arange(SIZE[1]) + 0.5) * small.shape[1] / SIZE[1]).astype(int)
    assert np.array_equal(sample.images[2].numpy().transpose(1, 2, 0), small[rows][:, columns])


def test_events_alone_do_not_shrink_the_labels(tree):
    for training in (True, False):
        frames = open_benchmark(data(tree, use=("event",)), "val", training=training)
        assert {frames[index].labels.shape for index in range(len(frames))} == {SIZE}


def test_strict_keeps_the_labels_size_and_published_does_not(tree):
    strict = open_benchmark(data(tree, resize=(64, 64)), "val")[0]
    assert (strict.images.shape[-2:], strict.labels.shape) == ((64, 64), SIZE)
    for habit in (
        data(tree, resize=(64, 64), conventions="published"),
        data(tree, resize=(64, 64), habits=("resized_labels",)),
    ):
        sample = open_benchmark(habit, "val")[0]
        assert (sample.images.shape[-2:], sample.labels.shape) == ((64, 64), (64, 64))
        rows, columns = (((np.arange(64) + 0.5) * side / 64).astype(int) for side in SIZE)
        assert np.array_equal(sample.labels, strict.labels[rows][:, columns])
    training = open_benchmark(data(tree, resize=(64, 64)), "val", training=True)[0]
    assert (training.images.shape[-2:], training.labels.shape) == (SIZE, SIZE)


def test_normalisation_is_the_published_one():
    assert [modality.std for modality in MODALITIES[1:]] == [(255.0,) * 3] * 3
    assert MODALITIES[0].mean == (123.675, 116.28, 103.53)
    assert [modality.sort for modality in MODALITIES] == ["camera", "depth", "event", "lidar"]
    assert [modality.resample for modality in MODALITIES] == ["linear", "linear", "nearest", "nearest"]


def test_use_chooses_and_orders(tree):
    frames = open_benchmark(data(tree, use=("lidar", "rgb")), "val")
    assert [modality.name for modality in frames.modalities] == ["lidar", "rgb"]
    assert np.array_equal(frames[0].images[1], open_benchmark(data(tree), "val")[0].images[0])
    with pytest.raises(ValueError, match=r"'radar'.*rgb, depth, event, lidar"):
        open_benchmark(data(tree, use=("radar",)), "val")
    with pytest.raises(ValueError, match="twice"):
        open_benchmark(data(tree, use=("rgb", "rgb")), "val")


@pytest.mark.parametrize("wrong", ["..", "img", "img/cloud", "hha/cloud/val"])
def test_the_wrong_folder_level_is_named(tree, wrong):
    expected = r"which holds img, hha, event, lidar, semantic; it holds .*did you mean"
    with pytest.raises(FileNotFoundError, match=expected) as error:
        open_benchmark(data(tree / wrong), "val")
    assert Path(str(error.value).partition("did you mean ")[2].rstrip("?")).samefile(tree)


def test_no_folder_and_no_root(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        open_benchmark(data(tmp_path / "nowhere"), "val")
    with pytest.raises(ValueError, match=r"--data\.root"):
        open_benchmark(Data(kind="deliver"), "val")


def test_half_copied_data(copy):
    """Frames are known from any folder, so that a missing camera image is noticed as well as a missing sensor."""
    shutil.rmtree(copy / "hha" / "fog")
    first = file(copy, "img")
    first.unlink()
    with pytest.raises(IncompleteError, match=r"hha/fog/val/.* is missing, one of 2 files: copy the rest"):
        open_benchmark(data(copy), "val")
    frames = open_benchmark(data(copy, missing="allow"), "val")
    assert len(frames) == 6
    assert sorted(frames.present).count((True,) * 4) == 4
    assert frames[0].present.tolist() == [False, True, True, True]
    file(copy, "semantic", 2).unlink()
    with pytest.raises(IncompleteError, match=r"semantic_front.png is missing, one of 1"):
        open_benchmark(data(copy, missing="allow"), "val")
    assert len(open_anyway(data(copy), "val")) == 6


def test_unlabelled_frames_need_no_labels(copy):
    shutil.rmtree(copy / "semantic")
    frames = open_anyway(data(copy), "val").unlabelled()
    assert (frames[0].labels == 255).all()
    assert frames[0].labels.shape == SIZE


@pytest.mark.parametrize(
    ("folder", "image", "said"),
    [
        ("semantic", np.full((*SIZE, 4), 26, np.uint8), r"unknown label ids \[26\]"),
        ("img", np.full((*SIZE, 3), 300, np.uint16), "16.* 8 bits"),
    ],
)
def test_wrong_contents_name_the_file(copy, folder, image, said):
    path = file(copy, folder)
    cv2.imwrite(str(path), image)
    with pytest.raises(ValueError, match=said) as error:
        open_benchmark(data(copy), "val")[0]
    assert str(path) in str(error.value)
    if folder == "semantic":
        assert (open_benchmark(data(copy, ignore_ids=(26,)), "val")[0].labels == 255).all()


def test_a_png_that_claims_a_billion_pixels(copy):
    path = file(copy, "img")
    content = bytearray(path.read_bytes())
    content[16:24] = (40000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="pixels") as error:
        open_benchmark(data(copy), "val")[0]
    assert str(path) in str(error.value)


def test_links_out_of_the_root_are_refused(copy, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(file(copy, "img"), tmp_path / "elsewhere" / "a.png")
    path = file(copy, "img")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere" / "a.png")
    with pytest.raises(ValueError, match="outside"):
        open_benchmark(data(copy), "val")


def test_another_benchmarks_habit_is_refused(tree):
    with pytest.raises(ValueError, match="void_as_road is no habit of deliver, which has resized_labels, absent_zero"):
        open_benchmark(replace(data(tree), habits=("void_as_road",)), "val")
