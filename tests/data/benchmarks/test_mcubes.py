"""MCubeS on a generated tree: what is read against an independent reading, and a test for each known trap."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from robustseg.data.benchmarks import IncompleteError, open_benchmark
from robustseg.data.benchmarks.mcubes import CLASSES, MODALITIES, read_list
from robustseg.data.fake import write_mcubes
from robustseg.data.transforms import augment
from robustseg.modalities import sensors
from robustseg.normalisation import normalise
from robustseg.recipe import Data, Transforms

SIZE = (40, 192 + 48)


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("benchmarks") / "multimodal_dataset"
    write_mcubes(root, frames=4, size=SIZE)
    return root


@pytest.fixture
def copy(tree, tmp_path) -> Path:
    return shutil.copytree(tree, tmp_path / "MCubeS")


def data(root: Path, **changes) -> Data:
    return Data(kind="mcubes", root=str(root), **changes)


def stems(root: Path, split: str) -> list[str]:
    return (root / "list_folder" / f"{split}.txt").read_text().split()


def test_every_array_and_the_labels_lose_192_columns(tree):
    frames = open_benchmark(data(tree), "val", training=True)
    wide = []
    for index, stem in enumerate(stems(tree, "val")):
        sample = frames[index]
        assert (sample.name, tuple(sample.images.shape)) == (stem, (4, 3, 40, 48))
        colour = cv2.imread(str(tree / f"polL_color/{stem}.png"), cv2.IMREAD_UNCHANGED)[:, 192:, ::-1]
        near = cv2.imread(str(tree / f"NIR_warped/{stem}.png"), cv2.IMREAD_UNCHANGED)[:, 192:]
        wide.append(colour.dtype == np.uint16)
        most = 65535 if wide[-1] else 255
        sin, cos, degree = (
            np.load(tree / f"polL_{what}/{stem}.npy")[:, 192:] for what in ("aolp_sin", "aolp_cos", "dolp")
        )
        assert np.allclose(sample.images[0].permute(1, 2, 0), colour / most * 255, atol=1e-3)
        expected = np.stack([sin.clip(-1, 1), cos.clip(-1, 1), sin.clip(-1, 1)])
        assert np.array_equal(sample.images[1], expected.astype(np.float32))
        assert np.array_equal(sample.images[2], np.stack([degree.clip(0, 1)] * 3).astype(np.float32))
        assert np.allclose(sample.images[3], np.stack([near / most * 255] * 3), atol=1e-3)
        assert np.array_equal(sample.labels, np.asarray(Image.open(tree / f"GT/{stem}.png"))[:, 192:])
    assert set(wide) == {True, False}  # the same units whether a file has 16 bits or 8


def test_the_network_sees_what_published_code_feeds(tree):
    sample = open_benchmark(data(tree, habits=("raw_polarisation",)), "val", training=True)[0]
    stem = stems(tree, "val")[0]
    inputs = normalise(sample.images, MODALITIES)
    near = cv2.imread(str(tree / f"NIR_warped/{stem}.png"), cv2.IMREAD_UNCHANGED)[:, 192:] / 65535
    assert np.allclose(inputs[3, 0], near, atol=1e-5)
    degree = np.load(tree / f"polL_dolp/{stem}.npy")[:, 192:]
    assert np.array_equal(inputs[2, 0], degree)
    assert degree.min() < 0  # beyond its range, as interpolation left it


def test_polarisation_leaves_its_range_only_by_habit(tree):
    for habit, inside in (((), True), (("raw_polarisation",), False)):
        frames = open_benchmark(data(tree, habits=habit), "val")
        images = torch.stack([frames[index].images for index in range(len(frames))])
        assert bool((images[:, 1].abs() <= 1).all()) == inside
        assert bool(((images[:, 2] >= 0) & (images[:, 2] <= 1)).all()) == inside


def test_val_is_val_and_test_is_test(tree):
    for split in ("train", "val", "test", "all"):
        assert [scene.name for scene in open_benchmark(data(tree), split).scenes] == stems(tree, split)
    published = data(tree, conventions="published")
    assert [scene.name for scene in open_benchmark(published, "val").scenes] == stems(tree, "test")
    alone = data(tree, habits=("val_is_test",))
    assert [scene.name for scene in open_benchmark(alone, "val").scenes] == stems(tree, "test")
    assert not set(stems(tree, "val")) & set(stems(tree, "test"))


def test_the_centre_is_cropped_by_habit_and_for_scoring_alone(tree):
    whole = open_benchmark(data(tree), "test")[0]
    assert whole.images.shape[-2:] == whole.labels.shape == (40, 48)
    habit = data(tree, habits=("centre_crop",))
    sample = open_benchmark(habit, "test")[0]
    assert torch.equal(sample.images, whole.images[..., 4:44])  # at full size (1032 - 1024) / 2 = 4, too
    assert torch.equal(sample.labels, whole.labels[:, 4:44])
    assert open_benchmark(habit, "test", training=True)[0].labels.shape == (40, 48)


def test_more_ids_may_be_ignored_and_255_always_is(tree):
    frame = open_benchmark(data(tree), "val")[0].labels
    assert (frame == 255).any()
    assert torch.equal(open_benchmark(data(tree, ignore_ids=(33,)), "val")[0].labels, frame)


def test_one_camera_feeds_three_modalities():
    assert sensors(MODALITIES) == {"polarisation": (0, 1, 2), "nir": (3,)}
    assert len(CLASSES) == 20


def test_the_angle_under_a_horizontal_flip(tree):
    """Mirroring turns the angle a into -a: the sine's sign changes, and twice mirrored is as before."""
    flip = Transforms(flip=1.0, scale=(1.0, 1.0), jitter=0.0, blur=0.0)
    for corrected, sign in ((True, -1.0), (False, 1.0)):
        frames = open_benchmark(data(tree, mirror_aolp=corrected), "train", training=True)
        sample = frames[0]

        def mirrored(frame, modalities=frames.modalities):
            return augment(frame, flip, size=(40, 48), modalities=modalities, generator=torch.Generator())

        once = mirrored(sample)
        sin, cos, again = sample.images[1].flip(-1)
        assert torch.equal(once.images[1], torch.stack([sign * sin, cos, sign * again]))
        assert torch.equal(once.images[[0, 2, 3]], sample.images[[0, 2, 3]].flip(-1))
        assert torch.equal(mirrored(once).images, sample.images)
    angle = torch.atan2(sample.images[1, 0], sample.images[1, 1])
    turned = torch.atan2(-sample.images[1, 0], sample.images[1, 1])
    assert torch.allclose(turned, -angle)


