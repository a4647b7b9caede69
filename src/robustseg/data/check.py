"""A data folder looked through: every file is read and every bad one is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from robustseg.data.channels import check_channels, compose
from robustseg.data.folders import FrameFiles, list_frames
from robustseg.data.reading import in_unit, read_ids, read_image
from robustseg.labels import IGNORE, label_table, unknown_ids
from robustseg.modalities import Modality, chosen
from robustseg.recipe import Data

Kind = Literal[
    "missing",
    "no sensor",
    "unreadable",
    "not finite",
    "channels",
    "size",
    "label id",
    "constant",
    "unlabelled",
    "count",
]
Sizes = dict[Path, tuple[int, int]]
Pixels = Counter[int]
"""Train id, or `IGNORE` -> pixels."""

SAME_SHAPE = 0.02
"""Images of a frame whose proportions differ by more than this share do not show the same field of view."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with one file.

    Attributes:
        path: The file.
        kind: What is wrong, in one or two words.
        severity: An "error" stops training; a "warning" is worth a look.
        message: What is wrong, in one line.
        of: What it is a file of: a modality's name, "labels"; empty = not said.
    """

    path: Path
    kind: Kind
    severity: Literal["error", "warning"]
    message: str
    of: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What was found in one split.

    Attributes:
        split: Its name.
        frames: How many frames it has.
        present: How many of them have each modality.
        sizes: How many of them have each size "HxW", as stored.
        problems: Those of single files in the order of the frames, then those of the whole split.
    """

    split: str
    frames: int
    present: dict[str, int]
    sizes: dict[str, int]
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that stop training."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems that are worth a look."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")


def check_frames(
    data: Data,
    split: str,
    *,
    need_labels: bool = True,
    progress: Callable[[Sequence[FrameFiles]], Iterable[FrameFiles]] = iter,
) -> CheckReport:
    """Reads every file of a split and reports all that is wrong with it, the first as well as the last.

    Args:
        data: A recipe's data of kind "folders"; only the modalities that it uses are looked at.
        split: Which split of it.
        need_labels: Whether to look at the labels; without them the frames are those of the sensors' files.
        progress: Passes the frames through and shows how far it is, as `rich.progress.track` does.

    Raises:
        FileNotFoundError: The root is no folder, or there is no frame in it.
        ValueError: The recipe itself is wrong: a pattern, a channel, a class.
    """
    data = replace(data, modalities=chosen(data.modalities, data.use), use=())  # the others may be anything
    for modality in data.modalities:
        check_channels(modality)
    table = label_table(data.classes, data.ignore_ids)
    frames = list_frames(Path(data.root), split, data.modalities, data.labels if need_labels else "")
    problems: list[Problem] = []
    counted: Counter[str] = Counter()
    pixels: Pixels = Counter()
    for frame in progress(frames):
        sizes: Sizes = {}
        problems.extend(_check_frame(frame, data, table, sizes, pixels))
        counted.update({f"{height}x{width}" for height, width in sizes.values()})
    if need_labels:
        problems.extend(_never_seen(data, pixels))
        problems.extend(_unlabelled(frames, data, split))
    present = np.sum([frame.present for frame in frames], axis=0).tolist()
    names = [modality.name for modality in data.modalities]
    found = dict(zip(names, present, strict=True))
    if data.missing == "allow":  # else every file that is missing was named
        problems.extend(_without_files(data, split, found))
    return CheckReport(split, len(frames), found, dict(counted), tuple(problems))


def _without_files(data: Data, split: str, present: dict[str, int]) -> Iterator[Problem]:
    """Modalities that no frame has: a misspelt pattern more likely than a sensor that always failed.

    An error where they should be learnt: their mean and std cannot be measured.
    """
    for modality in data.modalities:
        if present[modality.name] == 0:
            patterns = ", ".join(modality.patterns.values())
            yield Problem(
                Path(patterns),
                "missing",
                "error" if split == data.train else "warning",
                f"no file of {modality.name!r} was found; is the pattern right?",
            )


def _never_seen(data: Data, pixels: Pixels) -> Iterator[Problem]:
    """Classes that no label image shows: too few frames, or ids that mean something else."""
    absent = [entry.name for place, entry in enumerate(data.classes) if not pixels[place]]
    if absent and any(pixels.values()):
        share = pixels[IGNORE] / pixels.total()
        yield Problem(
            Path(data.labels),
            "label id",
            "warning",
            f"no pixel of {', '.join(absent)}, and {share:.1%} of all pixels are ignored: are the classes' ids right? "
            "(Masks of 0 and 255 need ids: [255], and ignore_ids without 255.)",
        )


