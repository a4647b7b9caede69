"""Published summaries over subsets and levels, from "Benchmarking MMSS under Sensor Failures" (arXiv 2503.18445).

EMM, entire missing modality: every non-empty subset is evaluated, the full one included. Its published tables fill
missing inputs with zeros after normalisation; whether a model removes or zero-fills what is absent stands with its
weights.

RMM, random missing: the same subsets, where a missing modality has a share r of its elements set to zero; the same
means over subsets for each r.

NM, noisy modalities: every modality is noisy, at three levels; one mIoU each.

Shapes: S subsets, M modalities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

EMM_RATES = (0.2, 0.1, 0.05)
"""The published failure probabilities of one modality."""

RMM_SHARES = (0.75, 0.5, 0.25)
"""The published shares of a missing modality's elements that are zero."""

NM_LEVELS = ("low", "mid", "high")


SUBSET_PROTOCOLS = ("emm", "emm_zero")
"""Where a row is a set of modalities that work, and the others are gone altogether."""


@dataclass(frozen=True)
class SubsetMeans:
    """A protocol over subsets in a few numbers, in percent.

    Attributes:
        average: The plain mean over subsets.
        expected: Failure probability of one modality -> the weighted mean.
    """

    average: float
    expected: dict[float, float]


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
    """mIoU_EMM^E: the mean over subsets weighted by `failure_weights`; NaN unless each subset was scored, and once."""
    every = 2 ** subsets.shape[1] - 1
    if not len(subsets) == len(subsets.unique(dim=0)) == every:  # rows of noise or faults repeat the full one
        return torch.nan
    return (failure_weights(subsets, rate) * scores).sum().item()


def subset_means(
    scores: Float[Tensor, " S"], subsets: Bool[Tensor, "S M"], rates: Sequence[float] = EMM_RATES
) -> SubsetMeans:
    """What published tables print of EMM and of RMM at one r: mIoU^Avg, and mIoU^E at each rate.

    `subsets` are the undamaged modalities.
    """
    return SubsetMeans(emm_average(scores), {rate: emm_expected(scores, subsets, rate) for rate in rates})


def nm_scores(scores: Float[Tensor, " S"], states: Sequence[str]) -> dict[str, float]:
    """MIoU of each level of noise, in the order low, mid, high; NaN for a level that was not evaluated.

    Raises:
        ValueError: A row is of no level, or a level stands twice.
    """
    unknown = [state for state in states if state not in NM_LEVELS]
    if unknown or len(set(states)) < len(states):
        raise ValueError(f"noise has one row for each of {', '.join(NM_LEVELS)}, got {', '.join(states) or 'nothing'}")
    found = dict(zip(states, scores.tolist(), strict=True))
    return {level: found.get(level, torch.nan) for level in NM_LEVELS}


def rmm_protocol(share: float, *, pixels: bool = False) -> str:
    """The protocol's name for a share of missing elements, or of whole pixels.

    Example:
        >>> rmm_protocol(0.75), rmm_protocol(0.5, pixels=True)
        ('rmm_0.75', 'rmm_pixel_0.5')
    """
    return f"rmm_{'pixel_' if pixels else ''}{share:g}"
