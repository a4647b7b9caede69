"""MAGIC-style consistency: what the most telling modalities say by themselves is to be right, and what all say.

Shapes: B batch, M modalities, N encoded images, K classes, h w size of the coarse logits, H W image size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.distill.cross_entropy import ohem_cross_entropy
from robustseg.distill.logits import logit_kl
from robustseg.distill.similarity import dominant, similarity


def consistency(
    *,
    part: Float[Tensor, "B K h w"],
    whole: Float[Tensor, "B K h w"],
    labels: Int64[Tensor, "B H W"],
    threshold: float = 0.7,
    min_kept: float = 1 / 16,
    class_weights: Float[Tensor, " K"] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy of the selected modalities' prediction, plus KL(all || selected), a mean over pixels in nats.

    Known of MAGIC is that the selected modalities' prediction is supervised and kept consistent with that of all. Ours:
    one weight for both terms, a KL, and no gradient by way of the prediction of all.

    Args:
        part: Logits of the selected modalities, see `better_half`.
        whole: Logits of all; detached here.
        labels: Train ids; 255 is ignored by the cross-entropy.
        threshold: See `ohem_cross_entropy`, as for what follows.
        min_kept: See `ohem_cross_entropy`.
        class_weights: See `ohem_cross_entropy`.

    Raises:
        ValueError: Shapes do not fit, or a label is no class.
    """
    right = ohem_cross_entropy(part, labels, threshold=threshold, min_kept=min_kept, class_weights=class_weights)
    alike = logit_kl(student=part, teacher=whole, size=(labels.shape[1], labels.shape[2]))
    return right + part.shape[1] * alike


def better_half(
    maps: Sequence[Float[Tensor, "N _C _h _w"]],
    sample: Int64[Tensor, " N"],
    modality: Int64[Tensor, " N"],
    present: Bool[Tensor, "B M"],
) -> Bool[Tensor, "B M"]:
    """Of each sample's n modalities in `present`, the ceil(n / 2) whose features are most like the mean of the n.

    As the likeness counts its average over the stages: a choice by stage would give a prediction of no subset.

    Args:
        maps: Encodings of every stage, one row for each image that was encoded; rows not asked for are never read.
        sample: Each row's place in the batch; below 0 = none.
        modality: Each row's modality.
        present: The modalities to choose from; they were encoded.
    """
    row = ((sample >= 0) & present[sample.clamp(min=0), modality]).nonzero().squeeze(1)
    of = sample[row]
    scores = torch.stack([similarity(stage.permute(0, 2, 3, 1)[row], of) for stage in maps]).mean(0)
    chosen = torch.zeros_like(present)
    chosen[of, modality[row]] = dominant(scores, of)
    return chosen
