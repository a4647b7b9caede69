"""What an evaluation found: counts per frame, subset and class, from which every table and slice is arithmetic.

Shapes: F frames, S subsets, M modalities, K classes; the last axis of counts is TP, FP, FN. Scores are in percent.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from robustseg.failures import subset_letters, subset_name
from robustseg.files import cell_text
from robustseg.metrics import AbsentClass, iou, mean_iou
from robustseg.robustness.protocols import EMM_RATES, emm_average, emm_expected

MOST_CONDITIONS = 12
"""A tag with more values than this tells frames apart; it is no condition."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Counts of a model on a split, and what they are of.

    Attributes:
        counts: "F S K 3": TP, FP, FN; 0 where the frame was not scored in the row.
        scored: "F S": False where the frame has none of the row's modalities.
        subsets: "S M": the modalities that are not missing in each row.
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
        states: What is wrong in each row besides what is missing, "" = nothing; () = nothing in any.
        confidence: "F S Z 3" float32: pixels, correct pixels and the sum of the confidence, by confidence, see
            `robustseg.robustness.calibration`; None = not counted.
        majority: Train id of the class that is most frequent in training; -1 = unknown.
        absent: How classes that occur nowhere enter a mean, where nothing else is said: "zero", the field's habit, or
            "skip".
        weights: SHA-256 of the model's weights; "" = unknown.
    """

    counts: Integer[Tensor, "F S K 3"]
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
    absent: AbsentClass = "zero"
    weights: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the rows: what is wrong in them or, where nothing is, the subset: "rgb+lidar"."""
        subsets = [subset_name(row, self.modalities) for row in self.subsets]
        return tuple(state or name for state, name in zip(self.states or [""] * len(subsets), subsets, strict=True))

    @property
    def letters(self) -> tuple[str, ...]:
        """Of the subsets, as in published tables: "RL"."""
        return tuple(subset_letters(row, self.modalities) for row in self.subsets)

    def iou(self) -> Float[Tensor, "S K"]:
        """Per subset and class; NaN for a class that occurs nowhere."""
        return iou(self.counts.sum(dim=0))

    def miou(self, absent: AbsentClass | None = None) -> Float[Tensor, " S"]:
        """Per subset; NaN for one that was scored on no frame."""
        return mean_iou(self.counts.sum(dim=0), absent or self.absent)

    def mean(self, absent: AbsentClass | None = None) -> float:
        """The plain mean over subsets."""
        return emm_average(self.miou(absent))

    def full(self, absent: AbsentClass | None = None) -> float:
        """With everything the frames have."""
        return self.miou(absent)[-1].item()

    def worst(self, absent: AbsentClass | None = None) -> tuple[str, float]:
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
            confidence=None if self.confidence is None else self.confidence[frames],
            frames=tuple(self.frames[place] for place in kept),
            tags=tuple(self.tags[place] for place in kept),
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
        over_subsets = {
            "mean": {absent: _number(self.mean(absent)) for absent in absents},
            "full": {absent: _number(self.full(absent)) for absent in absents},
            "worst": {absent: _named(*self.worst(absent)) for absent in absents},
            "expected": {str(rate): _number(emm_expected(self.miou(), self.subsets, rate)) for rate in EMM_RATES},
        }
        return {
            "headline": self.absent,
            **({} if any(self.states) else over_subsets),
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

    def csv(self) -> str:
        """One row per subset: both mIoUs, the note, then the IoU of each class, empty where it occurs nowhere."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        head = ["subset", "letters", "modalities", "frames", "miou_zero", "miou_skip", "note"]
        rows.writerow([*head, *map(cell_text, self.classes)])
        sizes, frames = self.subsets.sum(dim=1).tolist(), self.scored.sum(dim=0).tolist()
        scores = torch.cat([self.miou("zero")[:, None], self.miou("skip")[:, None], self.iou()], dim=1).tolist()
        for name, letters, size, seen, row in zip(self.names, self.letters, sizes, frames, scores, strict=True):
            zero, skip, *classes = ("" if math.isnan(value) else f"{value:.4f}" for value in row)
            rows.writerow([cell_text(name), letters, size, seen, zero, skip, cell_text(self.note), *classes])
        return text.getvalue()


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _named(name: str, value: float) -> dict[str, str | float | None]:
    return {"name": name, "miou": _number(value)}
