"""Weights of the classes in the supervised loss, from how often they occur."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

RAREST = 1e-3
"""Classes that make up less than this share of the pixels, or none of them, are weighted as if they had it.

Inverse weights are thereby at most 1000 times those of a class that fills the image, and a class that happens to be in
none of the frames that were counted is learned like a rare one."""


def class_weights(share: Float[Tensor, " K"], kind: Literal["inverse", "log"]) -> Float[Tensor, " K"]:
    """The weight of each class, scaled so that the weight of the counted pixels is 1 on average.

    Args:
        share: Of each class in the labelled pixels; sums to 1, or is 0 everywhere.
        kind: "inverse": 1 / share. "log": 1 / log(1.02 + share), the weights of ENet (arXiv 1606.02147, section 5.2).

    Example:
        >>> [round(weight, 3) for weight in class_weights(torch.tensor([0.8, 0.2, 0.0]), "inverse").tolist()]
        [0.625, 2.5, 500.0]
    """
    floored = share.clamp(min=RAREST)
    match kind:
        case "inverse":
            weights = 1 / floored
        case "log":
            weights = 1 / (1.02 + floored).log()
    mean = (share * weights).sum()
    return weights / mean if mean > 0 else torch.ones_like(share)
