"""DELIVER: a camera, depth as HHA, events and LiDAR of a simulated town, in five weathers, with five sensor failures.

    ROOT/img/<weather>/<split>/<scene>/<frame>_rgb_front.png       and so hha, event, lidar; semantic for the labels

A scene's name may end in a failure, as in MAP_10_point102_motionblur. Letters: `h w` a file's size.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from robustseg.data.benchmarks.conventions import habits
from robustseg.data.benchmarks.frames import BenchmarkFrames, Scene
from robustseg.data.benchmarks.levels import check_root
from robustseg.data.channels import compose
from robustseg.data.patterns import Tree
from robustseg.data.reading import in_unit, read_image, train_ids
from robustseg.labels import LabelClass, label_table
from robustseg.modalities import IMAGENET_MEAN, IMAGENET_STD, Modality, chosen
from robustseg.recipe import Data

NAME = "DELIVER"
SPLITS = ("train", "val", "test")
WEATHERS = ("cloud", "fog", "night", "rain", "sun")
FAILURES = ("motionblur", "overexposure", "underexposure", "lidarjitter", "eventlowres")
NORMAL = "normal"

FOLDERS = {"rgb": "img", "depth": "hha", "event": "event", "lidar": "lidar", "semantic": "semantic"}
"""Word in the file's name -> folder; `depth` is HHA, as in every paper, not the raw rendering in `depth/`."""

VOID = (0, 255)

_ZERO, _FULL = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)

MODALITIES = (
    Modality("rgb", mean=IMAGENET_MEAN, std=IMAGENET_STD, photometric=True, kind="camera"),
    Modality("depth", mean=_ZERO, std=_FULL, kind="depth"),
    Modality("event", mean=_ZERO, std=_FULL, kind="event", resample="nearest"),
    Modality("lidar", mean=_ZERO, std=_FULL, kind="lidar", resample="nearest"),
)
"""All in 8-bit counts; but for the camera they are divided by 255 alone, as in the published code."""

CLASSES = (
    LabelClass("Building", (70, 70, 70), ids=(1,)),
    LabelClass("Fence", (100, 40, 40), ids=(2,)),
    LabelClass("Other", (55, 90, 80), ids=(3,)),
    LabelClass("Pedestrian", (220, 20, 60), ids=(4,)),
    LabelClass("Pole", (153, 153, 153), ids=(5,)),
    LabelClass("RoadLine", (157, 234, 50), ids=(6,)),
    LabelClass("Road", (128, 64, 128), ids=(7,)),
    LabelClass("SideWalk", (244, 35, 232), ids=(8,)),
    LabelClass("Vegetation", (107, 142, 35), ids=(9,)),
    LabelClass("Cars", (0, 0, 142), ids=(10,)),
    LabelClass("Wall", (102, 102, 156), ids=(11,)),
    LabelClass("TrafficSign", (220, 220, 0), ids=(12,)),
    LabelClass("Sky", (70, 130, 180), ids=(13,)),
    LabelClass("Ground", (81, 0, 81), ids=(14,)),
    LabelClass("Bridge", (150, 100, 100), ids=(15,)),
    LabelClass("RailTrack", (230, 150, 140), ids=(16,)),
    LabelClass("GroundRail", (180, 165, 180), ids=(17,)),
    LabelClass("TrafficLight", (250, 170, 30), ids=(18,)),
    LabelClass("Static", (110, 190, 160), ids=(19,)),
    LabelClass("Dynamic", (170, 120, 50), ids=(20,)),
    LabelClass("Water", (45, 60, 150), ids=(21,)),
    LabelClass("Terrain", (145, 170, 100), ids=(22,)),
    LabelClass("TwoWheeler", (0, 0, 230), ids=(23,)),
    LabelClass("Bus", (0, 60, 100), ids=(24,)),
    LabelClass("Truck", (0, 0, 70), ids=(25,)),
)


