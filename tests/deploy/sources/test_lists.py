from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robustseg.data.folders import FolderFrames
from robustseg.deploy.sources.lists import FileLists, list_files, match_files, natural
from robustseg.labels import LabelClass
from robustseg.modalities import Modality

RGB = Modality("rgb", photometric=True)
DEPTH = Modality("depth", unit="m", scale=0.01, offset=1.0)
CHANGE = Modality(
    "change",
    files={"before": "before/{name}.png", "after": "after/{name}.png"},
    channels=("before.0", "after.0", "after.0 - before.0"),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three frames of colour as PNG and depth as 16-bit PNG, called 8, 9, 10."""
    random = np.random.default_rng(0)
    for name in ("8", "9", "10"):
        for folder in ("rgb", "depth"):
            (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).save(tmp_path / "rgb" / f"{name}.png")
        Image.fromarray(random.integers(0, 60000, (6, 8), np.uint16)).save(tmp_path / "depth" / f"{name}.png")
    return tmp_path


def lists(root: Path, modalities: tuple[Modality, ...] = (RGB, DEPTH), *, resize: bool = False, **patterns: str):
    return FileLists(root, patterns, modalities, resize=resize)


def test_values_are_those_of_a_dataset_folder(root: Path) -> None:
    modalities = tuple(replace(one, files={one.name: f"{one.name}/{{name}}.png"}) for one in (RGB, DEPTH))
    frames = FolderFrames(root, "", modalities=modalities, classes=(LabelClass("road", (1, 2, 3)),))
    source = lists(root, rgb="rgb/*.png", depth="depth/*.png")
    assert source.length == 3
    for frame, sample in zip(source, (frames[place] for place in range(3)), strict=True):
        assert frame.name == sample.name
        for place, name in enumerate(("rgb", "depth")):
            np.testing.assert_array_equal(frame.images[name].transpose(2, 0, 1), sample.images[place].numpy())


def test_arrays_and_several_files_of_a_modality(root: Path) -> None:
    for name, value in (("before", 3), ("after", 10)):
        (root / name).mkdir()
        np.save(root / name / "a.npy", np.full((4, 5), value, np.int16))
    (frame,) = lists(root, (RGB, CHANGE), **{"change.before": "before/*.npy", "change.after": "after/*.npy"})
    assert frame.images["change"][0, 0].tolist() == [3, 10, 7]
    with pytest.raises(ValueError, match=r"needs change\.before"):
        lists(root, (RGB, CHANGE), **{"change.after": "after/*.npy"})
    with pytest.raises(ValueError, match=r"no input 'change'.*rgb, change\.before, change\.after"):
        lists(root, (RGB, CHANGE), change="after/*.npy")


def test_numbers_are_sorted_by_their_value(root: Path) -> None:
    assert list(list_files(root, "rgb/*.png")) == ["8", "9", "10"]
    assert sorted(["b2", "a10", "a9"], key=natural) == ["a9", "a10", "b2"]


def named(*names: str) -> dict[str, Path]:
    return {name: Path(f"{name}.png") for name in names}


def test_equal_counts_go_by_order_others_by_name() -> None:
    by_order, notes = match_files({"rgb": named("a", "b"), "depth": named("d1", "d2")})
    assert by_order["b"] == {"rgb": Path("b.png"), "depth": Path("d2.png")}
    assert not notes
    by_name, notes = match_files({"rgb": named("a", "b", "c"), "depth": named("b", "c")})
    assert by_name == {
        "a": {"rgb": Path("a.png")},
        "b": {"rgb": Path("b.png"), "depth": Path("b.png")},
        "c": {"rgb": Path("c.png"), "depth": Path("c.png")},
    }
    assert notes == ("depth is missing in 1 of 3 frames: a",)


def test_a_shifted_list_of_the_same_length_goes_by_name() -> None:
    frames, notes = match_files({"rgb": named("1", "2", "3"), "depth": named("2", "3", "4")})
    assert frames["2"] == {"rgb": Path("2.png"), "depth": Path("2.png")}
    assert notes == ("rgb is missing in 1 of 4 frames: 4", "depth is missing in 1 of 4 frames: 1")


def test_lists_that_cannot_be_matched_are_named() -> None:
    with pytest.raises(ValueError, match=r"rgb 3, depth 2.*none of rgb is called like one of another input"):
        match_files({"rgb": named("a", "b", "c"), "depth": named("x", "y")})


def test_bad_patterns(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file in .* matches 'cam/\*\.png'"):
        lists(root, rgb="cam/*.png")
    for pattern in ("../*.png", "/etc/*"):
        with pytest.raises(ValueError, match="must be relative"):
            lists(root, rgb=pattern)
    with pytest.raises(ValueError, match="no input 'sonar': this model's are rgb, depth"):
        lists(root, sonar="rgb/*.png")
    np.save(root / "rgb" / "9.npy", np.zeros((6, 8)))
    with pytest.raises(ValueError, match="differ in their suffix alone"):
        lists(root, rgb="rgb/*")
    (root / "out").mkdir()
    (root / "out" / "x.png").symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="leads outside"):
        lists(root, rgb="out/*.png")


def test_a_damaged_file_is_one_frame(root: Path) -> None:
    (root / "depth" / "9.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    frames = list(lists(root, rgb="rgb/*.png", depth="depth/*.png"))
    assert [bool(frame.error) for frame in frames] == [False, True, False]
    assert "9.png cannot be read" in frames[1].error


def test_sizes_that_differ(root: Path) -> None:
    Image.fromarray(np.zeros((3, 4), np.uint16)).save(root / "depth" / "9.png")
    patterns = {"rgb": "rgb/9.png", "depth": "depth/9.png"}
    (frame,) = lists(root, **patterns)
    assert "sizes differ: rgb 6x8, depth 3x4" in frame.error
    (frame,) = lists(root, resize=True, **patterns)
    assert frame.images["depth"].shape == (6, 8, 3)
    np.testing.assert_array_equal(frame.images["depth"], 1.0)
