"""Which modalities say most, by MAGIC's measure: how like their features are to the fused feature, the mean.

Shapes: N live slots, C channels of a stage, h w its size.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from robustseg.distill.inputs import full_precision


@torch.no_grad()
def similarity(rows: Float[Tensor, "N h w C"], sample: Int64[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Cosine similarity of each row with the mean of its sample's rows, averaged over the pixels; no gradient.

    The published descriptions leave open what the cosine is of; ours is of the channels at each pixel.

    Args:
        rows: One stage's maps of live slots.
        sample: The sample of each row.
    """
    rows = full_precision(rows)
    count = torch.bincount(sample).to(rows.dtype)
    total = rows.new_zeros(len(count), *rows.shape[1:]).index_add(0, sample, rows)
    mean = total / count[:, None, None, None]  # samples without rows are never asked for
    return F.cosine_similarity(rows, mean[sample], dim=-1).mean((1, 2))


def dominant(scores: Float[Tensor, " N"], sample: Int64[Tensor, " N"]) -> Bool[Tensor, " N"]:
    """The better half of each sample's rows, ceil(n / 2) of n; of equals the earlier ones.

    Example:
        >>> dominant(torch.tensor([0.1, 0.9, 0.5, 0.2]), torch.tensor([0, 0, 0, 1])).tolist()
        [False, True, True, True]
    """
    same = sample[:, None] == sample
    place = torch.arange(len(scores), device=scores.device)
    ahead = (scores > scores[:, None]) | ((scores == scores[:, None]) & (place < place[:, None]))
    return 2 * (same & ahead).sum(1) < same.sum(1)
