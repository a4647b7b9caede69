"""`meta.json`: which scenes there are, what is known of them, and where their files lie."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from robustseg.data.benchmarks.levels import check_root
from robustseg.data.benchmarks.muses.inputs import SOURCES
from robustseg.files import below
from robustseg.strict import load_json

LARGEST_META = 2**26
"""Bytes; 2,500 scenes take a few millions."""

TAGS = (
    "weather",
    "time_of_day",
    "ground_condition",
    "precipitation_tag",
    "precipitation_level",
    "sun_level",
    "tunnel",
)
MOST_VALUES = 10
"""A key of more values tells scenes apart, not conditions, and becomes no tag."""

EXPOSURE = ("frame_camera_exposure_start_timestamp_us", "frame_camera_exposure_end_timestamp_us")

SUFFIXES = {**{source.folder: source.suffix for source in SOURCES.values()}, "gnss": ".txt"}
"""Folder of a sensor -> the end of its files' names."""

_NAME = re.compile(r"(REC\d+)_frame_\d+")
_WORD = re.compile(r"[A-Za-z0-9-][\w-]*")


@dataclass(frozen=True)
class Entry:
    """One scene of `meta.json`.

    Attributes:
        name: Such as `REC0006_frame_043620`.
        split: "train", "val" or "test".
        place: `split/weather/time_of_day`, the folders below each sensor's.
        tags: What is known of it.
        paths: Folder of a sensor -> its file, relative to the root.
        exposure: The middle of the camera's exposure in s, on the sensors' common clock; None = unknown.
    """

    name: str
    split: str
    place: str
    tags: dict[str, str]
    paths: dict[str, str]
    exposure: float | None

    @property
    def sequence(self) -> str:
        """The recording."""
        return self.name.partition("_")[0]

    @property
    def labels(self) -> str:
        """The label file, relative to the root; the test split has none."""
        return f"gt_semantic/{self.place}/{self.name}_gt_labelTrainIds.png"


def read_scenes(root: Path) -> tuple[Entry, ...]:
    """All scenes of `meta.json`, by name; other keys than those used here may be anything.

    Raises:
        FileNotFoundError: There is no `meta.json`; says where one is, some levels higher or one lower.
        ValueError: It is damaged, or an entry contradicts itself: the first one and the number of them.
    """
    check_root(root, ["meta.json"], "MUSES")
    path = root / "meta.json"
    values = load_json(path, largest=LARGEST_META)
    if not isinstance(values, Mapping) or not values:
        raise ValueError(f"{path} must map the names of scenes to what is known of them")
    entries, wrong = [], []
    for name in sorted(values):
        try:
            entries.append(_entry(name, values[name]))
        except ValueError as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        raise ValueError(
            f"{path}: {wrong[0]}; {len(wrong)} of {len(values)} scenes are like this: copy the file of the release anew"
        )
    return _with_few_valued_tags(entries)


def scene_path(root: Path, entry: Entry, folder: str) -> Path:
    """A scene's file below `folder`, which stays below the root, also by its links.

    If `meta.json` names none, the sensor was absent: the path is the one where the file would be.

    Raises:
        ValueError: A link leads outside the root.
    """
    return below(root, entry.paths.get(folder, f"{folder}/{entry.place}/{entry.name}_{folder}{SUFFIXES[folder]}"))


def seconds_since_start(entries: Sequence[Entry]) -> dict[str, float]:
    """Scene -> seconds since the first scene of its recording; 0 where the time is unknown."""
    first: dict[str, float] = {}
    for entry in entries:
        if entry.exposure is not None:
            first[entry.sequence] = min(entry.exposure, first.get(entry.sequence, entry.exposure))
    return {entry.name: 0.0 if entry.exposure is None else entry.exposure - first[entry.sequence] for entry in entries}


def check_listed(root: Path, entries: Sequence[Entry], split: str, folders: Sequence[str]) -> None:
    """Raises ValueError if a split's folder of a sensor holds frames that `meta.json` does not know."""
    stray: list[Path] = []
    for folder in folders:
        known = {entry.paths.get(folder) for entry in entries if entry.split == split}
        found = (root / folder / split).glob(f"*/*/*{SUFFIXES[folder]}")
        stray += [path for path in found if path.relative_to(root).as_posix() not in known and path.name[0] != "."]
    if stray:
        raise ValueError(
            f"{min(stray)} is not in meta.json, nor are {len(stray) - 1} other files of {split}: "
            "take meta.json and the files from one release, or move the others away"
        )


def _entry(name: str, values: Any) -> Entry:
    if not _NAME.fullmatch(name):
        raise ValueError("a scene is called REC0000_frame_000000")
    if not isinstance(values, Mapping):
        raise ValueError("what is known of it must be a mapping")
    words = [values.get(key) for key in ("split", "weather", "time_of_day")]
    if not all(isinstance(word, str) and _WORD.fullmatch(word) for word in words):
        raise ValueError(f"split, weather and time_of_day must be words, got {words}")
    place = "/".join(map(str, words))
    paths = {key.removeprefix("path_to_"): path for key, path in values.items() if key.startswith("path_to_")}
    paths = {folder: path for folder, path in paths.items() if folder in SUFFIXES and path is not None}
    for folder, path in paths.items():
        _check_path(path, f"{folder}/{place}", name)
    tags = {key: _text(values[key]) for key in TAGS if isinstance(values.get(key), str | bool | int | float)}
    return Entry(name, str(words[0]), place, tags, paths, _exposure(values))


def _check_path(path: Any, folder: str, name: str) -> None:
    """Raises ValueError unless the path is the one that the scene's split and conditions say."""
    if not isinstance(path, str) or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"path {path!r} leads outside the data")
    if PurePosixPath(path).parent.as_posix() != folder or not PurePosixPath(path).name.startswith(f"{name}_"):
        raise ValueError(f"path {path!r} does not agree with its name, split and conditions: {folder}/{name}_...")


def _exposure(values: Mapping[str, Any]) -> float | None:
    """Microseconds may be text, as the development kit allows."""
    if not all(key in values for key in EXPOSURE):
        return None
    stamps = [values[key] for key in EXPOSURE]
    if not all(isinstance(stamp, int | str) and re.fullmatch(r"\d{1,18}", str(stamp)) for stamp in stamps):
        raise ValueError(f"the times of exposure must be microseconds, got {stamps}")
    return (int(stamps[0]) + int(stamps[1])) / 2e6


def _text(value: str | bool | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "none"


def _with_few_valued_tags(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    values: dict[str, set[str]] = {}
    for entry in entries:
        for key, value in entry.tags.items():
            values.setdefault(key, set()).add(value)
    few = {key for key, found in values.items() if len(found) <= MOST_VALUES}
    return tuple(
        replace(entry, tags={key: value for key, value in entry.tags.items() if key in few}) for entry in entries
    )
