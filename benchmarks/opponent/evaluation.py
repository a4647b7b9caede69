"""Labels of every subset of the modalities, one forward pass each.

Shapes: B batch, M modalities, S subsets, H W size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from opponent.network import Network


def labels(model: Network, images: Float[Tensor, "B M 3 H W"], live: Sequence[int]) -> Int64[Tensor, "B H W"]:
    """The most likely class of each pixel, from one subset of the modalities."""
    return model(images, [live] * len(images)).logits.argmax(dim=1)


def subset_labels(
    model: Network, images: Float[Tensor, "B M 3 H W"], subsets: Sequence[Sequence[int]]
) -> Int64[Tensor, "S B H W"]:
    """Of several subsets."""
    return torch.stack([labels(model, images, live) for live in subsets])
