"""Intervals by a paired bootstrap over frames and seeds.

A resample draws scenes (frames, where no scene is known) and seeds with replacement, the same ones for all methods that
are compared, sums the counts of the drawn frames and takes the mean over the drawn seeds. A bootstrap over n seeds
understates their variance by (n - 1) / n, so the seeds' deviations from their mean are multiplied by
sqrt(n / (n - 1)); with one seed only frames are drawn, and the interval says nothing about other seeds.

Shapes: R resamples, N seeds, F frames, S subsets, M modalities, K classes. Scores are in percent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor

from robustseg.metrics import AbsentClass, mean_iou

RESAMPLES = 2000
SEED = 0
COVERED = 0.95
HARM = 0.5
"""Points that a subset loses by one more modality before that counts as harm."""


@dataclass(frozen=True, eq=False)
class Draws:
    """What each resample is made of.

    Attributes:
        frames: "R F": how often each frame is drawn.
        seeds: "R N": how often each seed is drawn, N in all.
    """

    frames: Int64[Tensor, "R F"]
    seeds: Int64[Tensor, "R N"]


@dataclass(frozen=True)
class Interval:
    """A value and the percentiles between which 95 % of the resamples lie; NaN = unknown."""

    value: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, eq=False)
class Summary:
    """Scores of subsets in a few numbers, each for every resample.

    Attributes:
        subsets: "R S": the mean over seeds.
        mean: "R": over the subsets.
        all: "R": with every modality; NaN where that subset is not among them, or the rows are no subsets.
        worst: "R": the lowest subset.
        harms: "R": pairs of a subset and a modality that it lacks, where adding it costs more than `HARM` points;
            NaN where the rows are no subsets.
    """

    subsets: Float[Tensor, "R S"]
    mean: Float[Tensor, " R"]
    all: Float[Tensor, " R"]
    worst: Float[Tensor, " R"]
    harms: Float[Tensor, " R"]


def draw(sequences: Sequence[str], seeds: int, generator: torch.Generator, *, resamples: int = RESAMPLES) -> Draws:
    """Random resamples of frames and seeds.

    Args:
        sequences: Of each frame; frames of one sequence are drawn together, a frame without one ("") alone.
        seeds: How many there are.
        generator: Of the draws.
        resamples: How many.
    """
    places: dict[str, int] = {}
    group = [places.setdefault(name or f"\0{frame}", len(places)) for frame, name in enumerate(sequences)]
    drawn = _multiplicities(len(places), resamples, generator)[:, group]
    return Draws(drawn, _multiplicities(seeds, resamples, generator))


def as_they_are(frames: int, seeds: int) -> Draws:
    """The one resample that is the data itself."""
    return Draws(torch.ones(1, frames, dtype=torch.int64), torch.ones(1, seeds, dtype=torch.int64))


def resampled_scores(counts: Integer[Tensor, "N F S K 3"], draws: Draws, absent: AbsentClass) -> Float[Tensor, "R S"]:
    """MIoU of each subset in each resample, the mean over its seeds, whose deviations are corrected for their number.

    Args:
        counts: TP, FP, FN.
        draws: The resamples.
        absent: How classes that occur nowhere in a resample enter the mean over classes.
    """
    weights = draws.frames.double()
    scores = torch.stack(
        [mean_iou(_summed(weights, own.double()), absent) for own in counts],
        dim=-1,
    )  # R S N
    N = scores.shape[-1]
    centre = scores.mean(dim=-1)
    share = draws.seeds.double() / N  # R N
    off = torch.einsum("rsn,rn->rs", scores - centre[..., None], share)
    return centre + off * (math.sqrt(N / (N - 1)) if N > 1 else 0.0)


def summarise(scores: Float[Tensor, "R S"], present: Bool[Tensor, "S M"] | None) -> Summary:
    """The statistics that are reported, of every resample; a subset that was never scored is NaN and left out.

    Args:
        scores: Of each subset, or of each case of another protocol.
        present: The modalities of each subset; None = the rows are no subsets.
    """
    full = [] if present is None else present.all(dim=1).nonzero().flatten().tolist()
    nothing = torch.full_like(scores[:, 0], math.nan)
    lowest = scores.nan_to_num(nan=math.inf).amin(dim=1)
    return Summary(
        subsets=scores,
        mean=scores.nanmean(dim=1),
        all=scores[:, full[0]] if full else nothing,
        worst=lowest.masked_fill(lowest.isinf(), math.nan),
        harms=nothing if present is None else harmful_additions(scores, present),
    )


def harmful_additions(scores: Float[Tensor, "R S"], present: Bool[Tensor, "S M"]) -> Float[Tensor, " R"]:
    """How many pairs of a subset and a modality that it lacks lose more than `HARM` points by adding it."""
    rows = {tuple(row): place for place, row in enumerate(present.tolist())}
    pairs = [
        (small, rows[larger])
        for row, small in rows.items()
        for place, here in enumerate(row)
        if not here and (larger := (*row[:place], True, *row[place + 1 :])) in rows
    ]
    if not pairs:
        return torch.zeros(len(scores), dtype=scores.dtype)
    less, more = torch.tensor(pairs).unbind(dim=1)
    return (scores[:, more] < scores[:, less] - HARM).sum(dim=1).to(scores.dtype)


def interval(value: Tensor, samples: Float[Tensor, " R"]) -> Interval:
    """A value with the percentiles of its resamples, those that are NaN left out."""
    known = samples[~samples.isnan()]
    if not len(known):
        return Interval(float(value), math.nan, math.nan)
    ends = torch.tensor([(1 - COVERED) / 2, (1 + COVERED) / 2], dtype=samples.dtype)
    low, high = torch.quantile(known, ends).tolist()
    return Interval(float(value), low, high)


def _multiplicities(count: int, resamples: int, generator: torch.Generator) -> Int64[Tensor, "R C"]:
    """How often each of so many things is drawn when as many are drawn with replacement."""
    chosen = torch.randint(count, (resamples, count), generator=generator)
    return torch.zeros(resamples, count, dtype=torch.int64).scatter_add_(1, chosen, torch.ones_like(chosen))


def _summed(weights: Float[Tensor, "R F"], counts: Float[Tensor, "F S K 3"]) -> Int64[Tensor, "R S K 3"]:
    """The counts of each resample; a double holds them exactly, and multiplies matrices faster than an integer."""
    return (weights @ counts.flatten(1)).round().long().unflatten(1, counts.shape[1:])
