"""The network, the schedule, the losses and the machine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from robustseg.recipe.rules import require

Backbone = Literal["mit_nano", "mit_b0", "mit_b1", "mit_b2", "mit_b3", "mit_b4", "mit_b5"]
Absence = Literal["remove", "zero"]
Fusion = Literal["mean", "weighted", "moments", "early", "late", "pair"]
Private = Literal["patch", "norm", "identity"]
Taught = Literal["dominant", "others", "all"]
Target = Literal["everything", "superset"]

LOSSES = (
    "cross_entropy",
    "logit_kl",
    "hpdm",
    "rrm",
    "umd",
    "cmd",
    "ifv",
    "consistency",
    "entropy_inputs",
    "entropy_features",
    "prediction",
)
"""The weights in `Distill`."""

NEED_TEACHER = ("logit_kl", "hpdm", "rrm", "umd", "cmd", "ifv", "prediction")
"""Those that need a teacher."""

NO_TEACHER = "none"
"""What `Distill.teacher` says where there is none."""

OWN_MAPS: frozenset[Fusion] = frozenset({"early", "pair"})
"""Fusions that encode a modality into other maps than the standard network: no loss can compare them."""


@dataclass(frozen=True)
class Model:
    """The network.

    Attributes:
        backbone: MiT-B0 to B5, or "mit_nano" for CPUs and tests.
        width: The decoder's embedding width E; the released models use 768. A smaller decoder, one seed, briefly
            trained on the built-in world: 256 and 128 scored no less than 768, 64 and 32 several points of mIoU less;
            what each saves is in benchmarks/results/decoder_width.md.
        absence: "remove" = absent modalities leave the mean; "zero" = they stay as zero images, the mean divides by M.
        fusion: How modalities become one: "mean" = the mean of the present ones' maps, stage by stage; "weighted" = at
            every pixel the more reliable ones weigh more, as the network tells from their maps. It starts as the plain
            mean, and a student may start from a teacher with that. "moments" = that and how far they lie from it, times
            what is learned for each channel: for sensors that tell something only beside each other, such as images
            from before and after; it starts as "weighted". "early" = their channels are one image, zeros where
            absent, to one encoder; "late" = each is segmented on its own, and the mean of the class probabilities is
            the prediction; "pair" = the frozen encoders of `distill.teacher` and `distill.student_init`, weighted at
            every pixel by what is learned, and a decoder that goes on learning from where the latter's is.
        private: What each modality has of its own in the encoder, all else being shared: "patch" = the first patch
            embedding, "norm" = gains and biases of every LayerNorm; "identity" = just a vector that is added to the
            first patch embedding, so that the encoder knows what it sees. A student may start from a teacher that
            shares all.
        dropout: Of the decoder's channels, in training.
        drop_path: Largest stochastic depth rate, growing linearly over the blocks, in training.
        gradient_checkpointing: Compute the encoder's blocks again in the backward pass: less memory, more time.
        encoder_weights: A MiT file in the official key layout to start the encoder from; empty = random.
    """

    backbone: Backbone = "mit_nano"
    width: int = 96
    absence: Absence = "remove"
    fusion: Fusion = "mean"
    private: tuple[Private, ...] = ()
    dropout: float = 0.1
    drop_path: float = 0.1
    gradient_checkpointing: bool = False
    encoder_weights: str = ""

    def __post_init__(self) -> None:
        require(1 <= self.width <= 4096, "width must lie in 1..4096", self.width)
        for name in ("dropout", "drop_path"):
            require(0 <= getattr(self, name) < 1, f"{name} is a rate below 1", self)
        check_fusion(self.fusion, self.absence, self.private)
        require(self.fusion != "pair" or not self.encoder_weights, "a pair's encoders are given", self.encoder_weights)


def check_fusion(fusion: Fusion, absence: Absence, private: tuple[Private, ...]) -> None:
    """Raises ValueError for a network that there is not."""
    require(len(set(private)) == len(private), "private names a part twice", private)
    require(not {"patch", "identity"} <= set(private), "a private patch has an identity: leave that out", private)
    alone = fusion in ("early", "late", "pair")
    require(not alone or absence == "remove", f"fusion {fusion!r} goes with absence 'remove' alone", absence)
    require(fusion not in OWN_MAPS or not private, f"fusion {fusion!r} has no private parts", private)


@dataclass(frozen=True)
class Sight:
    """For which subsets of a frame's modalities the student answers in every step.

    All that any of them holds is encoded once; each is fused and decoded on its own, and losses of predictions are
    means over them.

    Attributes:
        drawn: So many random subsets.
        draw: "size" = first a uniform size, then a uniform subset of that size, the method's modality dropout; "subset"
            = all subsets are equally likely.
        singles: So many different modalities, each alone.
        everything: All that the frame has, as well.
    """

    drawn: int = 1
    draw: Literal["size", "subset"] = "size"
    singles: int = 0
    everything: bool = False

    def __post_init__(self) -> None:
        for name in ("drawn", "singles"):
            require(0 <= getattr(self, name) <= 64, f"{name} must lie in 0..64", getattr(self, name))
        require(self.count >= 1, "a student must see something: give drawn, singles or everything", self)

    @property
    def count(self) -> int:
        """How many subsets that is."""
        return self.drawn + self.singles + self.everything


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
        teacher: A model folder to learn from, instead of training a teacher first; empty = train one; "none" = the
            student learns from labels alone, and its stage is the only one. Its losses and its start must need none.
        student_init: "scratch", "teacher", or the path of a model folder; without a teacher, means and standard
            deviations of the data are that model's.
        cross_entropy: Weight of the supervised OHEM cross-entropy.
        logit_kl: Weight of KL(teacher || student) of the logits, divided by B*K*H*W.
        target: Which prediction of the teacher that is: "everything" = of all that the frame has; "superset" = of the
            student's subset and the one modality more with which the teacher is least wrong.
        hpdm: Weight of the hybrid prototype distillation.
        hpdm_form: "paper" or "released".
        hpdm_axis: What the softmax of the paper's form runs over: "class" or "channel".
        hpdm_temperature: The paper's form divides prototypes by it before the softmax.
        hpdm_printed_order: KL(student || teacher), as the paper prints it, instead of KL(teacher || student).
        hybrid: Whether a student modality is taught by a randomly permuted teacher modality.
        rrm: Weight of the representation regularisation.
        rrm_form: "ours" or "released".
        umd: Weight of AnySeg-style distillation of each modality's features.
        cmd: Weight of AnySeg-style distillation of the likeness between modalities.
        ifv: Weight of the distillation of intra-class feature variation.
        ifv_of: Which modalities that teaches: "dominant" = the better half of those that are there, those whose
            features are most like the mean of all; "others" = the rest; "all".
        consistency: Weight of MAGIC-style consistency: the better half of the modalities is supervised by itself, and
            taught by the prediction of all that the student sees.
        entropy_inputs: Weight of functional entropy by the inputs, a gradient of a gradient: a step takes 3 to 4 times
            as long. On the built-in world the term lies between 0.1 and 1 and pulls ten times as much as cross-entropy.
        entropy_features: Weight of functional entropy by the features; on the built-in world it is about 15000.
        prediction: Weight of predicting, from the student's fused features, the teacher's features of the modalities
            that the student lacks, by layers that exist in training only.
        class_weights: Of the cross-entropy: "none", or "inverse" = by the inverse of a class's share of the training
            pixels, "log" = 1 / log(1.02 + share). Shares are of at most 200 training frames; one below 0.1 % counts as
            0.1 %. Either is scaled so that a pixel's weight is 1 on average.
        ohem_threshold: Pixels whose true class has less than this probability are kept, for each answer.
        ohem_min_kept: At least this fraction of an answer's valid pixels is kept.
    """

    teacher: str = ""
    student_init: str = "teacher"
    cross_entropy: float = 1.0
    logit_kl: float = 10.0
    target: Target = "everything"
    hpdm: float = 5.0
    hpdm_form: Literal["paper", "released"] = "paper"
    hpdm_axis: Literal["class", "channel"] = "class"
    hpdm_temperature: float = 1.0
    hpdm_printed_order: bool = False
    hybrid: bool = True
    rrm: float = 1.0
    rrm_form: Literal["ours", "released"] = "ours"
    umd: float = 0.0
    cmd: float = 0.0
    ifv: float = 0.0
    ifv_of: Taught = "dominant"
    consistency: float = 0.0
    entropy_inputs: float = 0.0
    entropy_features: float = 0.0
    prediction: float = 0.0
    class_weights: Literal["none", "inverse", "log"] = "none"
    ohem_threshold: float = 0.7
    ohem_min_kept: float = 1 / 16

    def __post_init__(self) -> None:
        for name in LOSSES:
            require(0 <= getattr(self, name) < math.inf, f"{name} must be a weight of 0 or more", getattr(self, name))
        if self.teacher == NO_TEACHER:
            self._check_alone()
        require(self.hpdm_temperature > 0, "hpdm_temperature must be above 0", self.hpdm_temperature)
        require(0 < self.ohem_threshold <= 1, "ohem_threshold must lie above 0, up to 1", self.ohem_threshold)
        require(0 <= self.ohem_min_kept <= 1, "ohem_min_kept lies between 0 and 1", self.ohem_min_kept)

    def _check_alone(self) -> None:
        asking = [f"distill.{name}" for name in NEED_TEACHER if getattr(self, name) > 0]
        changes = [f"{', '.join(asking)} to 0"] if asking else []
        if self.student_init == "teacher":
            changes.append("distill.student_init to scratch, or to a model folder")
        if changes:
            raise ValueError(f"distill.teacher is 'none': set {', and '.join(changes)}")


