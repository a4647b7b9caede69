"""Evaluations in files: a readable JSON and CSV, and the counts beside them as plain arrays that stay on the disk.

Shapes: F frames, S rows, M modalities, K classes, Z bins of confidence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robustseg.files import check_ordinary, sha256, write_atomically, write_text
from robustseg.metrics import AbsentClass
from robustseg.robustness.calibration import BINS
from robustseg.robustness.cases import PROTOCOLS
from robustseg.robustness.evaluation import Evaluation

JSON_FILE, CSV_FILE = "evaluation.json", "evaluation.csv"
ARRAYS = {"counts": "counts.npy", "scored": "scored.npy", "confidence": "confidence.npy"}
DTYPES = {"counts": np.int32, "scored": np.bool_, "confidence": np.float32}

ALIKE = ("weights", "frames", "classes", "modalities")
"""In what all evaluations of one study agree."""

MAX_JSON_BYTES = 2**28
"""A larger JSON is refused before it is read."""


def save(evaluation: Evaluation, folder: Path) -> None:
    """Writes evaluation.json, evaluation.csv and the arrays, each whole or not at all, the JSON last."""
    arrays = {key: getattr(evaluation, key) for key in ARRAYS if getattr(evaluation, key) is not None}
    for key, tensor in arrays.items():
        write_atomically(folder / ARRAYS[key], _saver(tensor.numpy().astype(DTYPES[key], copy=False)))
    write_text(folder / CSV_FILE, evaluation.csv())
    about = {
        "model": evaluation.model,
        "split": evaluation.split,
        "protocol": evaluation.protocol,
        "absence": evaluation.absence,
        "note": evaluation.note,
        "weights": evaluation.weights,
        "majority": evaluation.majority,
        "units": "percent; zero: a class that occurs nowhere counts as 0, skip: it is left out; iou: of each class",
        **evaluation.summary(),
        "conditions": {
            key: {value: part.summary() | {"frames": len(part.frames)} for value, part in parts.items()}
            for key, parts in evaluation.conditions().items()
        },
        "modalities": evaluation.modalities,
        "sensors": evaluation.sensors,
        "classes": evaluation.classes,
        "states": evaluation.states,
        "present": evaluation.subsets.tolist(),
        "frames": evaluation.frames,
        "tags": evaluation.tags,
        "sha256": {ARRAYS[key]: sha256(folder / ARRAYS[key]) for key in arrays},
    }
    write_text(folder / JSON_FILE, json.dumps(about, indent=1, allow_nan=False) + "\n")


def save_study(study: Mapping[str, Evaluation], folder: Path) -> None:
    """Writes the clean subsets ("emm") to `folder`, every other protocol to a folder of its name in it."""
    for protocol, evaluation in study.items():
        save(evaluation, folder if protocol == "emm" else folder / protocol)


def load(folder: Path) -> Evaluation:
    """Reads what `save` wrote; the counts are read from the disk as they are needed.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, too large or no evaluation, or the arrays are of another JSON.
    """
    path = folder / JSON_FILE
    check_ordinary(path)
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ValueError(f"{path} is larger than {MAX_JSON_BYTES} bytes, this is no evaluation")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        named = {key: _texts(about[key]) for key in ("frames", "modalities", "sensors", "classes", "states")}
        tags = tuple(dict(zip(_texts(entry), _texts(entry.values()), strict=True)) for entry in about["tags"])
        keys = ("model", "split", "protocol", "absence", "note", "headline")
        texts = dict(zip(keys, _texts(about[key] for key in keys), strict=True))
        subsets = torch.tensor([[bool(here) for here in row] for row in about["present"]], dtype=torch.bool)
        (weights,) = _texts([about.get("weights", "")])  # older files do not tell
        majority = int(about["majority"])
        digests = dict(zip(_texts(about["sha256"]), _texts(about["sha256"].values()), strict=True))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or no evaluation ({type(error).__name__}: {error})") from error
    try:
        _check(named, tags, subsets, majority)
        if texts["headline"] not in ("zero", "skip"):
            raise ValueError(f"headline is zero or skip, not {texts['headline']!r}")
        arrays = _read_arrays(folder, digests, (len(named["frames"]), len(subsets), len(named["classes"])))
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    absent: AbsentClass = "skip" if texts.pop("headline") == "skip" else "zero"
    return Evaluation(
        **arrays, **named, **texts, tags=tags, subsets=subsets, majority=majority, absent=absent, weights=weights
    )


def load_study(folder: Path) -> dict[str, Evaluation]:
    """The evaluations of a folder by protocol, in the order of `robustseg.robustness.cases.PROTOCOLS`.

    Raises:
        FileNotFoundError: There is none.
        ValueError: One of them is damaged, or they are not of the same weights, frames, classes and modalities: one was
            left behind when the others were evaluated again.
    """
    folders = {protocol: folder if protocol == "emm" else folder / protocol for protocol in PROTOCOLS}
    study = {protocol: load(path) for protocol, path in folders.items() if (path / JSON_FILE).is_file()}
    if not study:
        raise FileNotFoundError(f"{folder} holds no {JSON_FILE}: run robustseg evaluate first")
    for protocol, evaluation in study.items():
        if evaluation.protocol != protocol:
            raise ValueError(f"{folders[protocol]} holds protocol {evaluation.protocol!r}, not {protocol!r}")
    first, *others = study
    for protocol in others:
        for what in ALIKE:
            if getattr(study[protocol], what) != getattr(study[first], what):
                raise ValueError(
                    f"{folders[protocol]} is of other {what} than {folders[first]}: evaluate again with "
                    f"--protocols {','.join(study)}, or delete {folders[protocol]}"
                )
    return study


def stored_evaluation(folder: Path, split: str = "") -> Path:
    """Where the stored evaluation of a model folder lies; an evaluation's own folder is taken as it is.

    Args:
        folder: MODEL, with MODEL/evaluation/SPLIT in it, or MODEL/evaluation/SPLIT itself.
        split: Which one, if the model was evaluated on several.

    Raises:
        FileNotFoundError: There is none, or none of that split.
        ValueError: There are several.
    """
    if (folder / JSON_FILE).is_file():
        return folder
    found = sorted(path.parent for path in (folder / "evaluation").glob(f"*/{JSON_FILE}"))
    names = ", ".join(path.name for path in found)
    if not found:
        raise FileNotFoundError(f"{folder} holds no evaluation: run `robustseg evaluate MODEL` first, then name MODEL")
    if split and split not in [path.name for path in found]:
        raise FileNotFoundError(f"{folder} was not evaluated on {split}, only on {names}")
    if not split and len(found) > 1:
        raise ValueError(f"{folder} was evaluated on {names}: choose one with --split")
    return folder / "evaluation" / split if split else found[0]


def _saver(array: np.ndarray) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)

    return write


def _texts(values: Any) -> tuple[str, ...]:
    found = tuple(values)
    if not all(isinstance(value, str) for value in found):
        raise TypeError("text is expected")
    return found


def _check(named: Mapping[str, tuple[str, ...]], tags: tuple[Any, ...], subsets: Tensor, majority: int) -> None:
    """Raises ValueError unless the JSON agrees with itself."""
    M = len(named["modalities"])
    if subsets.ndim != 2 or subsets.shape[1] != M or len(named["sensors"]) != M:
        raise ValueError(f"{M} modalities need as many sensors, and rows of as many entries")
    if len(tags) != len(named["frames"]) or len(named["states"]) not in (0, len(subsets)):
        raise ValueError("there are other numbers of frames and tags, or of rows and states")
    if not -1 <= majority < len(named["classes"]):
        raise ValueError(f"the most frequent class cannot be {majority}")


def _mapped(path: Path) -> np.ndarray:
    """An array that stays on the disk; unlike np.load it opens no zip and no pickle."""
    try:
        return np.lib.format.open_memmap(path, "c")
    except Exception as error:  # a damaged header ends numpy's parser in more ways than one
        raise ValueError(f"{path.name} cannot be read: {' '.join(str(error).split())}") from error


def _read_arrays(folder: Path, digests: Mapping[str, str], shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """The arrays, of the types and sizes that belong to what the JSON names."""
    F, S, K = shape
    shapes = {"counts": (F, S, K, 3), "scored": (F, S), "confidence": (F, S, BINS, 3)}
    tensors = {}
    for key, name in ARRAYS.items():
        if key == "confidence" and name not in digests:
            continue
        path = folder / name
        check_ordinary(path)
        if sha256(path) != digests.get(name):
            raise ValueError(f"{name} does not belong to {JSON_FILE} beside it: evaluate again")
        array = _mapped(path)
        if (array.dtype, array.shape) != (DTYPES[key], shapes[key]):
            raise ValueError(f"{name} is {array.dtype} {array.shape}, not {np.dtype(DTYPES[key])} {shapes[key]}")
        if key != "scored" and array.size and not array.min() >= 0:
            raise ValueError(f"{name} holds what is no count")
        tensors[key] = torch.from_numpy(array)
    return tensors
