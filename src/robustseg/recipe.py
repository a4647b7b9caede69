"""A recipe: everything that defines an experiment, as frozen dataclasses, read from one YAML file.

Keys are exactly these fields; an unknown key is an error, and nothing in a file can name code to import.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from robustseg.labels import IGNORE, LabelClass
from robustseg.modalities import Modality

SMALLEST, LARGEST = 32, 16384
"""The sides of images that the network takes; below the smallest, its last stage would have no pixel."""

Backbone = Literal["mit_nano", "mit_b0", "mit_b1", "mit_b2", "mit_b3", "mit_b4", "mit_b5"]
Absence = Literal["remove", "zero"]


@dataclass(frozen=True)
class World:
    """The built-in world's size.

    Attributes:
        train_frames: Frames of the training split.
        val_frames: Frames of the held-out split, from other scenes.
        seed: Which world; scenes are a function of (seed, scene, time).
    """

    train_frames: int = 800
    val_frames: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.train_frames >= 1 and self.val_frames >= 1, "train_frames and val_frames must be 1 or more", self)


@dataclass(frozen=True)
class Transforms:
    """Random changes of training frames; geometric ones hit all modalities and labels alike.

    Attributes:
        flip: Probability of a horizontal flip.
        scale: Smallest and largest factor of the random resize before the crop to `data.size`.
        quarter_turns: Rotate by a random multiple of 90 degrees (aerial views; needs a square `size`).
        jitter: Probability of brightness, contrast and saturation jitter on photometric modalities.
        blur: Probability of a 3x3 blur on photometric modalities.
    """

    flip: float = 0.5
    scale: tuple[float, float] = (0.5, 2.0)
    quarter_turns: bool = False
    jitter: float = 0.2
    blur: float = 0.2

    def __post_init__(self) -> None:
        for name in ("flip", "jitter", "blur"):
            require(0 <= getattr(self, name) <= 1, f"{name} is a probability", self)
        require(0 < self.scale[0] <= self.scale[1] <= 16, "scale needs 0 < smallest <= largest <= 16", self)


@dataclass(frozen=True)
class Data:
    """Where frames come from and what is in them.

    Attributes:
        kind: "world" = the built-in procedural world, "folders" = your own files.
        root: The data folder ("folders"); file patterns are relative to it and stay below it.
        size: Height and width of training crops; "folders": frames of another size are resized for evaluation
            only if `resize` is set.
        resize: Height and width every frame is resized to when it is read; None = as stored.
        modalities: The model's inputs, in order ("folders").
        labels: File pattern of the label images ("folders").
        classes: The classes, in train-id order ("folders").
        ignore_ids: Label ids in files that take part in no loss and no score.
        missing: A modality's file that is not there: "error", or "allow" = the modality is absent in that frame.
        train: The training split's name, which fills `{split}`.
        val: The reported split's name.
        world: The built-in world's size.
        transforms: Random changes of training frames.
    """

    kind: Literal["world", "folders"] = "world"
    root: str = ""
    size: tuple[int, int] = (96, 128)
    resize: tuple[int, int] | None = None
    modalities: tuple[Modality, ...] = ()
    labels: str = "labels/{split}/{name}.png"
    classes: tuple[LabelClass, ...] = ()
    ignore_ids: tuple[int, ...] = (IGNORE,)
    missing: Literal["error", "allow"] = "error"
    train: str = "train"
    val: str = "val"
    world: World = field(default_factory=World)
    transforms: Transforms = field(default_factory=Transforms)

    def __post_init__(self) -> None:
        for size in (self.size, self.resize or self.size):
            require(all(SMALLEST <= side <= LARGEST for side in size), f"size must lie in {SMALLEST}..{LARGEST}", size)
        square = self.size[0] == self.size[1]
        require(square or not self.transforms.quarter_turns, "quarter_turns needs a square size", self.size)
        require(self.train != self.val, "train and val must be two splits", self.train)
        for name in ("root", "modalities", "classes"):
            own = self.kind == "folders" or not getattr(self, name)
            require(own, f"data.{name} is for data.kind: folders, which the recipe must say", getattr(self, name))
        named = "{split}" in self.labels or self.kind != "folders"
        require(named, "data.labels needs {split}, or train and val would be the same frames", self.labels)


@dataclass(frozen=True)
class Model:
    """The network.

    Attributes:
        backbone: MiT-B0 to B5, or "mit_nano" for CPUs and tests.
        width: The decoder's embedding width E; the released models use 768.
        absence: "remove" = absent modalities leave the mean; "zero" = they stay as zero images, the mean divides by M.
        dropout: Of the decoder's channels, in training.
        drop_path: Largest stochastic depth rate, growing linearly over the blocks, in training.
        encoder_weights: A MiT file in the official key layout to start the encoder from; empty = random.
    """

    backbone: Backbone = "mit_nano"
    width: int = 96
    absence: Absence = "remove"
    dropout: float = 0.1
    drop_path: float = 0.1
    encoder_weights: str = ""

    def __post_init__(self) -> None:
        require(1 <= self.width <= 4096, "width must lie in 1..4096", self.width)
        for name in ("dropout", "drop_path"):
            require(0 <= getattr(self, name) < 1, f"{name} is a rate below 1", self)


@dataclass(frozen=True)
class Schedule:
    """One training stage: how long, how fast, how often it is looked at.

    Attributes:
        epochs: Passes over the training split.
        batch_size: Frames per optimiser step, over all devices and accumulated parts together.
        accumulate: In how many parts a step's frames are processed.
        lr: AdamW's peak learning rate.
        weight_decay: Of parameters with more than one dimension.
        warmup_epochs: Linear warm-up from `warmup_ratio` * lr.
        warmup_ratio: See `warmup_epochs`.
        power: Of the polynomial decay after warm-up, per step.
        clip: Largest gradient norm; 0 = no clipping.
        ema: Decay of the exponential moving average of the weights that is evaluated and kept; 0 = none.
        validate_every: Epochs between looks at the selection split.
    """

    epochs: int = 15
    batch_size: int = 8
    accumulate: int = 1
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup_epochs: float = 1.0
    warmup_ratio: float = 0.1
    power: float = 0.9
    clip: float = 1.0
    ema: float = 0.0
    validate_every: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "validate_every"):
            require(getattr(self, name) >= 1, f"{name} must be 1 or more", getattr(self, name))
        require(0 < self.lr < 100, "lr must be above 0", self.lr)
        for name in ("weight_decay", "warmup_epochs", "warmup_ratio", "power", "clip"):
            require(getattr(self, name) >= 0, f"{name} must be 0 or more", getattr(self, name))
        require(self.warmup_ratio <= 1, "warmup_ratio must be 1 or less", self.warmup_ratio)
        require(self.warmup_epochs < self.epochs or self.epochs == 1, "warm-up must end before training", self.epochs)
        require(0 <= self.ema < 1, "ema is a decay below 1", self.ema)


@dataclass(frozen=True)
class Distill:
    """What the student learns from; a weight of 0 leaves the term out.

    Attributes:
        teacher: A model folder to learn from, instead of training a teacher first; empty = train one.
        student_init: "scratch", "teacher", or the path of a model folder.
        cross_entropy: Weight of the supervised OHEM cross-entropy.
        logit_kl: Weight of KL(teacher || student) of the logits, divided by B*K*H*W.
        hpdm: Weight of the hybrid prototype distillation.
        hpdm_form: "paper" or "released".
        hpdm_axis: What the softmax of the paper's form runs over: "class" or "channel".
        hpdm_temperature: The paper's form divides prototypes by it before the softmax.
        hpdm_printed_order: KL(student || teacher), as the paper prints it, instead of KL(teacher || student).
        hybrid: Whether a student modality is taught by a randomly permuted teacher modality.
        rrm: Weight of the representation regularisation.
        rrm_form: "ours" or "released".
        ohem_threshold: Pixels whose true class has less than this probability are kept.
        ohem_min_kept: At least this fraction of the valid pixels is kept.
    """

    teacher: str = ""
    student_init: str = "teacher"
    cross_entropy: float = 1.0
    logit_kl: float = 10.0
    hpdm: float = 5.0
    hpdm_form: Literal["paper", "released"] = "paper"
    hpdm_axis: Literal["class", "channel"] = "class"
    hpdm_temperature: float = 1.0
    hpdm_printed_order: bool = False
    hybrid: bool = True
    rrm: float = 1.0
    rrm_form: Literal["ours", "released"] = "ours"
    ohem_threshold: float = 0.7
    ohem_min_kept: float = 1 / 16

    def __post_init__(self) -> None:
        for name in ("cross_entropy", "logit_kl", "hpdm", "rrm"):
            require(0 <= getattr(self, name) < math.inf, f"{name} must be a weight of 0 or more", getattr(self, name))
        require(self.hpdm_temperature > 0, "hpdm_temperature must be above 0", self.hpdm_temperature)
        require(0 < self.ohem_threshold <= 1, "ohem_threshold must lie above 0, up to 1", self.ohem_threshold)
        require(0 <= self.ohem_min_kept <= 1, "ohem_min_kept lies between 0 and 1", self.ohem_min_kept)


@dataclass(frozen=True)
class Machine:
    """Where and how training runs.

    Results depend on the number of processes, as each has its own batch statistics and hard pixels, and on the
    precision; on the rest only by rounding.

    Attributes:
        accelerator: Lightning's name: "auto", "cpu", "gpu".
        devices: Processes (one per device) on each node.
        nodes: Machines; each is started from outside, by torchrun or SLURM.
        precision: Lightning's name: "32-true", "bf16-mixed", "16-mixed".
        workers: Data loading processes.
        checkpoint_every: Optimiser steps between checkpoints, besides the one after each epoch; 0 = none.
        log_every: Optimiser steps between rows of the log.
    """

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    nodes: int = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    workers: int = 0
    checkpoint_every: int = 0
    log_every: int = 20

    def __post_init__(self) -> None:
        for name in ("devices", "nodes", "log_every"):
            require(getattr(self, name) >= 1, f"{name} must be 1 or more", getattr(self, name))
        for name in ("workers", "checkpoint_every"):
            require(getattr(self, name) >= 0, f"{name} must be 0 or more", getattr(self, name))


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
        select: Which split chooses the best checkpoint: "holdout" = a fixed part of train; "published" = the reported
            split itself, the field's habit, marked in every table; "last" = no choice, the last epoch.
        holdout: The part of train that "holdout" sets aside.
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
    select: Literal["holdout", "published", "last"] = "holdout"
    holdout: float = 0.1
    machine: Machine = field(default_factory=Machine)
    out: str = "runs"

    def __post_init__(self) -> None:
        require(bool(re.fullmatch(r"[\w][\w.-]*", self.name)), "name must be one folder's name", self.name)
        require(0 < self.holdout < 1, "holdout is a fraction between 0 and 1", self.holdout)
        require(0 <= self.seed < 2**63, "seed must be 0 or more", self.seed)


def require(condition: bool, message: str, value: object) -> None:
    """Raises ValueError with `message` and the offending `value` unless `condition` holds."""
    if not condition:
        raise ValueError(f"{message}, got {value}")
