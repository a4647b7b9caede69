"""From which of its predictions the teacher teaches."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from robustseg.distill.prototypes import nearest
from robustseg.labels import IGNORE
from robustseg.models.fusion import Encoded
from robustseg.training.frozen import FrozenTeacher


def superset_logits(
    teacher: FrozenTeacher,
    encoded: Encoded,
    *,
    labels: Int64[Tensor, "B H W"],
    subsets: Bool[Tensor, "B D M"],
) -> Float[Tensor, "_DB K h w"]:
    """The teacher's logits from each subset and the one modality more with which its cross-entropy is least.

    It is measured at the size of the logits. A subset of all that was encoded has nothing to be added to it. Costs D*M
    decodings of the batch by the teacher.

    Args:
        teacher: The teacher.
        encoded: Its encodings of all that the frames have.
        labels: Train ids; 255 is ignored.
        subsets: Parts of what was encoded.
    """
    B, D, M = subsets.shape
    missing = encoded.present[:, None] & ~subsets  # B D M
    more = missing[..., None] & torch.eye(M, dtype=torch.bool, device=subsets.device)  # B D M M
    logits = teacher.answers_from(encoded, (subsets[:, :, None] | more).flatten(1, 2)).logits  # D*M*B K h w
    small = nearest(labels, (logits.shape[2], logits.shape[3])).repeat(D * M, 1, 1)
    each = F.cross_entropy(logits, small, ignore_index=IGNORE, reduction="none").sum((1, 2))
    cost = each.view(D, M, B).masked_fill(~missing.permute(1, 2, 0), torch.inf)
    best = cost.argmin(dim=1)  # D B
    place = (torch.arange(D, device=best.device)[:, None] * M + best) * B + torch.arange(B, device=best.device)
    return logits[place.flatten()]
