"""A training stage: its fixed parts, and its moving parts, which are what a checkpoint holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from jaxtyping import Bool
from lightning.fabric.plugins import Precision
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from robustseg.data.sample import Frames
from robustseg.modalities import Modality
from robustseg.models.segmenter import Segmenter
from robustseg.recipe import Machine, Schedule
from robustseg.training.batches import TrainingFrames, steps_per_epoch


class Step(Protocol):
    """What a stage minimises: a module holding `model`, whose call gives named losses, weighted by `weights`.

    Attributes:
        model: What is trained, scored and kept.
        besides: What is trained along and left behind.
    """

    model: Segmenter
    besides: nn.Module

    @property
    def weights(self) -> dict[str, float]: ...


@dataclass(frozen=True)
class Stage:
    """A stage's fixed parts.

    Attributes:
        name: "teacher" or "student".
        folder: Where its log, checkpoints and best weights go.
        step: The losses of a batch.
        train: What it learns from.
        select: What chooses the best weights; None = the last ones are kept.
        subsets: The subsets that are scored on `select`.
        schedule: How long and how fast.
        machine: Where.
    """

    name: str
    folder: Path
    step: nn.Module
    train: TrainingFrames
    select: Frames | None
    subsets: Bool[Tensor, "S M"]
    schedule: Schedule
    machine: Machine

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The model's inputs."""
        return self.train.frames.modalities

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in an epoch."""
        return steps_per_epoch(len(self.train), self.schedule.batch_size)

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.schedule.epochs * self.steps_per_epoch


@dataclass
class Running:
    """A stage's moving parts: what a checkpoint holds.

    Attributes:
        besides: What is trained along with the model and left behind.
        precision: Mixed precision's own state: the loss scale of "16-mixed".
        step: Optimiser steps done.
        score: The best selection score so far.
        best_step: When it was reached.
        scores: Epoch and selection score, as often as it was looked at.
        seconds: How long it took so far, interruptions left out.
    """

    model: Segmenter
    besides: nn.Module
    optimizer: Optimizer
    average: AveragedModel | None
    precision: Precision
    step: int = 0
    score: float = -1.0
    best_step: int = 0
    scores: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def shown(self) -> Segmenter:
        """The weights that are scored and kept: the moving average where there is one."""
        return self.model if self.average is None else cast(Segmenter, self.average.module)

    def state(self) -> dict[str, Any]:
        """Everything, as plain values and tensors."""
        return {
            "step": self.step,
            "score": self.score,
            "best_step": self.best_step,
            "scores": self.scores,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "besides": self.besides.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.precision.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The reverse of `state`."""
        self.step, self.score, self.best_step = state["step"], state["score"], state["best_step"]
        self.seconds = state["seconds"]
        self.scores = [tuple(entry) for entry in state["scores"]]
        self.model.load_state_dict(state["model"])
        self.besides.load_state_dict(state["besides"])
        ways = [group.get("fused") for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, way in zip(self.optimizer.param_groups, ways, strict=True):
            group["fused"] = way  # how this machine computes, whatever machine wrote the checkpoint
        self.precision.load_state_dict(state["precision"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
