"""File patterns: which frames they find, and that no path leaves the root."""

import os
import time
from pathlib import Path

import pytest

from robustseg.data.patterns import Tree, fill, find, frame_names, placeholders, with_split


def touch(root: Path, *paths: str) -> Tree:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return Tree(root)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("rgb/val/{name}.png", [{"name": "1.x"}, {"name": "2"}]),
        (
            "{sensor}/val/{name}.png",
            [{"sensor": "depth", "name": "1"}, {"sensor": "rgb", "name": "1.x"}, {"sensor": "rgb", "name": "2"}],
        ),
        ("night/{city}_{name}_rgb.png", [{"city": "ulm", "name": "3_b"}]),
        ("{name}/{name}.png", [{"name": "same"}]),
        ("twice/{name}_{name}.png", [{"name": "a"}, {"name": "b_c"}]),
        ("{city}/{name}/{city}{name}.png", [{"city": "ulm", "name": "7"}]),
        ("rgb/val/2.png", [{}]),
        ("rgb/none/{name}.png", []),
        ("rgb/va./{name}.png", []),
        (".hidden/{name}.png", [{"name": "9"}]),
    ],
)
def test_find(tmp_path: Path, pattern: str, expected: list[dict[str, str]]) -> None:
    tree = touch(
        tmp_path,
        "rgb/val/2.png", "rgb/val/1.x.png", "rgb/val/2.txt", "rgb/val/deeper/2.png", "rgb/val/.3.png",
        "depth/val/1.png", "night/ulm_3_b_rgb.png", "same/same.png", "same/other.png", "twice/a_a.png", "twice/a_b.png",
        "twice/b_c_b_c.png", "ulm/7/ulm7.png", "ulm/7/ulm8.png",
        ".hidden/9.png",
    )  # fmt: skip
    found = list(find(tree, pattern))
    assert found == expected
    assert all(tree.has_file(fill(pattern, words)) for words in found)


def test_folders_are_no_files(tmp_path: Path) -> None:
    tree = touch(tmp_path, "rgb/x.png/y.png")
    assert list(find(tree, "rgb/{name}.png")) == []
    assert not tree.has_file("rgb/x.png")


@pytest.mark.parametrize(
    "pattern", ["", "/etc/{name}", "../{name}.png", "a/../{name}.png", "a/{name.png", "a/{na-me}.png", "a/{1}.png"]
)
def test_patterns_that_leave_the_root_or_are_broken(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ValueError, match="file pattern"):
        placeholders(with_split(pattern, "val"))
    with pytest.raises(ValueError, match="file pattern"):
        list(find(Tree(tmp_path), pattern))


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{a}{b}{c}{d}{e}{f}{g}{h}.png", "more than 4 words"),
        ("x/{a}{b}.png", "text must stand between"),
        ("{a}_{b}_{a}.png", "twice"),
    ],
)
def test_words_that_cannot_be_told_apart(tmp_path: Path, pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        list(find(Tree(tmp_path), pattern))


def test_no_pattern_hangs(tmp_path: Path) -> None:
    tree = touch(tmp_path, *(f"{'a' * length}.png" for length in range(200, 240)))
    begin = time.perf_counter()
    assert list(find(tree, "{w}a{x}a{y}a{z}a.jpg")) == []
    assert len(list(find(tree, "{w}a{x}a{y}a{z}a.png"))) == 40
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("split", ["..", ".", "a/b", "/", "{name}"])
def test_a_split_is_one_folder(split: str) -> None:
    with pytest.raises(ValueError, match="must be the name of one folder"):
        with_split("{split}/{name}.png", split)


def test_links(tmp_path: Path) -> None:
    tree = touch(tmp_path / "root", "rgb/1.png", "depth/1.png")
    (tmp_path / "root/rgb/2.png").symlink_to(tmp_path / "root/rgb/1.png")
    (tmp_path / "root/rgb/broken.png").symlink_to(tmp_path / "root/nothing.png")
    assert list(find(tree, "rgb/{name}.png")) == [{"name": "1"}, {"name": "2"}]
    touch(tmp_path / "secret", "3.png")
    os.symlink(tmp_path / "secret", tmp_path / "root/depth/far")
    with pytest.raises(ValueError, match="leads outside"):
        list(find(tree, "depth/{camera}/{name}.png"))
    with pytest.raises(ValueError, match="leads outside"):
        Tree(tmp_path / "root").has_file("depth/far/3.png")


def test_stray_links_harm_nobody(tmp_path: Path) -> None:
    tree = touch(tmp_path, "rgb/1.png")
    for name, target in (("notes.txt", "/etc/hostname"), ("far", "/"), ("loop", "loop")):
        (tmp_path / "rgb" / name).symlink_to(target)
    assert list(find(tree, "rgb/{name}.png")) == [{"name": "1"}]
    assert tree.has_file("rgb/1.png")
    for pattern, said in (("rgb/{name}.txt", "leads outside"), ("rgb/{name}", "rgb/loop is a link .* in a circle")):
        with pytest.raises(ValueError, match=said):
            list(find(tree, pattern.replace("{name}", "loop") if "loop" in said else pattern))


def test_frame_names() -> None:
    assert frame_names([{"c": "fog", "name": "1"}, {"c": "sun", "name": "2"}]) == ("1", "2")
    assert frame_names([{"c": "fog", "name": "1"}, {"c": "sun", "name": "1"}]) == ("fog_1", "sun_1")
    assert frame_names([{"c": "fog"}, {"c": "sun"}]) == ("fog", "sun")
    with pytest.raises(ValueError, match="two frames are called 'a_b_c'"):
        frame_names([{"c": "a_b", "name": "c"}, {"c": "a", "name": "b_c"}, {"c": "x", "name": "c"}])