def _check_frame(
    frame: FrameFiles, data: Data, table: dict[int, int], sizes: Sizes, pixels: Pixels
) -> Iterator[Problem]:
    """The problems of one frame; fills in the sizes of the files that could be read, and counts labelled pixels."""
    if data.missing == "error":
        yield from (Problem(path, "missing", "error", "there is no such file") for path in sorted(frame.missing))
    if not any(frame.present):
        yield Problem(min(frame.missing), "no sensor", "error", f"frame {frame.name!r} has no modality at all")
    for modality, files in zip(data.modalities, frame.files, strict=True):
        there = {key: path for key, path in files.items() if path not in frame.missing}
        yield from _check_modality(modality, there, sizes)
    if frame.labels is not None:
        yield from _check_labels(frame.labels, table, sizes, pixels)
    yield from _other_sizes(sizes) if data.resize is None else _other_shapes(sizes)


def _check_modality(modality: Modality, files: dict[str, Path], sizes: Sizes) -> Iterator[Problem]:
    values: dict[str, np.ndarray] = {}
    for key, path in files.items():
        kind: Kind = "unreadable"
        try:
            image = read_image(path)
            sizes[path] = image.shape[:2]
            kind = "not finite"
            values[key] = in_unit(image, modality)
        except (ValueError, FileNotFoundError) as error:
            yield Problem(path, kind, "error", _without_path(error, path))
            continue
        if image.min() == image.max():
            yield Problem(path, "constant", "warning", f"every value is {image.flat[0]}")
    if len(values) == len(modality.patterns):
        try:
            compose(modality, values)
        except ValueError as error:
            differ = len({image.shape[:2] for image in values.values()}) > 1
            yield Problem(next(iter(files.values())), "size" if differ else "channels", "error", str(error))


def _check_labels(path: Path, table: dict[int, int], sizes: Sizes, pixels: Pixels) -> Iterator[Problem]:
    try:
        ids = read_ids(path)
    except (ValueError, FileNotFoundError) as error:
        yield Problem(path, "unreadable", "error", _without_path(error, path))
        return
    sizes[path] = ids.shape
    values, counts = np.unique(ids, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if value in table:
            pixels[table[value]] += count
    unknown = unknown_ids(ids, table)
    if unknown:
        share = np.isin(ids, unknown).mean()
        shown = f"{unknown[:10]} and {len(unknown) - 10} more" if len(unknown) > 10 else str(unknown)
        yield Problem(
            path,
            "label id",
            "error",
            f"unknown ids {shown} ({share:.2%} of the pixels): give a class these ids, or list them in ignore_ids",
        )
    elif all(table[value] == IGNORE for value in values.tolist()):
        yield Problem(path, "constant", "warning", "every pixel is to be ignored")


def _other_sizes(sizes: Sizes) -> Iterator[Problem]:
    """Files whose size is not the one that most files of their frame have."""
    if len(set(sizes.values())) > 1:
        (height, width), _ = Counter(sizes.values()).most_common(1)[0]
        for path, size in sizes.items():
            if size != (height, width):
                message = f"{size[0]}x{size[1]}, but most of its frame is {height}x{width}; or set `data.resize`"
                yield Problem(path, "size", "error", message)


def _other_shapes(sizes: Sizes) -> Iterator[Problem]:
    """Files that a resize would stretch otherwise than the rest of their frame."""
    shapes = {path: width / height for path, (height, width) in sizes.items()}
    usual = sorted(shapes.values())[len(shapes) // 2] if shapes else 1.0
    for path, shape in shapes.items():
        if abs(shape / usual - 1) > SAME_SHAPE:
            height, width = sizes[path]
            yield Problem(
                path, "size", "warning", f"{height}x{width} has other proportions than its frame: is it registered?"
            )


def _unlabelled(frames: Sequence[FrameFiles], data: Data, split: str) -> Iterator[Problem]:
    """Sensor files that belong to no label file."""
    known = {path for frame in frames for files in frame.files for path in files.values()}
    try:
        seen = list_frames(Path(data.root), split, data.modalities)
    except (FileNotFoundError, ValueError):  # no sensor file at all was reported already
        return
    for frame in seen:
        alone = sorted({path for files in frame.files for path in files.values()} - known - frame.missing)
        yield from (Problem(path, "unlabelled", "warning", "no label file belongs to it") for path in alone)


def _without_path(error: Exception, path: Path) -> str:
    """The reader's message; the report names the file already."""
    return str(error).replace(f"{path} ", "", 1)
