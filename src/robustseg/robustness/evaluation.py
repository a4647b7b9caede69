"""What an evaluation found: counts per frame, subset and class, from which every table and slice is arithmetic.

Shapes: F frames, S subsets, M modalities, K classes; the last axis of counts is TP, FP, FN. Scores are in percent.
"""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.failures import subset_letters, subset_name
from robustseg.files import sha256, write_atomically, write_text
from robustseg.metrics import AbsentClass, iou, mean_iou
from robustseg.robustness.protocols import EMM_RATES, emm_average, emm_expected

MAX_JSON_BYTES = 2**28
MAX_COUNTS_BYTES = 2**32
"""Larger evaluations are refused before they are unpacked."""

MOST_CONDITIONS = 12
"""A tag with more values than this tells frames apart; it is no condition."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Counts of a model on a split, and what they are of.

    Attributes:
        counts: "F S K 3" int64: TP, FP, FN; 0 where the frame was not scored for the subset.
        scored: "F S": False where the frame has none of the subset's modalities.
        subsets: "S M".
        frames: Names of the frames.
        tags: Of each frame: weather, time of day, failure case.
        modalities: Names, in the order of the subsets' columns.
        sensors: For each modality the device that feeds it.
        classes: Names.
        model: What tables call the model.
        split: Where the frames are from.
        protocol: How modalities failed.
        absence: "remove" or "zero": what the model does with absent modalities.
        note: What a reader must know, such as that the model was selected on this very split.
        states: What is wrong in each row besides what is missing; "" = nothing, () = nothing anywhere.
        confidence: "F S Z 3": pixels, correct pixels and sum of confidence in Z equal bins of confidence.
        majority: Train id of the most frequent class of the training split; -1 = unknown.
    """

    counts: Int64[Tensor, "F S K 3"]
    scored: Bool[Tensor, "F S"]
    subsets: Bool[Tensor, "S M"]
    frames: tuple[str, ...]
    tags: tuple[dict[str, str], ...]
    modalities: tuple[str, ...]
    sensors: tuple[str, ...]
    classes: tuple[str, ...]
    model: str = ""
    split: str = ""
    protocol: str = "emm"
    absence: str = "remove"
    note: str = ""
    states: tuple[str, ...] = ()
    confidence: Float[Tensor, "F S Z 3"] | None = None
    majority: int = -1

    @property
    def names(self) -> tuple[str, ...]:
        """Of the subsets: "rgb+lidar"."""
        return tuple(subset_name(row, self.modalities) for row in self.subsets)

    @property
    def letters(self) -> tuple[str, ...]:
        """Of the subsets, as in published tables: "RL"."""
        return tuple(subset_letters(row, self.modalities) for row in self.subsets)

    def iou(self) -> Float[Tensor, "S K"]:
        """Per subset and class; NaN for a class that occurs nowhere."""
        return iou(self.counts.sum(dim=0))

    def miou(self, absent: AbsentClass = "zero") -> Float[Tensor, " S"]:
        """Per subset; NaN for one that was scored on no frame."""
        return mean_iou(self.counts.sum(dim=0), absent)

    def mean(self, absent: AbsentClass = "zero") -> float:
        """The plain mean over subsets."""
        return emm_average(self.miou(absent))

    def full(self, absent: AbsentClass = "zero") -> float:
        """With everything the frames have."""
        return self.miou(absent)[-1].item()

    def worst(self, absent: AbsentClass = "zero") -> tuple[str, float]:
        """The subset with the lowest mIoU, and its score."""
        scores = self.miou(absent)
        place = int(scores.nan_to_num(nan=math.inf).argmin())
        return self.names[place], scores[place].item()

    def where(self, frames: Bool[Tensor, " F"]) -> Evaluation:
        """The evaluation of some of the frames."""
        kept = frames.nonzero().flatten().tolist()
        return replace(
            self,
            counts=self.counts[frames],
            scored=self.scored[frames],
            frames=tuple(self.frames[place] for place in kept),
            tags=tuple(self.tags[place] for place in kept),
            confidence=None if self.confidence is None else self.confidence[frames],
        )

    def conditions(self) -> dict[str, dict[str, Evaluation]]:
        """Tag -> value -> the evaluation of its frames, for tags that take few values, each in several frames."""
        found: dict[str, dict[str, Evaluation]] = {}
        for key in sorted({key for tags in self.tags for key in tags}):
            values = [tags.get(key, "") for tags in self.tags]
            distinct = sorted(set(values) - {""})
            if 2 <= len(distinct) <= min(MOST_CONDITIONS, len(values) // 2):
                found[key] = {value: self.where(torch.tensor([v == value for v in values])) for value in distinct}
        return found

    def summary(self) -> dict[str, Any]:
        """The scores as plain numbers, rounded, for JSON; None where nothing was scored or a class occurs nowhere."""
        absents: tuple[AbsentClass, ...] = ("zero", "skip")
        return {
            "mean": {absent: _number(self.mean(absent)) for absent in absents},
            "full": {absent: _number(self.full(absent)) for absent in absents},
            "worst": {absent: _named(*self.worst(absent)) for absent in absents},
            "expected": {str(rate): _number(emm_expected(self.miou(), self.subsets, rate)) for rate in EMM_RATES},
            "subsets": [
                {
                    "name": name,
                    "letters": letters,
                    "frames": frames,
                    "zero": _number(zero),
                    "skip": _number(skip),
                    "iou": [_number(value) for value in classes],
                }
                for name, letters, frames, zero, skip, classes in zip(
                    self.names,
                    self.letters,
                    self.scored.sum(dim=0).tolist(),
                    self.miou("zero").tolist(),
                    self.miou("skip").tolist(),
                    self.iou().tolist(),
                    strict=True,
                )
            ],
        }

    def save(self, folder: Path) -> None:
        """Writes evaluation.json, evaluation.csv and counts.npz, each whole or not at all, the JSON last."""
        counts = folder / "counts.npz"
        arrays = {"counts": self.counts.numpy(), "scored": self.scored.numpy(), "subsets": self.subsets.numpy()}
        write_atomically(counts, lambda path: np.savez_compressed(path, allow_pickle=False, **arrays))
        write_text(folder / "evaluation.csv", self.csv())
        about = {
            "model": self.model,
            "split": self.split,
            "protocol": self.protocol,
            "absence": self.absence,
            "note": self.note,
            "units": "percent; zero: a class that occurs nowhere counts as 0, skip: it is left out; iou: of each class",
            **self.summary(),
            "conditions": {
                key: {value: part.summary() | {"frames": len(part.frames)} for value, part in parts.items()}
                for key, parts in self.conditions().items()
            },
            "modalities": self.modalities,
            "sensors": self.sensors,
            "classes": self.classes,
            "frames": self.frames,
            "tags": self.tags,
            "counts_sha256": sha256(counts),
        }
        write_text(folder / "evaluation.json", json.dumps(about, indent=1, allow_nan=False) + "\n")

    def csv(self) -> str:
        """One row per subset: both mIoUs, the note, then the IoU of each class, empty where it occurs nowhere."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["subset", "letters", "modalities", "frames", "miou_zero", "miou_skip", "note", *self.classes])
        sizes, frames = self.subsets.sum(dim=1).tolist(), self.scored.sum(dim=0).tolist()
        scores = torch.cat([self.miou("zero")[:, None], self.miou("skip")[:, None], self.iou()], dim=1).tolist()
        for name, letters, size, seen, row in zip(self.names, self.letters, sizes, frames, scores, strict=True):
            zero, skip, *classes = ("" if math.isnan(value) else f"{value:.4f}" for value in row)
            rows.writerow([name, letters, size, seen, zero, skip, self.note, *classes])
        return text.getvalue()


def load(folder: Path) -> Evaluation:
    """Reads what `Evaluation.save` wrote.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, too large or no evaluation, or the counts are of another JSON.
    """
    path, counts = folder / "evaluation.json", folder / "counts.npz"
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ValueError(f"{path} is larger than {MAX_JSON_BYTES} bytes, this is no evaluation")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        named = {key: _texts(about[key]) for key in ("frames", "modalities", "sensors", "classes")}
        tags = tuple(dict(zip(_texts(entry), _texts(entry.values()), strict=True)) for entry in about["tags"])
        keys = ("model", "split", "protocol", "absence", "note")
        texts = dict(zip(keys, _texts(about[key] for key in keys), strict=True))
        (digest,) = _texts([about["counts_sha256"]])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or no evaluation ({type(error).__name__}: {error})") from error
    if sha256(counts) != digest:
        raise ValueError(f"{counts} does not belong to evaluation.json beside it: evaluate again")
    try:
        return Evaluation(**_read_counts(counts, named), **named, **texts, tags=tags)
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{counts} is damaged or no evaluation ({error})") from error


def _texts(values: Any) -> tuple[str, ...]:
    found = tuple(values)
    if not all(isinstance(value, str) for value in found):
        raise TypeError("text is expected")
    return found


def _read_counts(path: Path, named: Mapping[str, tuple[str, ...]]) -> dict[str, Tensor]:
    """The arrays, of the types and sizes that belong to what the JSON names."""
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_COUNTS_BYTES:
            raise ValueError(f"larger than {MAX_COUNTS_BYTES} bytes")
    with np.load(path, allow_pickle=False) as arrays:
        tensors = {key: torch.from_numpy(arrays[key]) for key in ("counts", "scored", "subsets")}
    F, S, M, K = len(named["frames"]), len(tensors["subsets"]), len(named["modalities"]), len(named["classes"])
    expected = {"counts": (torch.int64, (F, S, K, 3)), "scored": (torch.bool, (F, S)), "subsets": (torch.bool, (S, M))}
    for key, (dtype, shape) in expected.items():
        if (tensors[key].dtype, tensors[key].shape) != (dtype, shape):
            raise ValueError(f"{key} is {tensors[key].dtype} {tuple(tensors[key].shape)}, not {dtype} {shape}")
    if len(named["sensors"]) != M:
        raise ValueError(f"{M} modalities need as many sensors")
    return tensors


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _named(name: str, value: float) -> dict[str, str | float | None]:
    return {"name": name, "miou": _number(value)}
