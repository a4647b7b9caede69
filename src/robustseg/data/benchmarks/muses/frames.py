"""The frames of a MUSES split, from the sensors' own files or from projections that others made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from robustseg.data.benchmarks.conventions import habits
from robustseg.data.benchmarks.frames import BenchmarkFrames, Scene
from robustseg.data.benchmarks.muses.events import h5py_or_hint
from robustseg.data.benchmarks.muses.inputs import CLASSES, SOURCES, modalities
from robustseg.data.benchmarks.muses.processed import MADE, habitual, published_path, read_processed, sdk_path
from robustseg.data.benchmarks.muses.raw import RawSensors, camera_size
from robustseg.data.benchmarks.muses.scenes import (
    Entry,
    check_listed,
    read_scenes,
    scene_path,
    seconds_since_start,
)
from robustseg.data.reading import read_labels, read_modality
from robustseg.files import below
from robustseg.labels import IGNORE, label_table
from robustseg.modalities import Modality
from robustseg.recipe import Data, Habit


def open_muses(data: Data, split: str, *, training: bool) -> BenchmarkFrames:
    """One split of MUSES.

    Args:
        data: A recipe's data of kind "muses".
        split: "train", "val" or "test", which has no labels.
        training: Images and labels of one size, as stored; else images at `data.resize`, and labels of their own size
            unless the habit `resized_labels` is on.

    Raises:
        FileNotFoundError: The root is not the MUSES folder.
        IncompleteError: A file is missing and must not be.
        ValueError: A name or habit is unknown here, `meta.json` or `calib.json` is damaged or does not agree with the
            files, or packages to read events are missing.
    """
    on = habits(data)
    inputs = modalities(data, on)
    root = Path(data.root)
    if not data.root:
        raise ValueError("say where MUSES is: --data.root FOLDER, or --root FOLDER to evaluate")
    entries = read_scenes(root)
    chosen = tuple(entry for entry in entries if entry.split == split)
    if not chosen:
        known = ", ".join(sorted({entry.split for entry in entries}))
        raise ValueError(f"{root / 'meta.json'} has no split {split!r}; it has {known}")
    if data.muses.source == "published" or any(modality.name != "camera" for modality in inputs):
        _check_made(root, data.muses.source)
    reader = _Reader(
        modalities=inputs,
        habits=on,
        table=label_table(CLASSES, sorted({IGNORE, *data.ignore_ids})),
        entries={entry.name: entry for entry in chosen},
        sensors=_sensors(data, inputs),
    )
    check_listed(root, entries, split, _own_folders(data, inputs))
    times = seconds_since_start(entries)
    return BenchmarkFrames(
        [_scene(root, entry, data, inputs, times[entry.name]) for entry in chosen],
        modalities=inputs,
        classes=CLASSES,
        read=reader.read,
        read_labels=reader.read_labels,
        missing=data.missing,
        resize=None if training else data.resize,
        own_labels=not training and "resized_labels" not in on,
        registered=data.muses.source == "raw",
    )


def raw_sensors(data: Data) -> RawSensors:
    """What projects the sensors' own files.

    Raises:
        FileNotFoundError: There is no `meta.json` or `calib.json`.
        ValueError: One of them is damaged.
    """
    root = Path(data.root)
    sensors = RawSensors(root, data.muses, camera_size(root, read_scenes(root)))
    sensors.calibration  # noqa: B018  # its errors come now
    return sensors


@dataclass(frozen=True)
class _Reader:
    """Reads one modality or the labels of a scene."""

    modalities: tuple[Modality, ...]
    habits: frozenset[Habit]
    table: dict[int, int]
    entries: dict[str, Entry]
    sensors: RawSensors | None

    def read(self, scene: Scene, place: int) -> Float32[np.ndarray, "3 _h _w"]:
        modality = self.modalities[place]
        path = scene.files[place][0]
        if modality.name == "camera":
            return read_modality(modality, {"camera": path})
        if self.sensors is None:
            return read_processed(path, modality.name, self.habits)
        image = self.sensors.image(modality.name, self.entries[scene.name])
        return image if modality.name == "event" else habitual(image, self.habits)

    def read_labels(self, scene: Scene) -> Int64[np.ndarray, "h w"]:
        assert scene.labels is not None, "asked for only where there are some"
        labels = read_labels(scene.labels, self.table)
        return np.where(labels == IGNORE, 0, labels) if "void_as_road" in self.habits else labels


def _sensors(data: Data, inputs: tuple[Modality, ...]) -> RawSensors | None:
    names = {modality.name for modality in inputs} - {"camera"}
    if data.muses.source != "raw" or not names:
        return None
    if "event" in names:
        h5py_or_hint()
    return raw_sensors(data)


def _own_folders(data: Data, inputs: tuple[Modality, ...]) -> list[str]:
    """The folders whose files `meta.json` lists as they are used."""
    match data.muses.source:
        case "raw":
            return [SOURCES[modality.name].folder for modality in inputs]
        case "sdk":
            return [SOURCES[modality.name].folder for modality in inputs if modality.name == "camera"]
        case "published":
            return []


def _check_made(root: Path, source: str) -> None:
    """Raises FileNotFoundError if nobody has made the images that are to be read."""
    maker = {"sdk": "the development kit's project_sensors_to_rgb.py", "published": "the published code's preparation"}
    if source in maker and not (folder := root / MADE[source]).is_dir():
        raise FileNotFoundError(
            f"there is no {folder}, which {maker[source]} writes: run that, or set data.muses.source: raw to project "
            "the sensors' own files"
        )


def _scene(root: Path, entry: Entry, data: Data, inputs: tuple[Modality, ...], time: float) -> Scene:
    labels = None if entry.split == "test" else below(root, entry.labels)
    files = tuple(_files(root, entry, data, modality.name) for modality in inputs)
    return Scene(entry.name, files, labels, entry.tags, entry.sequence, time)


def _files(root: Path, entry: Entry, data: Data, name: str) -> tuple[Path, ...]:
    own = scene_path(root, entry, SOURCES[name].folder)
    relative = own.relative_to(root).as_posix()
    if data.muses.source == "published":
        return (below(root, published_path(relative)),)
    if name == "camera":
        return (own,)
    if data.muses.source == "sdk":
        return (_first_present([below(root, path) for path in sdk_path(relative)]),)
    moving = data.muses.motion and name != "event"
    return (own, scene_path(root, entry, "gnss")) if moving else (own,)


def _first_present(paths: list[Path]) -> Path:
    return next((path for path in paths if path.is_file()), paths[0])
