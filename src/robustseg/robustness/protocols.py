"""Published summaries over subsets, from "Benchmarking MMSS under Sensor Failures" (arXiv 2503.18445).

EMM, entire missing modality: every non-empty subset is evaluated, the full one included. Its published tables fill
missing inputs with zeros after normalisation; whether a model removes or zero-fills what is absent stands with its
weights.

Shapes: S subsets, M modalities.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

EMM_RATES = (0.2, 0.1, 0.05)
"""The published failure probabilities of one modality."""


def failure_weights(subsets: Bool[Tensor, "S M"], rate: float) -> Float[Tensor, " S"]:
    """How likely each subset is if every modality fails on its own with probability `rate`; they sum to 1.

    P(S) = rate^k (1 - rate)^(M - k), k = number missing; that all fail is excluded and the rest renormalised.

    Example:
        >>> from robustseg.failures import all_subsets
        >>> failure_weights(all_subsets(4), 0.1)[-1].item()  # all four work
        0.656...
    """
    if not 0 < rate < 1:
        raise ValueError(f"a failure rate lies between 0 and 1, got {rate}")
    missing = (~subsets).sum(dim=1).double()  # S
    weight = rate**missing * (1 - rate) ** (subsets.shape[1] - missing)
    return weight / weight.sum()


def emm_average(scores: Float[Tensor, " S"]) -> float:
    """mIoU_EMM^Avg: the plain mean over subsets; one that was never scored (NaN) is left out."""
    return scores.nanmean().item()


def emm_expected(scores: Float[Tensor, " S"], subsets: Bool[Tensor, "S M"], rate: float) -> float:
    """mIoU_EMM^E: the mean over subsets weighted by `failure_weights`; NaN unless all subsets were scored."""
    if len(subsets) != 2 ** subsets.shape[1] - 1:
        return torch.nan
    return (failure_weights(subsets, rate) * scores).sum().item()
