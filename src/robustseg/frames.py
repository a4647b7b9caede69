"""Recipes and model folders become datasets: to train on, to score, to predict."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from robustseg.data.folders import FolderFrames, list_frames
from robustseg.data.sample import Frames
from robustseg.data.world import WorldFrames
from robustseg.models.card import ModelCard
from robustseg.recipe import Data


def open_frames(data: Data, split: str) -> Frames:
    """One split of a recipe's data.

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
            return _world(part, frames, data.world.seed, data.size)
        case "folders":
            if not data.root:
                raise ValueError("say where the data are: --data.root FOLDER")
            return FolderFrames.from_recipe(data, split)


def fingerprint(data: Data, split: str) -> str:
    """A hash that changes when frames of a split come, go or change their size on disk; the root may move."""
    if data.kind == "world":
        return _hash(json.dumps(asdict(data.world)))
    root = Path(data.root)
    lines = []
    for frame in list_frames(root, split, data.modalities, data.labels):
        paths = [path for files in frame.files for path in files.values() if path not in frame.missing]
        paths += [frame.labels] if frame.labels else []
        lines += [f"{path.relative_to(root).as_posix()} {path.stat().st_size}" for path in paths]
    return _hash("\n".join(lines))


def prediction_frames(card: ModelCard, folder: Path, split: str) -> FolderFrames:
    """The frames of a folder that is laid out as a model's training data; labels need not be there, nor all sensors.

    Raises:
        FileNotFoundError: No file matches the modalities' patterns.
    """
    try:
        return FolderFrames(
            folder, split, modalities=card.modalities, classes=card.classes, missing="allow", resize=card.resize
        )
    except FileNotFoundError as error:
        if split or not folder.is_dir():
            raise
        raise FileNotFoundError(f"{error}; if the frames lie in a split's folders, name it with --split") from error


@lru_cache(maxsize=4)
def _world(part: str, frames: int, seed: int, size: tuple[int, int]) -> WorldFrames:
    """The same object for the same world, so that teacher, student and evaluation share what is rendered."""
    return WorldFrames(part, frames, seed, size=size)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
