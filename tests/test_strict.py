from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from robustseg.strict import LARGEST_FILE, read_json, to_json


@dataclass(frozen=True)
class Part:
    name: str
    color: tuple[int, int, int] = (1, 2, 3)


@dataclass(frozen=True)
class Thing:
    size: int
    kind: Literal["a", "b"] = "a"
    ratio: float = 0.5
    on: bool = True
    parts: tuple[Part, ...] = ()
    resize: tuple[int, int] | None = None
    files: dict[str, str] = field(default_factory=dict)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    for thing in (
        Thing(3),
        Thing(1, "b", 1e-7, False, (Part("[ ä\n ]"), Part("y", (0, 0, 0))), (4, 5), {"x": "[1, 2]"}),
    ):
        path.write_text(to_json(thing), encoding="utf-8")
        assert read_json(path, Thing) == thing
    assert '"color": [0, 0, 0]' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("[1]", "the file must be a mapping"),
        ("{}", "key 'size' is missing"),
        ('{"size": 1, "colour": 2}', "unknown key 'colour'; known are size, kind"),
        ('{"size": 1, "size": 2}', "a key stands twice"),
        ('{"size": "1"}', "size must be int, got '1'"),
        ('{"size": true}', "size must be int, got True"),
        ('{"size": 1.0}', "size must be int"),
        ('{"size": 1, "on": 1}', "on must be bool"),
        ('{"size": 1, "kind": "c"}', "kind must be one of"),
        ('{"size": 1, "kind": ["a"]}', "kind must be one of"),
        ('{"size": 1, "ratio": NaN}', "NaN is no number"),
        ('{"size": 1, "ratio": 1e999}', "ratio must be a finite number"),
        ('{"size": 1, "ratio": 1' + 400 * "0" + "}", "ratio must be a finite number"),
        ('{"size": 1, "resize": [1]}', "resize must be a list of 2"),
        ('{"size": 1, "files": {"x": 1}}', "files.x must be str"),
        ('{"size": 1, "parts": [{"name": "x"}, {"name": 1}]}', r"parts\[1\].name must be str, got 1"),
        ('{"size": 1, "parts": [{"name": "x", "f": 1}]}', r"unknown key 'f' in parts\[0\]"),
        ('{"size": 1, "parts": "abc"}', "parts must be a list"),
        (100_000 * "[", "nested too deeply"),
        ('{"size": ' + 200 * "[" + 200 * "]" + "}", "nested more than 32 deep"),
    ],
)
def test_anything_else_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "thing.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_json(path, Thing)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(path))


def test_files_that_cannot_be_one(tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    path.write_text(LARGEST_FILE * "  ")
    with pytest.raises(ValueError, match="2000000 bytes"):
        read_json(path, Thing)
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(ValueError, match=r"thing\.json is no valid JSON, write or copy it again"):
        read_json(path, Thing)
    with pytest.raises(FileNotFoundError, match="is not a file"):
        read_json(tmp_path, Thing)
