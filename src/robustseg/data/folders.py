"""Your own sensors: frames from registered files in folders, as a recipe describes them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from robustseg.data.channels import check_channels
from robustseg.data.patterns import Tree, Words, fill, find, frame_names, placeholders, with_split
from robustseg.data.reading import read_labels, read_modality
from robustseg.data.resizing import resized, resized_labels
from robustseg.data.sample import FrameError, Sample
from robustseg.labels import IGNORE, LabelClass, label_table
from robustseg.modalities import Modality, check_modalities, chosen, leading
from robustseg.recipe import Data

NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class FrameFiles:
    """Where the files of one frame are.

    Attributes:
        name: Unique in the split.
        tags: The words of the frame's path besides `{name}`.
        labels: The label file; None = labels are not asked for.
        files: Key -> file, for each modality.
        missing: Those of `files` that are not there.
    """

    name: str
    tags: Words
    labels: Path | None
    files: tuple[dict[str, Path], ...]
    missing: frozenset[Path]

    @property
    def present(self) -> tuple[bool, ...]:
        """Which modalities have all their files."""
        return tuple(self.missing.isdisjoint(files.values()) for files in self.files)


def list_frames(root: Path, split: str, modalities: Sequence[Modality], labels: str = "") -> tuple[FrameFiles, ...]:
    """The frames of a split: one for each label file or, without a label pattern, for each name that any sensor has.

    Args:
        root: The data folder.
        split: What `{split}` in a pattern stands for; "" = the folder has no splits.
        modalities: Whose file patterns to follow.
        labels: The pattern of the label files; "" = none are needed.

    Raises:
        FileNotFoundError: The root is no folder, or no file matches.
        ValueError: A pattern is wrong or a path leads outside the root.
    """
    check_modalities(modalities)
    tree = Tree(root)
    patterns = [{key: with_split(text, split) for key, text in modality.patterns.items()} for modality in modalities]
    label_pattern = with_split(labels, split) if labels else ""
    frames = _enumerate(tree, [text for texts in patterns for text in texts.values()], label_pattern)
    listed = []
    for name, words in zip(frame_names(frames), frames, strict=True):
        paths = tuple({key: fill(text, words) for key, text in texts.items()} for texts in patterns)
        listed.append(
            FrameFiles(
                name=name,
                tags={word: value for word, value in words.items() if word != "name"},
                labels=root / fill(label_pattern, words) if label_pattern else None,
                files=tuple({key: root / path for key, path in files.items()} for files in paths),
                missing=frozenset(root / path for files in paths for path in files.values() if not tree.has_file(path)),
            )
        )
    return tuple(listed)


class FolderFrames:
    """The frames of one split of a data folder.

    All paths are looked up once, when it is made; a frame's files are read each time it is asked for.

    Args:
        root: The data folder.
        split: What `{split}` in a pattern stands for; "" = the folder has no splits.
        modalities: The model's inputs, in order.
        classes: In train-id order.
        labels: The pattern of the label files; "" = none are read, all labels are "ignore".
        ignore_ids: Label ids that take part in no loss and no score.
        missing: What a missing file means: "error", "allow" = its modality is absent in that frame, "all" = the same,
            and a frame may lack all its modalities: it is one empty pixel then.
        resize: Height and width every frame is brought to; "leading" = the stored size of the frame's first camera or,
            without one, of its first modality; None = as stored.

    Raises:
        FileNotFoundError: No frame is found, or a file is missing and must not be.
        ValueError: A pattern, a channel or a label id is wrong, or a frame has no sensor at all and must have one.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        *,
        modalities: tuple[Modality, ...],
        classes: tuple[LabelClass, ...],
        labels: str = "",
        ignore_ids: Sequence[int] = (IGNORE,),
        missing: Literal["error", "allow", "all"] = "error",
        resize: tuple[int, int] | Literal["leading"] | None = None,
    ) -> None:
        for modality in modalities:
            check_channels(modality)
        self.modalities = modalities
        self.classes = classes
        self.resize: tuple[int, int] | Literal["leading"] | None = resize
        self.frames = list_frames(root, split, modalities, labels)
        self._table = label_table(classes, ignore_ids)
        _check_missing(self.frames, missing)

    @classmethod
    def from_recipe(cls, data: Data, split: str) -> FolderFrames:
        """The frames a recipe of kind "folders" describes."""
        return cls(
            Path(data.root),
            split,
            modalities=chosen(data.modalities, data.use),
            classes=data.classes,
            labels=data.labels,
            ignore_ids=data.ignore_ids,
            missing=data.missing,
            resize=data.resize,
        )

    @property
    def sequences(self) -> tuple[str, ...]:
        """What `{sequence}` stands for in each frame's path; "" where the patterns have no such word."""
        return tuple(frame.tags.get("sequence", "") for frame in self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        """Reads one frame.

        Raises:
            FrameError: A file cannot be read, or the frame's files differ in size and `resize` is not set.
        """
        frame = self.frames[index]
        try:
            return self._read(frame)
        except (ValueError, OSError) as reason:
            error = FrameError(str(reason))
            error.name = frame.name
            raise error from reason

    def _read(self, frame: FrameFiles) -> Sample:
        images = {
            place: read_modality(self.modalities[place], files)
            for place, files in enumerate(frame.files)
            if frame.present[place]
        }
        labels = read_labels(frame.labels, self._table) if frame.labels else None
        size = self._size(frame, images) if images else None
        if size is not None:
            images = {place: resized(image, size, self.modalities[place]) for place, image in images.items()}
            labels = resized_labels(labels, size) if labels is not None else None
        return self._sample(frame, images, labels)

    def _size(self, frame: FrameFiles, images: dict[int, np.ndarray]) -> tuple[int, int] | None:
        """What the frame is brought to."""
        match self.resize:
            case "leading":
                height, width = images[leading(frame.present, self.modalities)].shape[1:]
                return height, width
            case size:
                return size

    def _sample(self, frame: FrameFiles, images: dict[int, np.ndarray], labels: np.ndarray | None) -> Sample:
        height, width = _one_size(frame, images, labels)
        slots = [
            images[place] if place in images else _blank(modality, height, width)
            for place, modality in enumerate(self.modalities)
        ]
        if labels is None:
            labels = np.full((height, width), IGNORE, np.int64)
        return Sample(
            images=torch.from_numpy(np.stack(slots)),  # M 3 H W
            labels=torch.from_numpy(labels),
            present=torch.tensor(frame.present),
            name=frame.name,
            tags=frame.tags,
            sequence=frame.tags.get("sequence", ""),
        )


def _enumerate(tree: Tree, patterns: Sequence[str], labels: str) -> list[Words]:
    leading = [labels] if labels else _with_most_words(patterns)
    words = set(placeholders(leading[0]))
    for pattern in (*patterns, *leading):
        unknown = set(placeholders(pattern)) - words
        if unknown:
            raise ValueError(f"file pattern {pattern!r} uses {sorted(unknown)}, which {leading[0]!r} does not have")
    order = placeholders(leading[0])
    found = {tuple(frame[word] for word in order) for pattern in leading for frame in find(tree, pattern)}
    if not found:
        held = ", ".join(name for name, is_folder in tree.listing("").items() if is_folder) or "no folders"
        raise FileNotFoundError(f"no file in {tree.root} matches {' or '.join(leading)}; it holds {held}")
    return [dict(zip(order, values, strict=True)) for values in sorted(found, key=_in_order)]


def _in_order(values: tuple[str, ...]) -> list[tuple[float, str]]:
    """Numbers by their value: a recording's frame at 200 ms comes before that at 1000, as late sensors show it."""
    return [(float(value) if NUMBER.fullmatch(value) else math.inf, value) for value in values]


def _with_most_words(patterns: Sequence[str]) -> list[str]:
    most = max(len(placeholders(pattern)) for pattern in patterns)
    return [pattern for pattern in patterns if len(placeholders(pattern)) == most]


def _check_missing(frames: Iterable[FrameFiles], meaning: Literal["error", "allow", "all"]) -> None:
    for frame in frames:
        if not any(frame.present) and meaning != "all":
            raise ValueError(f"frame {frame.name!r} has no sensor at all; missing are {_named(frame.missing)}")
    missing = sorted(path for frame in frames for path in frame.missing)
    if missing and meaning == "error":
        raise FileNotFoundError(
            f"{missing[0]} is missing, one of {len(missing)} files; "
            "set `data.missing: allow` if a missing file means that the sensor was absent"
        )


def _one_size(frame: FrameFiles, images: dict[int, np.ndarray], labels: np.ndarray | None) -> tuple[int, int]:
    sizes = {next(iter(frame.files[place].values())): image.shape[1:] for place, image in images.items()}
    if frame.labels is not None and labels is not None:
        sizes[frame.labels] = labels.shape
    if not sizes:
        return 1, 1  # nothing to see
    if len(set(sizes.values())) != 1:
        named = ", ".join(f"{path} is {height}x{width}" for path, (height, width) in sizes.items())
        raise ValueError(f"frame {frame.name!r}: sizes differ; register the images or set `data.resize`: {named}")
    height, width = next(iter(sizes.values()))
    return height, width


def _blank(modality: Modality, height: int, width: int) -> np.ndarray:
    return np.full((3, height, width), modality.missing, np.float32)


def _named(paths: Iterable[Path]) -> str:
    return ", ".join(map(str, sorted(paths)))
