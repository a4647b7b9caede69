"""What the losses ask of their inputs: labels and maps that fit, full precision, and which slots are compared.

Shapes: B batch, M modalities, N pairs of slots, C channels, K classes, h w a stage's size, H W image size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.labels import IGNORE

Maps = Sequence[Float[Tensor, "B M _C _h _w"]]
"""The unfused maps of every stage; widths and sizes differ between stages."""


def full_precision(tensor: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Half precision becomes float32; double stays, so that gradients can be checked in double."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def without_autocast(tensor: Tensor) -> torch.autocast:
    """A context in which nothing on the tensor's device is cast to half precision."""
    return torch.autocast(tensor.device.type, enabled=False)


def check_labels(labels: Int64[Tensor, "B H W"], num_classes: int) -> None:
    """Raises ValueError for a label that is neither a class nor `IGNORE`."""
    wrong = (labels != IGNORE) & ((labels < 0) | (labels >= num_classes))
    if bool(wrong.any()):
        first = int(labels[wrong][0])
        raise ValueError(f"label {first} is not one of the {num_classes} classes 0..{num_classes - 1} nor {IGNORE}")


def check_maps(
    student: Maps, teacher: Maps, present: Bool[Tensor, "B M"], teacher_present: Bool[Tensor, "B M"] | None
) -> None:
    """Raises ValueError unless student and teacher have the same stages and the masks fit them."""
    shapes = [tuple(maps.shape) for maps in student]
    taught_by = [tuple(maps.shape) for maps in teacher]
    if not shapes or shapes != taught_by:
        raise ValueError(f"student and teacher need maps of the same shapes, got {shapes} and {taught_by}")
    for name, mask in (("present", present), ("teacher_present", teacher_present)):
        if mask is None:
            continue
        if mask.dtype != torch.bool or any(tuple(mask.shape) != shape[:2] for shape in shapes):
            raise ValueError(f"{name} must be bool of shape {shapes[0][:2]}, got {mask.dtype} {tuple(mask.shape)}")


def nothing(maps: Maps) -> Float[Tensor, ""]:
    """A differentiable 0 that reads no value of the maps."""
    return torch.stack([full_precision(stage[:0]).sum() for stage in maps]).sum()


def same_slots(present: Bool[Tensor, "B M"]) -> Int64[Tensor, "B M"]:
    """The order in which every slot is compared with the same slot."""
    return torch.arange(present.shape[1], device=present.device).expand(present.shape)


@dataclass(frozen=True)
class Pairs:
    """The slots that are compared: rows of maps that are flattened over B and M. Other rows are never read.

    Attributes:
        student: Rows of the student's maps.
        teacher: The rows of the teacher's maps that teach them.
        sample: The sample that they belong to.
        complete: All student slots are there, in order.
        samples: B.
    """

    student: Int64[Tensor, " N"]
    teacher: Int64[Tensor, " N"]
    sample: Int64[Tensor, " N"]
    complete: bool
    samples: int

    def mean(self, values: Float[Tensor, " N"]) -> Float[Tensor, ""]:
        """Each sample's mean over its pairs (0 if it has none), averaged over all samples."""
        return mean_by_sample(values, self.sample, self.samples)

    def only(self, chosen: Bool[Tensor, " N"]) -> Pairs:
        """Some of them."""
        student, teacher, sample = (rows[chosen] for rows in (self.student, self.teacher, self.sample))
        return Pairs(student, teacher, sample, self.complete and len(sample) == len(chosen), self.samples)


def mean_by_sample(values: Float[Tensor, " N"], sample: Int64[Tensor, " N"], samples: int) -> Float[Tensor, ""]:
    """The mean of each sample's values (0 if it has none), averaged over all samples.

    Per sample first, so that a batch's loss is the mean of its parts' losses, whatever is absent in them.
    """
    count = torch.bincount(sample, minlength=samples)
    return (values / count[sample]).sum() / max(samples, 1)


def live_pairs(
    present: Bool[Tensor, "B M"],
    teacher_present: Bool[Tensor, "B M"] | None = None,
    taught_by: Int64[Tensor, "B M"] | None = None,
) -> Pairs:
    """Pairs of a live student slot and the present teacher slot that `taught_by` (None = the same) names for it."""
    taught_by = same_slots(present) if taught_by is None else taught_by
    pair = present if teacher_present is None else present & teacher_present.gather(1, taught_by)
    sample, slot = pair.nonzero(as_tuple=True)
    first = sample * present.shape[1]
    return Pairs(first + slot, first + taught_by[sample, slot], sample, len(sample) == pair.numel(), len(pair))


def paired_rows(
    student: Float[Tensor, "B M C h w"], teacher: Float[Tensor, "B M C h w"], pairs: Pairs
) -> tuple[Float[Tensor, "N h w C"], Float[Tensor, "N h w C"]]:
    """The maps that are compared, in full precision; the teacher's without gradient."""
    own, other = flat_rows(student), flat_rows(teacher.detach())
    if not pairs.complete:
        own, other = own.index_select(0, pairs.student), other.index_select(0, pairs.teacher)
    return full_precision(own), full_precision(other)


def flat_rows(maps: Float[Tensor, "B M C h w"]) -> Float[Tensor, "BM h w C"]:
    """One row per slot, channels last: a view, and the memory layout of transformer encoders."""
    return maps.flatten(0, 1).permute(0, 2, 3, 1)