def open_deliver(data: Data, split: str, *, training: bool = False) -> BenchmarkFrames:
    """A split of DELIVER: train, val or test (whose labels are public).

    Args:
        data: `root` holds img, hha and so on.
        split: Which split.
        training: Images and labels as stored, events at the others' size; else images at `data.resize`, and labels at
            their own size unless the habit `resized_labels` brings them to the images'.

    Raises:
        FileNotFoundError: It is the wrong folder, has no such split, or files are missing.
        ValueError: The recipe names an unknown modality or another benchmark's habit.
    """
    modalities = chosen(MODALITIES, data.use)
    root = Path(data.root)
    check_root(root, [FOLDERS[entry.name] for entry in modalities] + ["semantic"], NAME)
    table = label_table(CLASSES, sorted({*VOID, *data.ignore_ids}))
    return BenchmarkFrames(
        list_scenes(root, split, modalities),
        modalities=modalities,
        classes=CLASSES,
        read=partial(_read, modalities),
        read_labels=partial(_read_labels, table),
        missing=data.missing,
        resize=None if training else data.resize,
        own_labels=not training and "resized_labels" not in habits(data),
    )


def list_scenes(root: Path, split: str, modalities: tuple[Modality, ...]) -> tuple[Scene, ...]:
    """Every frame of which any file is there, of a sensor or a label, in the order of weather, scene and frame.

    Raises:
        FileNotFoundError: There is none.
        ValueError: A link leads outside the root.
    """
    tree = Tree(root)
    words = (*(modality.name for modality in modalities), "semantic")
    found = sorted({frame for word in words for frame in _find(tree, word, split)})
    if not found:
        there = {split for word in words for split in _splits(tree, FOLDERS[word])}
        raise FileNotFoundError(
            f"no frame of split {split!r} in {root}, which has the splits {', '.join(sorted(there)) or 'none'}: "
            f"frames are looked for as semantic/<weather>/{split}/<scene>/<frame>_semantic_front.png"
        )
    return tuple(_scene(root, split, words, *frame) for frame in found)


def failure_of(scene: str) -> str:
    """The failure that a scene's name ends in.

    Example:
        >>> failure_of("MAP_10_point102_motionblur"), failure_of("MAP_10_point102")
        ('motionblur', 'normal')
    """
    base, _, last = scene.rpartition("_")
    return last if base and last in FAILURES else NORMAL


def _find(tree: Tree, word: str, split: str) -> list[tuple[str, str, str]]:
    """(weather, scene, frame) of every file of one kind."""
    name = re.compile(rf"([0-9]+)_{word}_front\.png")
    found = []
    for weather in _folders(tree, FOLDERS[word]):
        for scene in _folders(tree, f"{FOLDERS[word]}/{weather}/{split}"):
            folder = f"{FOLDERS[word]}/{weather}/{split}/{scene}"
            matches = [name.fullmatch(file) for file in tree.listing(folder) if tree.has_file(f"{folder}/{file}")]
            found += [(weather, scene, match[1]) for match in matches if match]
    return found


def _splits(tree: Tree, folder: str) -> list[str]:
    return [split for weather in _folders(tree, folder) for split in _folders(tree, f"{folder}/{weather}")]


def _folders(tree: Tree, folder: str) -> list[str]:
    return [name for name, is_folder in tree.listing(folder).items() if is_folder and not name.startswith(".")]


def _scene(root: Path, split: str, words: tuple[str, ...], weather: str, scene: str, frame: str) -> Scene:
    *files, labels = (root / FOLDERS[word] / weather / split / scene / f"{frame}_{word}_front.png" for word in words)
    return Scene(
        name=f"{weather}/{scene}/{frame}",
        files=tuple((path,) for path in files),
        labels=labels,
        tags={"weather": weather, "failure": failure_of(scene)},
        sequence=f"{weather}/{scene}",  # frames are numbered by the simulator, whose rate is not documented: no time
    )


def _read(modalities: tuple[Modality, ...], scene: Scene, place: int) -> Float32[np.ndarray, "3 h w"]:
    """The first three channels, or the only one three times."""
    (path,) = scene.files[place]
    if (stored := read_image(path)).dtype != np.uint8:
        raise ValueError(f"{path} holds {stored.dtype}, but DELIVER's images have 8 bits: copy the file again")
    return compose(modalities[place], {modalities[place].name: in_unit(stored, modalities[place])})


def _read_labels(table: dict[int, int], scene: Scene) -> Int64[np.ndarray, "h w"]:
    """The ids stand in the first of four channels; 0 and 255 are void."""
    assert scene.labels is not None
    path = scene.labels
    ids = read_image(path, indices=True)[..., 0]
    if ids.dtype.kind not in "ui":
        raise ValueError(f"{path} is no label image: its values are {ids.dtype}, not integers")
    try:
        return train_ids(ids, table)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
