"""The results of a comparison as methods with all their seeds, and the statistics that tables and plots show.

Shapes: N seeds, F frames, S subsets, M modalities, K classes, R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Integer
from torch import Tensor

from robustseg.experiments.bootstrap import (
    RESAMPLES,
    SEED,
    Interval,
    Summary,
    as_they_are,
    draw,
    interval,
    resampled_scores,
    summarise,
)
from robustseg.experiments.job import Key
from robustseg.experiments.result import Result
from robustseg.failures import subset_letters
from robustseg.metrics import AbsentClass

STATISTICS = ("mean", "all", "worst", "harms")

OF_CASES = ("mean", "worst")
"""The statistics of rows that are no subsets."""

ALIKE = ("frames", "sequences", "classes", "absent")
"""In what all results of a comparison agree."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A method with all its results of one protocol.

    Attributes:
        name: Of the method.
        results: One per seed, in their order.
        protocol: What is scored. Its rows are called subsets here, which those of "emm" are.
    """

    name: str
    results: tuple[Result, ...]
    protocol: str = "emm"

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(result.seed for result in self.results)

    @property
    def subsets(self) -> tuple[str, ...]:
        """Names of the subsets."""
        return tuple(self.results[0].protocols[self.protocol].scores)

    @property
    def modalities(self) -> tuple[str, ...]:
        return self.results[0].modalities

    @property
    def statistics(self) -> tuple[str, ...]:
        """Those that its protocol has."""
        return STATISTICS if self.protocol == "emm" else OF_CASES

    @cached_property
    def present(self) -> Bool[Tensor, "S M"]:
        """The modalities of each subset."""
        return self.results[0].present(self.protocol)

    @cached_property
    def letters(self) -> tuple[str, ...]:
        """The subsets in short."""
        return tuple(subset_letters(row, self.modalities) for row in self.present)

    @cached_property
    def counts(self) -> Integer[Tensor, "N F S K 3"]:
        """TP, FP, FN; 32-bit, for there may be many."""
        return torch.stack([result.counts(self.protocol).int() for result in self.results])

    @cached_property
    def per_seed(self) -> list[Summary]:
        """The statistics of each seed alone."""
        return [_plain_summary(self, [place], list(range(len(self.subsets)))) for place in range(len(self.results))]

    @cached_property
    def overall(self) -> Summary:
        """The statistics of the mean over seeds."""
        return _plain_summary(self, list(range(len(self.results))), list(range(len(self.subsets))))


@dataclass(frozen=True)
class Compared:
    """One method minus another, or a method alone.

    Attributes:
        one: The first.
        other: What is subtracted; "" = nothing is.
        seeds: How many they share; with one, intervals are of frames alone.
        statistics: Over the subsets that both have, see `STATISTICS`; unknown where the full one is missing.
        subsets: Of each of them.
    """

    one: str
    other: str
    seeds: int
    statistics: dict[str, Interval]
    subsets: dict[str, Interval]

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.one} − {self.other}" if self.other else self.one


@dataclass(frozen=True, eq=False)
class Failing:
    """What became of the methods by another protocol than "emm", which leaves modalities out.

    Attributes:
        methods: Those that were scored by it.
        differences: Those of them that are shown.
    """

    methods: dict[str, Measured]
    differences: tuple[Compared, ...]


def gather(results: Mapping[Key, Result], protocol: str = "emm") -> dict[str, Measured]:
    """Results by method, which must be of the same frames and classes; those that have a protocol.

    Raises:
        ValueError: They are not; the message names the runs.
    """
    grouped: dict[str, list[Result]] = {}
    first = next(iter(results.values()))
    for (name, seed), result in results.items():
        for what in ALIKE:
            if getattr(result, what) != getattr(first, what):
                raise ValueError(
                    f"{name} seed {seed} was scored with other {what} than {first.method} seed {first.seed}: "
                    "such results cannot stand in one table"
                )
        if protocol in result.protocols:
            grouped.setdefault(name, []).append(result)
    return {name: Measured(name, tuple(entries), protocol) for name, entries in grouped.items()}


def compared(one: Measured, other: Measured | None = None, *, resamples: int = RESAMPLES) -> Compared | None:
    """One method minus another with intervals, frames and seeds paired; None if they share no seed or no subset.

    Args:
        one: The first.
        other: What is subtracted; None = nothing, and the intervals are of the method itself.
        resamples: How many.
    """
    both = [one] if other is None else [one, other]
    seeds = [seed for seed in one.seeds if all(seed in entry.seeds for entry in both)]
    shared = [name for name in one.subsets if all(name in entry.subsets for entry in both)]
    if not seeds or not shared:
        return None
    generator = torch.Generator().manual_seed(SEED)
    draws = draw(one.results[0].sequences, len(seeds), generator, resamples=resamples)
    exact, drawn = [], []
    for entry in both:
        rows = [entry.subsets.index(name) for name in shared]
        runs = [entry.seeds.index(seed) for seed in seeds]
        exact.append(_plain_summary(entry, runs, rows))
        counts = entry.counts[runs][:, :, rows]
        drawn.append(summarise(resampled_scores(counts, draws, _absent(entry)), _present(entry, rows)))
    return Compared(
        one.name,
        other.name if other else "",
        len(seeds),
        {name: interval(_minus(exact, name)[0], _minus(drawn, name)) for name in one.statistics},
        {
            name: interval(_minus(exact, "subsets")[0, place], _minus(drawn, "subsets")[:, place])
            for place, name in enumerate(shared)
        },
    )


def _minus(summaries: Sequence[Summary], name: str) -> Tensor:
    first, *others = (getattr(entry, name) for entry in summaries)
    return first - others[0] if others else first


def _plain_summary(entry: Measured, runs: list[int], rows: list[int]) -> Summary:
    """The statistics of the mean over some runs, of some subsets, of the frames as they are."""
    counts = entry.counts[runs][:, :, rows]
    draws = as_they_are(counts.shape[1], len(runs))
    return summarise(resampled_scores(counts, draws, _absent(entry)), _present(entry, rows))


def _present(entry: Measured, rows: list[int]) -> Bool[Tensor, "S M"] | None:
    """The modalities of some rows, where these are subsets."""
    return entry.present[rows] if entry.protocol == "emm" else None


def _absent(entry: Measured) -> AbsentClass:
    return entry.results[0].absent
