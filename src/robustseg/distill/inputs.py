"""What the losses ask of their inputs: labels and maps that fit, full precision, and which slots are compared.

Shapes: B batch, M modalities, C channels, K classes, h w a stage's size, H W image size.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def mean_over_pairs(values: Float[Tensor, "B M"], pair: Bool[Tensor, "B M"]) -> Float[Tensor, ""]:
    """Each sample's mean over its pairs (0 if it has none), averaged over all samples.

    Per sample first, so that a batch's loss is the mean of its parts' losses, whatever is absent in them.
    """
    per_sample = torch.where(pair, values, 0).sum(1) / pair.sum(1).clamp(min=1)  # B
    return per_sample.sum() / max(len(per_sample), 1)
