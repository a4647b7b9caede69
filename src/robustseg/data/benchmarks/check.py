"""A benchmark's split looked through: every frame is read and every bad file is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from robustseg.data.benchmarks.frames import BenchmarkFrames
from robustseg.data.benchmarks.open import COUNTS, open_anyway
from robustseg.data.check import CheckReport, Kind, Problem
from robustseg.labels import IGNORE
from robustseg.recipe import Data

Sizes = dict[Path, tuple[int, int]]

LABELS = "labels"
COPY = "copy the file again from the benchmark's archive"
REMEDIES = ("copy", "switch on", "data.")
"""Words of messages that say themselves what to do."""


def check_benchmark(
    data: Data, split: str, *, progress: Callable[[Sequence[int]], Iterable[int]] = iter
) -> CheckReport:
    """Reads every file of a benchmark's split and reports all that is wrong with it, the first as well as the last.

    Args:
        data: A recipe's data, of a benchmark's kind.
        split: Which split of it.
        progress: Passes the frames' places through and shows how far it is.

    Raises:
        FileNotFoundError: The root is the wrong folder, or has no such split.
        ValueError: The recipe itself is wrong.
    """
    frames = open_anyway(data, split, training=True)
    problems: list[Problem] = []
    sizes: Counter[str] = Counter()
    pixels: Counter[int] = Counter()
    for index in progress(range(len(frames))):
        if data.missing == "error":
            problems.extend(_missing(frames, index))
        if not any(frames.present[index]):
            scene = frames.scenes[index]
            problems.append(Problem(scene.files[0][0], "no sensor", "error", "its frame has no modality at all"))
        stored: Sizes = {}
        problems.extend(_check_images(frames, index, stored))
        problems.extend(_check_labels(frames, index, stored, pixels))
        problems.extend(_check_sizes(frames, stored))
        sizes.update({f"{height}x{width}" for height, width in stored.values()})
    problems.extend(_check_split(frames, data, split, pixels))
    present = np.sum(frames.present, axis=0).tolist()
    names = [modality.name for modality in frames.modalities]
    return CheckReport(split, len(frames), dict(zip(names, present, strict=True)), dict(sizes), tuple(problems))


def _missing(frames: BenchmarkFrames, index: int) -> Iterator[Problem]:
    for modality, files in zip(frames.modalities, frames.scenes[index].files, strict=True):
        for path in sorted(frames.absent.intersection(files)):
            message = "there is no such file: copy the rest of the data"
            yield Problem(path, "missing", "error", message, modality.name)


def _check_images(frames: BenchmarkFrames, index: int, stored: Sizes) -> Iterator[Problem]:
    scene = frames.scenes[index]
    for place, here in enumerate(frames.present[index]):
        if not here:
            continue
        name = frames.modalities[place].name
        try:
            image = frames.read(index, place)
        except (ValueError, OSError) as error:
            path = _named(str(error), scene.files[place])
            kind: Kind = "not finite" if "not finite" in str(error) else "unreadable"
            yield Problem(path, kind, "error", _with_remedy(error, path), name)
            continue
        path, (height, width) = scene.files[place][0], image.shape[1:]
        stored[path] = height, width
        if image.min() == image.max():
            yield Problem(path, "constant", "warning", f"every value is {image.flat[0]:g}", name)


def _check_labels(frames: BenchmarkFrames, index: int, stored: Sizes, pixels: Counter[int]) -> Iterator[Problem]:
    path = frames.scenes[index].labels
    if path is None:
        return
    try:
        labels = frames.read_labels(index)
    except FileNotFoundError:
        yield Problem(path, "missing", "error", "there is no such label image: copy the rest of the data", LABELS)
        return
    except (ValueError, OSError) as error:
        kind: Kind = "label id" if "label ids" in str(error) else "unreadable"
        yield Problem(path, kind, "error", _with_remedy(error, path), LABELS)
        return
    assert labels is not None
    height, width = labels.shape
    stored[path] = height, width
    values, counts = np.unique(labels, return_counts=True)
    pixels.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    if values.tolist() == [IGNORE]:
        yield Problem(path, "constant", "warning", "every pixel is to be ignored", LABELS)


def _check_sizes(frames: BenchmarkFrames, stored: Sizes) -> Iterator[Problem]:
    """Files of another size than most of their frame, where all must have one."""
    if frames.registered and len(set(stored.values())) > 1:
        (height, width), _ = Counter(stored.values()).most_common(1)[0]
        for path, size in stored.items():
            if size != (height, width):
                message = f"{size[0]}x{size[1]}, but most of its frame is {height}x{width}; {COPY}"
                yield Problem(path, "size", "error", message)


def _check_split(frames: BenchmarkFrames, data: Data, split: str, pixels: Counter[int]) -> Iterator[Problem]:
    """What only the whole split shows: frames that were not copied, and classes that no label has."""
    wanted = COUNTS[data.kind].get(split, len(frames))
    if len(frames) != wanted:
        message = f"split {split} has {len(frames)} frames, the published one {wanted}: is all of it copied?"
        yield Problem(Path(data.root), "count", "warning", message)
    for place, modality in enumerate(frames.modalities):
        if data.missing == "allow" and not any(present[place] for present in frames.present):
            message = f"no frame of {split} has a file of {modality.name}: copy them, or leave it out of `data.use`"
            severity = "error" if split == data.train else "warning"
            yield Problem(frames.scenes[0].files[place][0], "missing", severity, message, modality.name)
    unseen = [entry.name for place, entry in enumerate(frames.classes) if not pixels[place]]
    if unseen and pixels:
        yield Problem(Path(data.root), "label id", "warning", f"no label of split {split} has {', '.join(unseen)}")


def _named(message: str, paths: Sequence[Path]) -> Path:
    """The file that an error speaks of."""
    return next((path for path in paths if str(path) in message), paths[0])


def _with_remedy(error: Exception, path: Path) -> str:
    """The message without the file's name, which the report gives already, and with a remedy if it has none."""
    message = str(error).replace(f"{path}: ", "", 1).replace(f"{path} ", "", 1)
    return message if any(word in message for word in REMEDIES) else f"{message}; {COPY}"
