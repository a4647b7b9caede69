"""What to expect in the field: mIoU over all failure states, for a user's own probabilities of failure.

Causes of failure are independent; each takes out what it names: one sensor, one modality, or a group that fails
together (a common power supply, mud on the roof). From them follows the exact distribution over the 2^M states, without
sampling. The state with nothing left is one of them and scores v(nothing), see `robustseg.robustness.nothing`; the
published expectations leave it out, see `robustseg.robustness.protocols`.

Shapes: N states, M modalities. A state is the set of modalities that still work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from robustseg.failures import MOST_MODALITIES, subset_name
from robustseg.metrics import AbsentClass, mean_iou
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.nothing import set_counts
from robustseg.robustness.worth import all_sets

BAD_LUCK = 0.05
"""The quantile of mIoU that tables show: one state in twenty is as bad or worse."""


@dataclass(frozen=True)
class Cause:
    """One reason of failure.

    Attributes:
        names: Sensors or modalities that it takes out, all at once; a sensor stands for all its modalities.
        rate: Its probability, 0 to 1, at any instant.
    """

    names: tuple[str, ...]
    rate: float

    def __post_init__(self) -> None:
        if not self.names or not all(self.names):
            raise ValueError("a failure needs the name of a sensor or modality, as in rgb=0.01")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"a name stands twice in {'&'.join(self.names)}")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"the probability of {'&'.join(self.names)} must lie in 0..1, got {self.rate}")


@dataclass(frozen=True)
class Failures:
    """Independent causes; what no cause names never fails."""

    causes: tuple[Cause, ...]

    def __post_init__(self) -> None:
        groups = [frozenset(cause.names) for cause in self.causes]
        twice = [group for place, group in enumerate(groups) if group in groups[:place]]
        if twice:
            raise ValueError(f"{'&'.join(sorted(twice[0]))} has two probabilities of failure: give one")


@dataclass(frozen=True, eq=False)
class Expectation:
    """All states that can occur and how well the model does in them.

    Attributes:
        modalities: Names.
        states: "N M": what still works; the empty state is nothing left.
        chances: "N": their probabilities, above 0, which sum to 1.
        scores: "N": mIoU in percent.
    """

    modalities: tuple[str, ...]
    states: Bool[Tensor, "N M"]
    chances: Float[Tensor, " N"]
    scores: Float[Tensor, " N"]

    @property
    def mean(self) -> float:
        """Expected mIoU."""
        return (self.chances * self.scores).sum().item()

    @property
    def nothing_left(self) -> float:
        """The probability that everything fails at once."""
        return self.chances[~self.states.any(dim=1)].sum().item()

    def quantile(self, level: float = BAD_LUCK) -> float:
        """The smallest mIoU that is not exceeded with probability `level` at least.

        Raises:
            ValueError: The level is not between 0 and 1.
        """
        if not 0 < level <= 1:
            raise ValueError(f"a quantile's level lies above 0, up to 1, got {level}")
        scores, order = self.scores.sort()
        reached = self.chances[order].cumsum(dim=0) >= level - 1e-12  # sums of chances are rounded
        return scores[reached.int().argmax()].item()

    def weightiest(self, count: int) -> list[tuple[str, float, float]]:
        """Name, probability and mIoU of the most probable states."""
        order = self.chances.argsort(descending=True, stable=True)[:count].tolist()
        names = (subset_name(self.states[place], self.modalities) for place in order)
        return [
            (name, self.chances[place].item(), self.scores[place].item())
            for name, place in zip(names, order, strict=True)
        ]


def parse_failures(failure: str, together: str = "") -> Failures:
    """Reads what users write on the command line.

    Args:
        failure: "rgb=0.01,lidar=0.05"; "rgb&nir=0.02" is a group that fails together.
        together: Groups in another form, which no shell takes apart: "rgb,aolp=0.001,lidar,radar=0.01".

    Raises:
        ValueError: A probability is missing, no number, or outside 0..1; a group has one name; a name stands twice.

    Example:
        >>> parse_failures("rgb=0.01", "rgb,aolp=0.001").causes
        (Cause(names=('rgb',), rate=0.01), Cause(names=('rgb', 'aolp'), rate=0.001))
    """
    causes = [_cause(word.partition("=")[0].split("&"), word) for word in _words(failure)]
    names: list[str] = []
    for word in _words(together):
        names.append(word.partition("=")[0])
        if "=" in word:
            if len(names) == 1:
                raise ValueError(f"{word!r} is no group: a group that fails together has two names or more")
            causes.append(_cause(names, word))
            names = []
    if names:
        raise ValueError(f"the group {','.join(names)} has no probability: write {','.join(names)}=0.01")
    if not causes:
        raise ValueError("say what can fail, as in rgb=0.01,lidar=0.05")
    return Failures(tuple(causes))


def states(
    failures: Failures, modalities: Sequence[str], sensors: Sequence[str]
) -> tuple[Bool[Tensor, "N M"], Float[Tensor, " N"]]:
    """The states that can occur, and the probability of each.

    Args:
        failures: Whose names are modalities' or sensors'.
        modalities: Names.
        sensors: The device that feeds each.

    Raises:
        ValueError: A name is unknown, or there are more than 16 modalities.
    """
    count = len(modalities)
    if count > MOST_MODALITIES:
        raise ValueError(f"failure states are listed for up to {MOST_MODALITIES} modalities, these are {count}")
    chances = torch.zeros(2**count, dtype=torch.float64)  # bit m of the place is 1 where modality m works
    chances[-1] = 1.0
    place = torch.arange(2**count)
    for cause in failures.causes:
        kept = _all_but(cause.names, modalities, sensors)
        hit = torch.zeros_like(chances).index_add(0, place & kept, chances)
        chances = (1 - cause.rate) * chances + cause.rate * hit
    possible = chances > 0
    return all_sets(count)[possible], chances[possible]


def expect(
    evaluation: Evaluation, failures: Failures, majority: int, *, absent: AbsentClass | None = None
) -> Expectation:
    """The distribution of mIoU over failure states.

    Args:
        evaluation: Of protocol emm or emm_zero, with every subset that can occur.
        failures: Of the evaluation's sensors or modalities.
        majority: Train id of the class that is predicted with nothing left, see `nothing_class`.
        absent: How classes that occur nowhere enter mIoU; None = as the evaluation says.

    Raises:
        ValueError: A name is unknown, a subset that can occur was not evaluated, or the protocol is another.
    """
    absent = absent or evaluation.absent
    rows, chances = states(failures, evaluation.modalities, evaluation.sensors)
    scores = mean_iou(set_counts(evaluation, rows, majority), absent)
    return Expectation(evaluation.modalities, rows, chances, scores)


def _all_but(names: Sequence[str], modalities: Sequence[str], sensors: Sequence[str]) -> int:
    """Bits of the modalities that the failure of `names` leaves; a modality's own name goes before a sensor's."""
    kept = 2 ** len(modalities) - 1
    for name in names:
        hit = [place for place, modality in enumerate(modalities) if modality == name]
        hit = hit or [place for place, sensor in enumerate(sensors) if sensor == name]
        if not hit:
            known = ", ".join(dict.fromkeys((*modalities, *sensors)))
            raise ValueError(f"there is no modality or sensor {name!r}; known are {known}")
        kept &= ~sum(1 << place for place in hit)
    return kept


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")] if text.strip() else []


def _cause(names: Sequence[str], word: str) -> Cause:
    _, equals, number = word.partition("=")
    if not equals:
        raise ValueError(f"{word!r} has no probability: write {word or 'rgb'}=0.01")
    try:
        rate = float(number)
    except ValueError:
        raise ValueError(f"{number!r} in {word!r} is no probability: write a number such as 0.01") from None
    return Cause(tuple(name.strip() for name in names), rate)