def test_quarter_turns_are_not_corrected_and_refused():
    with pytest.raises(ValueError, match="quarter_turns change the angle"):
        Data(kind="mcubes", size=(32, 32), mirror_aolp=True, transforms=Transforms(quarter_turns=True))


def test_recordings_stand_in_order_of_time_however_they_are_listed(copy):
    path = copy / "list_folder" / "val.txt"
    path.write_text("\n".join(reversed(stems(copy, "val"))))
    frames = open_benchmark(data(copy), "val")
    assert [frames[index].name for index in range(len(frames))] == sorted(stems(copy, "val"))


def test_lists_may_have_blank_lines_and_doubles(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes(b"\xef\xbb\xbfone_1\r\n\r\n  two_2 \r\none_1\r\n\n")
    assert read_list(path) == ("one_1", "two_2")


@pytest.mark.parametrize("line", ["../../etc/passwd", "a/b", "/etc/passwd", "..", ".hidden", "a\\b", "a b", "a\0b"])
def test_lists_lead_nowhere_else(copy, line):
    (copy / "list_folder" / "val.txt").write_text(f"{stems(copy, 'val')[0]}\n{line}\n")
    with pytest.raises(ValueError, match="is no name of a file, one of 1") as error:
        open_benchmark(data(copy), "val")
    assert str(copy / "list_folder" / "val.txt") in str(error.value)


def test_bad_lists_are_one_line(copy):
    path = copy / "list_folder" / "val.txt"
    for content, said in ((b"\n\n", "names no frame"), (b"\xff\xfe\0", "no text"), (b"a" * 1_000_001, "no list")):
        path.write_bytes(content)
        with pytest.raises((ValueError, FileNotFoundError), match=said):
            open_benchmark(data(copy), "val")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no list .*val.txt; the lists there are all, test, train"):
        open_benchmark(data(copy), "val")


def test_links_out_of_the_root_are_refused(copy, tmp_path):
    path = copy / f"GT/{stems(copy, 'val')[0]}.png"
    shutil.move(path, tmp_path / "away.png")
    path.symlink_to(tmp_path / "away.png")
    with pytest.raises(ValueError, match="outside"):
        open_benchmark(data(copy), "val")


def test_a_missing_file_names_its_number(copy):
    for stem in stems(copy, "val")[:2]:
        (copy / f"polL_aolp_cos/{stem}.npy").unlink()
    with pytest.raises(IncompleteError, match=r"polL_aolp_cos/.* is missing, one of 2 files"):
        open_benchmark(data(copy), "val")
    sample = open_benchmark(data(copy, missing="allow"), "val")[0]
    assert sample.present.tolist() == [True, False, True, True]
    assert len(open_benchmark(data(copy, use=("nir", "rgb")), "val")) == 4


def pickled(path: Path) -> None:
    np.save(path, np.array([[{"a": 1}]], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        (
            "polL_dolp/{}.npy",
            lambda path: np.save(path, np.full(SIZE, np.nan, np.float32)),
            "9600 values are not finite",
        ),
        ("polL_dolp/{}.npy", lambda path: np.save(path, np.zeros(SIZE, np.uint8)), "uint8, not one of floats"),
        ("polL_dolp/{}.npy", lambda path: np.save(path, np.zeros((*SIZE, 3))), "3 channels of float64"),
        ("polL_dolp/{}.npy", lambda path: path.write_bytes(path.read_bytes()[:200]), "cannot be read"),
        ("polL_dolp/{}.npy", pickled, "cannot be read: an array of object"),
        ("polL_dolp/{}.npy", lambda path: np.save(path, np.zeros((40, 192))), "192 pixels wide, and the left 192"),
        ("polL_dolp/{}.npy", lambda path: np.save(path, np.zeros((20, 240))), "its files differ in size"),
        ("polL_aolp_sin/{}.npy", lambda path: np.save(path, np.zeros((20, 240))), "is 20x240 and .* 40x240"),
        ("polL_color/{}.png", lambda path: cv2.imwrite(str(path), np.zeros(SIZE, np.uint8)), "1 channels of uint8"),
        ("GT/{}.png", lambda path: cv2.imwrite(str(path), np.full(SIZE, 20, np.uint8)), r"unknown label ids \[20\]"),
    ],
)
def test_bad_files_are_named(copy, name, write, said):
    path = copy / name.format(stems(copy, "val")[0])
    write(path)
    with pytest.raises(ValueError, match=said) as error:
        open_benchmark(data(copy), "val")[0]
    assert str(path) in str(error.value)


def test_the_wrong_folder_level_is_named(tree):
    for wrong in (tree.parent, tree / "GT"):
        with pytest.raises(FileNotFoundError, match=r"MCubeS's root, which holds list_folder, .*did you mean"):
            open_benchmark(data(wrong), "val")
