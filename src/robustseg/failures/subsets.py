"""Missing modalities as pure functions of data: training draws them at random, evaluation walks through them in order.

Each modality is missing or there on its own, also where one sensor feeds several.

Shapes: B batch, M modalities, S subsets. A subset is a row of bools over the modalities: True = present.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from robustseg.modalities import Modality

FEW_ABOVE = 6
"""With more modalities than this, "auto" walks through few subsets: 2^7 - 1 is more than a table can show."""

MOST_MODALITIES = 16


def all_subsets(count: int) -> Bool[Tensor, "S M"]:
    """All 2^count - 1 non-empty subsets: singles first, then by size, lexicographic within a size, the full one last.

    Example:
        >>> all_subsets(2).tolist()
        [[True, False], [False, True], [True, True]]
    """
    if not 1 <= count <= MOST_MODALITIES:
        raise ValueError(f"all subsets are listed for 1 to {MOST_MODALITIES} modalities, got {count}")
    chosen = [places for size in range(1, count + 1) for places in combinations(range(count), size)]
    return _rows(chosen, count)


def few_subsets(count: int) -> Bool[Tensor, "S M"]:
    """Each modality alone, all but one, all: in the order of `all_subsets`, at most 2 * count + 1 of them."""
    if count < 1:
        raise ValueError(f"at least one modality is needed, got {count}")
    sizes = sorted({1, count - 1, count} - {0})
    return _rows([places for size in sizes for places in combinations(range(count), size)], count)


def evaluation_subsets(
    count: int, which: Literal["auto", "all", "few"] = "auto", one_of: Bool[Tensor, " M"] | None = None
) -> Bool[Tensor, "S M"]:
    """The subsets an evaluation walks through: "auto" = all up to 6 modalities, few above.

    `one_of` keeps those that hold one of these modalities; None = all.
    """
    if which not in ("auto", "all", "few"):
        raise ValueError(f"subsets must be auto, all or few, got {which!r}")
    everything = which == "all" or (which == "auto" and count <= FEW_ABOVE)
    subsets = all_subsets(count) if everything else few_subsets(count)
    return subsets if one_of is None else subsets[(subsets & one_of).any(dim=1)]


def places_of(names: Sequence[str], modalities: Sequence[Modality]) -> Bool[Tensor, " M"] | None:
    """Which modalities are named; None where none is, which stands for any.

    Raises:
        ValueError: A name is no modality's.
    """
    known = [modality.name for modality in modalities]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"there is no modality {unknown[0]!r}; there are {', '.join(known)}")
    return torch.tensor([name in names for name in known]) if names else None


def _rows(chosen: Sequence[tuple[int, ...]], count: int) -> Bool[Tensor, "S M"]:
    return torch.tensor([[place in places for place in range(count)] for places in chosen], dtype=torch.bool)


def drop(present: Bool[Tensor, "*B M"], missing: Sequence[int]) -> Bool[Tensor, "*B M"]:
    """`present` without the modalities at the places `missing`, which may leave nothing."""
    kept = torch.ones(present.shape[-1], dtype=torch.bool, device=present.device)
    kept[list(missing)] = False
    return present & kept


def keep_some(available: Bool[Tensor, "B M"], noise: Float[Tensor, "B M+1"]) -> Bool[Tensor, "B M"]:
    """A random subset of what each sample has, made from noise that is uniform on [0, 1).

    The first column of the noise gives the size, uniform on 1..(number available); the others rank the modalities, and
    the first ones of the available are kept, so that every subset of that size is equally likely.

    Raises:
        ValueError: A sample has no modality at all.
    """
    number = available.sum(dim=1)  # B
    if bool((number == 0).any()):
        rows = (number == 0).nonzero().flatten().tolist()
        raise ValueError(f"samples {rows} of the batch have no modality at all: leave them out of the data")
    size = (1 + (noise[:, 0] * number).long()).minimum(number)  # B; float32 noise may round up
    score = noise[:, 1:].masked_fill(~available, torch.inf)  # B M
    rank = score.argsort(dim=1).argsort(dim=1)
    return available & (rank < size[:, None])


def draw_present(available: Bool[Tensor, "B M"], generator: torch.Generator) -> Bool[Tensor, "B M"]:
    """Training dropout: for each sample a uniform size, then a uniform subset of that size of what it has.

    The SIZE is uniform, not the subset, as in the released method, which draws once per batch. To make a sample's
    draw independent of its batch, call `keep_some` with noise of its own.
    """
    noise = torch.rand(available.shape[0], available.shape[1] + 1, generator=generator, device=generator.device)
    return keep_some(available, noise.to(available.device))


def subset_name(present: Bool[Tensor, " M"], modalities: Sequence[Modality] | Sequence[str]) -> str:
    """What people read: "rgb+lidar"; "none" for the empty one.

    Example:
        >>> subset_name(torch.tensor([True, False, True]), ["rgb", "depth", "lidar"])
        'rgb+lidar'
    """
    return "+".join(_chosen(present, _names(modalities))) or "none"


def subset_letters(present: Bool[Tensor, " M"], modalities: Sequence[Modality] | Sequence[str]) -> str:
    """The short form of published tables: "RL"; names that begin alike get as many letters as tell them apart.

    Example:
        >>> subset_letters(torch.tensor([True, True]), ["rgb", "lidar"])
        'RL'
        >>> subset_letters(torch.tensor([True, True, True]), ["rgb", "dolp", "depth"])
        'RDoDe'
    """
    names = _names(modalities)
    return "".join(_chosen(present, [_prefix(name, names).capitalize() for name in names]))


def _chosen(present: Bool[Tensor, " M"], names: Sequence[str]) -> list[str]:
    return [name for name, here in zip(names, present.tolist(), strict=True) if here]


def _names(modalities: Sequence[Modality] | Sequence[str]) -> list[str]:
    return [entry.name if isinstance(entry, Modality) else entry for entry in modalities]


def _prefix(name: str, names: Sequence[str]) -> str:
    """The shortest beginning of `name` that no other name begins with; letter case does not count."""
    others = [other.lower() for other in names if other != name]
    unique = (end for end in range(1, len(name)) if not any(o.startswith(name[:end].lower()) for o in others))
    return name[: next(unique, len(name))]