@dataclass(frozen=True)
class Machine:
    """Where and how training runs.

    Results depend on the number of processes, as each has its own batch statistics and hard pixels, and on the
    precision. GPUs draw other dropout than CPUs. On the rest results depend only by rounding.

    Attributes:
        accelerator: Lightning's name: "auto", "cpu", "gpu".
        devices: Processes (one per device) on each node.
        nodes: Machines; each is started from outside, by torchrun or SLURM.
        precision: Lightning's name: "32-true", "bf16-mixed", "16-mixed".
        sync_batchnorm: BatchNorm's statistics are of the frames of all processes together.
        workers: Data loading processes; 0 = training loads by itself, which takes a few percent of its time on CPUs. A
            fast GPU needs some.
        checkpoint_every: Optimiser steps between checkpoints, besides the one after each epoch; 0 = none.
        log_every: Optimiser steps between rows of the log.
    """

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    nodes: int = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    sync_batchnorm: bool = False
    workers: int = 0
    checkpoint_every: int = 0
    log_every: int = 20

    def __post_init__(self) -> None:
        for name in ("devices", "nodes", "log_every"):
            require(getattr(self, name) >= 1, f"{name} must be 1 or more", getattr(self, name))
        for name in ("workers", "checkpoint_every"):
            require(getattr(self, name) >= 0, f"{name} must be 0 or more", getattr(self, name))
