"""Recipes and model folders become datasets: to train on, to score, to predict."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from robustseg.data.benchmarks import open_anyway, open_benchmark
from robustseg.data.folders import FolderFrames, list_frames
from robustseg.data.sample import Frames
from robustseg.data.world import WORLD_VERSION, WorldFrames
from robustseg.files import sha256
from robustseg.modalities import chosen
from robustseg.models.card import ModelCard
from robustseg.recipe import BENCHMARKS, Data


def open_frames(data: Data, split: str, *, training: bool = False) -> Frames:
    """One split of a recipe's data.

    Args:
        data: The recipe's data.
        split: Which split.
        training: Benchmarks: images and labels of one size, as stored, which training crops need; else images at
            `data.resize`, and labels of their own size under strict conventions.

    Raises:
        FileNotFoundError: Files are missing.
        ValueError: The recipe's data make no sense; a world has the splits "train" and "val" only.
    """
    match data.kind:
        case "world":
            sizes = {data.train: ("train", data.world.train_frames), data.val: ("val", data.world.val_frames)}
            if split not in sizes:
                raise ValueError(f"the built-in world has the splits {', '.join(sizes)}, not {split!r}")
            part, frames = sizes[split]
            return _world(part, frames, data.world.seed, data.size, data.use)
        case "folders":
            if not data.root:
                raise ValueError("say where the data are: --data.root FOLDER, or --root FOLDER to evaluate")
            return FolderFrames.from_recipe(data, split)
        case "deliver" | "muses" | "mcubes":
            return open_benchmark(data, split, training=training)


def fingerprint(data: Data, split: str) -> str:
    """A hash that changes with a split's frames; the data's root may move, and the other splits may change.

    Folders and benchmarks: names and sizes of the sensors' files, names and contents of the label files. World: what it
    is made from, besides `data.size`.
    """
    if data.kind == "world":
        frames = data.world.train_frames if split == data.train else data.world.val_frames
        return _hash(json.dumps([WORLD_VERSION, split == data.train, data.world.seed, frames]))
    root = Path(data.root)
    lines = []
    for paths, labels in _files(data, split):
        lines += [f"{path.relative_to(root).as_posix()} {path.stat().st_size}" for path in paths]
        if labels:
            lines.append(f"{labels.relative_to(root).as_posix()} {sha256(labels)}")
    return _hash("\n".join(lines))


def prediction_frames(card: ModelCard, folder: Path, split: str, data: Data | None = None) -> Frames:
    """The frames of a folder that is laid out as a model's training data; labels need not be there, nor all sensors.

    Frames keep their stored size; the predictor resizes for the network. If the model's training frames were resized,
    a frame's modalities may differ in size: all are brought to the first camera's or, without one, to the first present
    modality's. Otherwise such a frame is a FrameError when it is read. A frame may even lack all its modalities.

    Args:
        card: The model's.
        folder: A data folder or, for a model trained on a benchmark, that benchmark's root.
        split: Which part of it; "" = a folder without splits, or the benchmark's split that the recipe reports.
        data: What the model's recipe says of its data; without it there are no frames for a benchmark's model.

    Raises:
        FileNotFoundError: No file matches the modalities' patterns.
        ValueError: The model is a benchmark's and `data` do not say how to read it.
    """
    if card.benchmark:
        if data is None or data.kind != card.benchmark:
            raise ValueError(
                f"the model was trained on {card.benchmark}, whose files its recipe.yaml says how to read: put that "
                "back beside its weights, or give images to robustseg.Predictor"
            )
        frames = open_anyway(replace(data, root=str(folder)), split or data.val, training=True)  # as they are stored
        return frames.unlabelled()
    try:
        return FolderFrames(
            folder,
            split,
            modalities=card.modalities,
            classes=card.classes,
            missing="all",
            resize="leading" if card.resize else None,
        )
    except FileNotFoundError as error:
        if split or not folder.is_dir():
            raise
        raise FileNotFoundError(f"{error}; if the frames lie in a split's folders, name it with --split") from error


def _files(data: Data, split: str) -> Iterator[tuple[list[Path], Path | None]]:
    """Of each frame the sensors' files that are there, and the label file."""
    if data.kind in BENCHMARKS:
        frames = open_benchmark(data, split)
        for scene in frames.scenes:
            yield [path for files in scene.files for path in files if path not in frames.absent], scene.labels
        return
    for frame in list_frames(Path(data.root), split, chosen(data.modalities, data.use), data.labels):
        yield [path for files in frame.files for path in files.values() if path not in frame.missing], frame.labels


@lru_cache(maxsize=4)
def _world(part: str, frames: int, seed: int, size: tuple[int, int], use: tuple[str, ...]) -> WorldFrames:
    """The same object for the same world, so that teacher, student and evaluation share what is rendered."""
    return WorldFrames(part, frames, seed, size=size, use=use)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
