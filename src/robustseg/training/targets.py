"""From which of its predictions the teacher teaches."""

from __future__ import annotations

from itertools import product

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from robustseg.distill.prototypes import nearest
from robustseg.labels import IGNORE
from robustseg.models.segmenter import Output
from robustseg.training.frozen import FrozenTeacher


def superset_logits(
    teacher: FrozenTeacher,
    everything: Output,
    *,
    labels: Int64[Tensor, "B H W"],
    subsets: Bool[Tensor, "B D M"],
) -> Float[Tensor, "_DB K h w"]:
    """The teacher's logits from each subset and the one modality more with which its cross-entropy is least.

    It is measured at the size of the logits. A subset of all that was encoded has nothing to be added to it. Costs up
    to D*M decodings of the batch by the teacher; what makes a subset complete is known already.

    Args:
        teacher: The teacher.
        everything: Its answers from all that the frames have.
        labels: Train ids; 255 is ignored.
        subsets: Parts of what was encoded.
    """
    encoded = everything.encoded
    D, M = subsets.shape[1:]
    missing = encoded.present[:, None] & ~subsets  # B D M
    small = nearest(labels, (everything.logits.shape[2], everything.logits.shape[3]))  # B h w
    best = everything.logits.repeat(D, 1, 1, 1, 1)  # D B K h w
    several = missing.sum(dim=2) > 1  # B D
    cost = _cost(everything.logits, small)[:, None].masked_fill(several, torch.inf)  # B D
    for d, m in product(range(D), range(M)):
        chosen = (several[:, d] & missing[:, d, m]).nonzero().squeeze(1)  # N
        if len(chosen):
            more = subsets[:, d].index_fill(1, torch.tensor(m, device=subsets.device), True) & encoded.present
            tried = teacher.logits_of(encoded, more, chosen)
            own = _cost(tried, small[chosen])
            better = own < cost[chosen, d]
            best[d, chosen] = torch.where(better[:, None, None, None], tried, best[d, chosen])
            cost[chosen, d] = torch.where(better, own, cost[chosen, d])
    return best.flatten(0, 1)


@torch.no_grad()
def _cost(logits: Float[Tensor, "N K h w"], labels: Int64[Tensor, "N h w"]) -> Float[Tensor, " N"]:
    """Each answer's cross-entropy, summed over the pixels."""
    return F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none").sum((1, 2))
