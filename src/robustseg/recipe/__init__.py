"""A recipe: everything that defines an experiment, as frozen dataclasses, read from one YAML file.

Keys are exactly these fields; an unknown key is an error, and nothing in a file can name code to import.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from robustseg.recipe.data import BENCHMARKS, Data, Habit, Kind, Muses, Transforms, World
from robustseg.recipe.rules import LARGEST, SMALLEST, require
from robustseg.recipe.training import (
    LOSSES,
    NEED_TEACHER,
    NO_TEACHER,
    OWN_MAPS,
    Absence,
    Backbone,
    Distill,
    Fusion,
    Machine,
    Model,
    Private,
    Schedule,
    Sight,
    Target,
    Taught,
    check_fusion,
)

__all__ = [
    "BENCHMARKS",
    "LARGEST",
    "LOSSES",
    "NEED_TEACHER",
    "NO_TEACHER",
    "OWN_MAPS",
    "SMALLEST",
    "Absence",
    "Backbone",
    "Data",
    "Distill",
    "Fusion",
    "Habit",
    "Kind",
    "Machine",
    "Model",
    "Muses",
    "Private",
    "Recipe",
    "Schedule",
    "Scoring",
    "Sight",
    "Target",
    "Taught",
    "Transforms",
    "World",
    "check_fusion",
    "require",
]


@dataclass(frozen=True)
class Scoring:
    """How a frame becomes a prediction when a model is scored: the mean of the class probabilities of several views.

    Attributes:
        scales: The frame is shown at these sizes, relative to its own.
        flip: Every view is shown mirrored as well.
        window: Height and width of a sliding window; None = the whole frame at once.
        overlap: The share of a window that the next one covers again.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: tuple[int, int] | None = None
    overlap: float = 1 / 3

    def __post_init__(self) -> None:
        require(bool(self.scales) and all(0.1 <= scale <= 8 for scale in self.scales), "scales are 0.1..8", self.scales)
        require(self.window is None or min(self.window) >= SMALLEST, f"window needs sides of {SMALLEST}", self.window)
        require(0 <= self.overlap < 1, "overlap is a share below 1", self.overlap)


@dataclass(frozen=True)
class Recipe:
    """An experiment.

    Attributes:
        name: Also the run's folder below `out`.
        seed: Of every random draw.
        data: Where frames come from.
        model: The network.
        teacher: The first stage.
        student: The second stage.
        distill: What the student learns from.
        sight: Which subsets of a frame's modalities it answers for.
        select: Which split chooses the best checkpoint: "holdout" = a fixed part of train; "published" = the reported
            split itself, the field's habit, marked in every table; "last" = no choice, the last epoch.
        holdout: The part of train that "holdout" sets aside.
        holdout_seed: Which part that is; apart from `seed`, so that runs of several seeds train on the same frames.
        scoring: How a frame becomes a prediction when a model is scored.
        machine: Where and how training runs.
        out: Runs are written to `out`/`name`.
    """

    name: str = "world"
    seed: int = 3407
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    teacher: Schedule = field(default_factory=Schedule)
    student: Schedule = field(default_factory=Schedule)
    distill: Distill = field(default_factory=Distill)
    sight: Sight = field(default_factory=Sight)
    select: Literal["holdout", "published", "last"] = "holdout"
    holdout: float = 0.1
    holdout_seed: int = 3407
    scoring: Scoring = field(default_factory=Scoring)
    machine: Machine = field(default_factory=Machine)
    out: str = "runs"

    def __post_init__(self) -> None:
        require(bool(re.fullmatch(r"[\w][\w.-]*", self.name)), "name must be one folder's name", self.name)
        require(0 < self.holdout < 1, "holdout is a fraction between 0 and 1", self.holdout)
        apart = self.distill.prediction > 0 and self.model.fusion == "late"
        require(not apart, "distill.prediction is made from fused features, fusion 'late' has none", apart)
        once = self.model.gradient_checkpointing and self.distill.entropy_inputs > 0
        require(not once, "entropy_inputs needs gradients of gradients: no gradient_checkpointing", once)
        narrow = self.machine.precision == "16-mixed" and self.distill.entropy_inputs > 0
        require(not narrow, "entropy_inputs overflows in 16-mixed: use bf16-mixed or 32-true", narrow)
        for name in ("seed", "holdout_seed"):
            require(0 <= getattr(self, name) < 2**63, f"{name} must be 0 or more", getattr(self, name))
