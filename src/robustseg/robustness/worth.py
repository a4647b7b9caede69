"""What each sensor is worth: exact Shapley values of mIoU over every set of them, from stored counts alone.

The worth of a set is its score, the worth of nothing that of the most frequent class everywhere. A player's Shapley
value (Shapley 1953) is what it adds to the set of those before it, mean over all orders: the values of all players sum
to v(all) - v(nothing).

Shapes: P players, N = 2^P sets, K classes. Set n holds player p where bit p of n is 1: row 0 is nothing, the last all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from robustseg.metrics import AbsentClass, class_mean, iou
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.nothing import find_rows, labelled, set_counts
from robustseg.robustness.sensor_view import sensor_view

MOST_PLAYERS = 16

By = Literal["sensor", "modality"]


@dataclass(frozen=True, eq=False)
class Worth:
    """Scores of all sets of players, in percent, and what follows from them, in points.

    Attributes:
        players: Names of sensors or modalities.
        classes: Names.
        miou: "N": of each set.
        iou: "N K": of each set and class; NaN for a class without a labelled pixel.
    """

    players: tuple[str, ...]
    classes: tuple[str, ...]
    miou: Float[Tensor, " N"]
    iou: Float[Tensor, "N K"]

    @property
    def nothing(self) -> float:
        """The mIoU of the empty set."""
        return self.miou[0].item()

    @property
    def everything(self) -> float:
        """The mIoU of all players together."""
        return self.miou[-1].item()

    def shapley(self) -> Float[Tensor, " P"]:
        """Each player's share of v(all) - v(nothing)."""
        return shapley(self.miou)

    def class_shapley(self) -> Float[Tensor, "P K"]:
        """Each player's share of every class's IoU; NaN for a class without a labelled pixel."""
        return shapley(self.iou)

    def gains(self) -> Float[Tensor, "P N"]:
        """What each player adds to each set; NaN where the set holds it already."""
        sets = all_sets(len(self.players))  # N P
        joined = torch.arange(len(sets)) | (1 << torch.arange(len(self.players)))[:, None]  # P N
        return (self.miou[joined] - self.miou).masked_fill(sets.T, math.nan)

    def harms(self) -> list[Harm]:
        """All sets that score less with some player than without, the worst first."""
        gains = self.gains()
        found = [
            Harm(self.players[player], self.names_of(place), gains[player, place].item(), self.miou[place].item())
            for player, place in (gains < 0).nonzero().tolist()
        ]
        return sorted(found, key=lambda harm: (harm.points, len(harm.joins)))

    def names_of(self, place: int) -> tuple[str, ...]:
        """The players of one set."""
        return tuple(name for bit, name in enumerate(self.players) if place >> bit & 1)


@dataclass(frozen=True)
class Harm:
    """A set that is better off without one more player.

    Attributes:
        player: Who hurts.
        joins: Whom; () = nothing at all: the player alone is worse than the most frequent class everywhere.
        points: What it adds, below 0.
        before: The set's mIoU without it.
    """

    player: str
    joins: tuple[str, ...]
    points: float
    before: float


def worth(evaluation: Evaluation, majority: int, *, by: By = "sensor", absent: AbsentClass | None = None) -> Worth:
    """Scores every set of sensors or modalities.

    Frames that have nothing of a set count as v(nothing) there, so that all sets are compared on the same frames.

    Args:
        evaluation: Of protocol emm or emm_zero.
        majority: Train id of the class that is predicted with nothing left, see `nothing_class`.
        by: "sensor": modalities of one device come and go together, only unions of whole sensors are needed;
            "modality": one by one.
        absent: How classes that occur nowhere enter mIoU; None = as the evaluation says.

    Raises:
        ValueError: A set was not evaluated, there are more than 16 players, or the protocol is another.
    """
    absent = absent or evaluation.absent
    evaluation = sensor_view(evaluation) if by == "sensor" else evaluation
    players = evaluation.modalities
    if len(players) > MOST_PLAYERS:
        raise ValueError(f"worth is exact for up to {MOST_PLAYERS} sensors or modalities, these are {len(players)}")
    scores = iou(set_counts(evaluation, all_sets(len(players)), majority))  # N K
    unlabelled = labelled(evaluation).sum(dim=0) == 0  # K
    return Worth(players, evaluation.classes, class_mean(scores, absent), scores.masked_fill(unlabelled, math.nan))


def knows_worth(evaluation: Evaluation, by: By = "sensor") -> bool:
    """Whether `worth` can tell: the protocol removes sensors, and every set that it needs was evaluated."""
    if len(set(evaluation.sensors) if by == "sensor" else evaluation.modalities) > MOST_PLAYERS:
        return False
    try:
        view = sensor_view(evaluation) if by == "sensor" else evaluation
        find_rows(view, all_sets(len(view.modalities)))
    except ValueError:
        return False
    return True


def worth_by_condition(
    evaluation: Evaluation, majority: int, *, by: By = "sensor", absent: AbsentClass = "skip"
) -> dict[str, dict[str, Worth]]:
    """Tag -> value -> worth on the frames of that condition. Most conditions lack some class: it is left out.

    Raises:
        ValueError: As `worth`.
    """
    return {
        key: {value: worth(part, majority, by=by, absent=absent) for value, part in parts.items()}
        for key, parts in evaluation.conditions().items()
    }


def shapley(values: Float[Tensor, "N ..."]) -> Float[Tensor, "P ..."]:
    """Shapley values of P players from the values of all 2^P sets; NaN where any of the sets is NaN.

    phi_p = sum over sets T without p of |T|! (P - |T| - 1)! / P! * (v(T with p) - v(T)).

    Raises:
        ValueError: The number of sets is no power of 2, or there is no player.

    Example:
        >>> shapley(torch.tensor([10.0, 30.0, 20.0, 60.0])).tolist()  # nothing, a, b, both
        [30.0, 20.0]
    """
    players = len(values).bit_length() - 1
    if players < 1 or len(values) != 2**players:
        raise ValueError(f"{len(values)} values are not those of all sets of some players: 2^P are needed")
    sets = all_sets(players)  # N P
    size = sets.sum(dim=1)  # N
    weight = torch.tensor([1 / (players * math.comb(players - 1, s)) for s in range(players)], dtype=torch.float64)
    gained = weight[(size - 1).clamp(min=0)][:, None]  # N 1; the weight of the set without the player
    lost = weight[size.clamp(max=players - 1)][:, None]
    shares = torch.where(sets, gained, -lost)  # N P
    return torch.einsum("np,n...->p...", shares, values.double()).to(values.dtype)


def all_sets(players: int) -> Bool[Tensor, "N P"]:
    """All 2^P sets in the order of their binary numbers, nothing first.

    Example:
        >>> all_sets(2).int().tolist()
        [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    return (torch.arange(2**players)[:, None] >> torch.arange(players) & 1).bool()
