"""HPDM, hybrid prototype distillation: what a class looks like to one sensor is taught by another sensor.

Shapes: B batch, M modalities, N pairs of slots, C channels of a stage, K classes, h w a stage's size, H W image size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.distill.inputs import (
    Maps,
    Pairs,
    check_labels,
    check_maps,
    flat_rows,
    full_precision,
    live_pairs,
    same_slots,
    without_autocast,
)


@dataclass(frozen=True)
class Matching:
    """How two sets of class prototypes are compared in the paper's form, where the paper leaves it open.

    Attributes:
        axis: What the softmax runs over. "class" (the released code's): for each channel, which classes excite it; a
            channel's offset, which sensors differ in, cancels. "channel": for each class, which channels it excites.
        printed_order: False = KL(teacher || student), as released and as usual in distillation. True = the printed
            order, KL(student || teacher).
        temperature: Prototypes are divided by it before the softmax; the KL is multiplied by its square, which
            keeps the gradient's size.

    On the built-in world all these choices lie within 0.25 points of mean mIoU, which is what another seed does
    (benchmarks/results/distill_choices.md), so the defaults follow the released code and common usage.
    """

    axis: Literal["class", "channel"] = "class"
    printed_order: bool = False
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.axis not in ("class", "channel"):
            raise ValueError(f"axis must be 'class' or 'channel', got {self.axis!r}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")


DEFAULT_MATCHING = Matching()


def hpdm(
    *,
    student: Maps,
    teacher: Maps,
    labels: Int64[Tensor, "B H W"],
    num_classes: int,
    present: Bool[Tensor, "B M"],
    teacher_present: Bool[Tensor, "B M"] | None = None,
    permutation: Int64[Tensor, "B M"] | None = None,
    form: str = "paper",
    matching: Matching = DEFAULT_MATCHING,
) -> Float[Tensor, ""]:
    r"""KL between the class prototypes of student modalities and of the teacher modalities that teach them.

    A prototype g of class c, stage i and modality m is the mean feature of that class's pixels; labels are
    nearest-resized to the stage. RobustSeg (arXiv 2505.12861) minimises, over random orders pi of the modalities,

        L_hp = 1/N sum_n sum_{i=1..4} sum_m KL(p_{pi(m)}, g_m)

    form="paper": this, with sums over stages and modalities replaced by means (a sample's over its live pairs, 0 if
    it has none; then over all samples and stages), so that its size hardly depends on M, the image size, the widths
    or the number of classes. Ours are also the choices in `Matching`, and that classes without a pixel at a stage
    take no part there: they are outside the softmax and the means, exactly. On axis "class" the KL is averaged
    over channels, on axis "channel" over live classes.

    form="released": the released arithmetic. The class mean is divided by the pixel count a second time, absent
    classes stay in the softmax over classes as zeros, each KL(teacher || student) is divided by K*C and
    clamped at 0, and they are summed over stages and modalities. The second division makes it nearly inert: all
    but the rarest classes have prototypes near 0.

    Args:
        student: Maps of the student; absent slots may hold anything, NaN too.
        teacher: Maps of the teacher, detached here.
        labels: Train ids; 255 is ignored.
        num_classes: K.
        present: The student's modalities.
        teacher_present: The teacher's modalities; None = all. A pair whose teacher slot is absent contributes 0.
        permutation: Which teacher slot teaches student slot m, see `draw_permutation`; None = the same.
        form: "paper" or "released".
        matching: See `Matching`; for the paper's form only.

    Raises:
        ValueError: `form` is unknown, shapes do not fit, a label is no class, or `permutation` names no slot.
    """
    if form not in ("paper", "released"):
        raise ValueError(f"form must be 'paper' or 'released', got {form!r}")
    check_maps(student, teacher, present, teacher_present)
    check_labels(labels, num_classes)
    if len(labels) != len(present):
        raise ValueError(f"labels have {len(labels)} samples, the maps {len(present)}")
    pairs = live_pairs(present, teacher_present, _teacher_slots(permutation, present))
    compare = _paper_stage if form == "paper" else _released_stage
    with without_autocast(student[0]):
        stages = []
        for own, other in zip(student, teacher, strict=True):
            one_hot = one_hot_labels(labels, num_classes, (own.shape[-2], own.shape[-1]))
            one_hot = one_hot.index_select(0, pairs.sample)  # N K hw
            sums = _student_sums(own, one_hot, pairs), _teacher_sums(other.detach(), one_hot, pairs)
            stages.append(compare(*sums, one_hot.sum(2), pairs, matching))
        return torch.stack(stages).mean() if form == "paper" else torch.stack(stages).sum()


def draw_permutation(
    present: Bool[Tensor, "B M"], teacher_present: Bool[Tensor, "B M"] | None, generator: torch.Generator
) -> Int64[Tensor, "B M"]:
    """A random order of the teacher's modalities per sample: slot [b, m] teaches student slot m.

    Live student slots get different present teacher slots, all such assignments being equally likely, as long as
    the teacher has that many; its absent slots go to absent student slots first. A teacher slot that is absent for the
    student teaches like any other.

    Example:
        >>> present = torch.tensor([[True, False, True]])
        >>> draw_permutation(present, None, torch.Generator().manual_seed(0)).sort().values
        tensor([[0, 1, 2]])
    """
    keys = torch.rand(present.shape, generator=generator, device=generator.device).to(present.device)
    if teacher_present is not None:
        keys = keys + (~teacher_present).to(keys.dtype)
    teachers = keys.argsort(1)
    students = (~present).to(torch.uint8).argsort(stable=True, dim=1)
    return torch.empty_like(teachers).scatter_(1, students, teachers)


def one_hot_labels(labels: Int64[Tensor, "B H W"], num_classes: int, size: tuple[int, int]) -> Float[Tensor, "B K hw"]:
    """Nearest-resized to `size`; an ignored pixel is in no class."""
    small = nearest(labels, size).flatten(1)
    classes = torch.arange(num_classes, device=labels.device)
    return (small[:, None] == classes[:, None]).float()


def class_sums(rows: Float[Tensor, "N h w C"], one_hot: Float[Tensor, "N K hw"]) -> Float[Tensor, "N K C"]:
    """Sums of the features of each class's pixels, as one matrix product per row."""
    rows = full_precision(rows)
    return one_hot.to(rows.dtype) @ rows.flatten(1, 2)


def nearest(labels: Int64[Tensor, "B H W"], size: tuple[int, int]) -> Int64[Tensor, "B h w"]:
    """Nearest-neighbour resize: output row i reads input row floor(i * H / h), likewise columns."""
    rows, columns = (
        torch.arange(new, device=labels.device) * old // new for old, new in zip(labels.shape[1:], size, strict=True)
    )
    return labels[:, rows[:, None], columns]


def _teacher_slots(permutation: Int64[Tensor, "B M"] | None, present: Bool[Tensor, "B M"]) -> Int64[Tensor, "B M"]:
    modalities = present.shape[1]
    if permutation is None:
        return same_slots(present)
    if permutation.shape != present.shape:
        raise ValueError(f"permutation must be {tuple(present.shape)}, got {tuple(permutation.shape)}")
    if bool(((permutation < 0) | (permutation >= modalities)).any()):
        raise ValueError(f"permutation must name slots 0..{modalities - 1}, got {permutation.tolist()}")
    return permutation


def _student_sums(
    maps: Float[Tensor, "B M C h w"], one_hot: Float[Tensor, "N K hw"], pairs: Pairs
) -> Float[Tensor, "N K C"]:
    rows = flat_rows(maps)
    return class_sums(rows if pairs.complete else rows.index_select(0, pairs.student), one_hot)


def _teacher_sums(
    maps: Float[Tensor, "B M C h w"], one_hot: Float[Tensor, "N K hw"], pairs: Pairs
) -> Float[Tensor, "N K C"]:
    """In the student's order: reordered late, as sums are smaller than maps, where all slots are needed."""
    rows = flat_rows(maps)
    if pairs.complete:
        return class_sums(rows, one_hot)[pairs.teacher]
    return class_sums(rows.index_select(0, pairs.teacher), one_hot)


def _paper_stage(
    student: Float[Tensor, "N K C"],
    teacher: Float[Tensor, "N K C"],
    count: Float[Tensor, "N K"],
    pairs: Pairs,
    matching: Matching,
) -> Float[Tensor, ""]:
    divisor = count.clamp(min=1)[..., None]
    return pairs.mean(masked_kl(count > 0, matching, student=student / divisor, teacher=teacher / divisor))


def _released_stage(
    student: Float[Tensor, "N K C"],
    teacher: Float[Tensor, "N K C"],
    count: Float[Tensor, "N K"],
    pairs: Pairs,
    _: Matching,
) -> Float[Tensor, ""]:
    divisor = count.clamp(min=1).square()[..., None]
    return released_kl(student=student / divisor, teacher=teacher / divisor).sum() / max(pairs.samples, 1)


def masked_kl(
    live: Bool[Tensor, "N K"],
    matching: Matching,
    *,
    student: Float[Tensor, "N K C"],
    teacher: Float[Tensor, "N K C"],
) -> Float[Tensor, " N"]:
    """KL between prototypes of live classes, averaged over channels (axis "class") or live classes ("channel")."""
    first, second = (student, teacher) if matching.printed_order else (teacher, student)
    axis = 1 if matching.axis == "class" else 2
    total = known_kl(live[..., None], axis, matching.temperature, first=first, second=second)
    return total / (student.shape[2] if matching.axis == "class" else live.sum(1).clamp(min=1))


def known_kl(
    known: Bool[Tensor, "N _a _b"],
    axis: int,
    temperature: float,
    *,
    first: Float[Tensor, "N a b"],
    second: Float[Tensor, "N a b"],
) -> Float[Tensor, " N"]:
    """Squared temperature * KL(first || second), summed over a row; softmax runs over the known values along `axis`."""
    lowest = torch.finfo(first.dtype).min  # exp() of it is 0, and an axis of nothing else has no NaN
    log_first, log_second = (
        (values / temperature).masked_fill(~known, lowest).log_softmax(axis) for values in (first, second)
    )
    return temperature**2 * (log_first.exp() * torch.where(known, log_first - log_second, 0)).sum((1, 2))


def released_kl(*, student: Float[Tensor, "N K C"], teacher: Float[Tensor, "N K C"]) -> Float[Tensor, " N"]:
    """KL(teacher || student) over all classes, divided by K*C and clamped at 0."""
    log_teacher = teacher.log_softmax(1)
    return (log_teacher.exp() * (log_teacher - student.log_softmax(1))).mean((1, 2)).clamp(min=0)
