"""The subsets of a frame's modalities that a student answers for in one step of its training.

Shapes: M modalities, D subsets.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from robustseg.failures.subsets import keep_some
from robustseg.recipe import Sight


def draw_sight(
    available: Bool[Tensor, " M"],
    sight: Sight,
    generator: torch.Generator,
    *,
    one_of: Bool[Tensor, " M"] | None = None,
) -> Bool[Tensor, "D M"]:
    """Random subsets first, then single modalities, then everything that is available.

    Where fewer modalities are available than singles are asked for, they come several times.

    Args:
        available: What the frame has.
        sight: How many subsets of which kind.
        generator: Drawn from as often as the draws need, so that the frame should have one of its own.
        one_of: Every subset holds one of these, where the frame has any of them; None = all modalities. A random subset
            that does not is drawn again: of draw "size" the subset alone, so that the size stays uniform; of draw
            "subset" the whole of it, so that all subsets that do stay equally likely.

    Raises:
        ValueError: Nothing is available.
    """
    if not bool(available.any()):
        raise ValueError("the frame has no modality at all: leave it out of the data")
    telling = available if one_of is None else available & one_of
    telling = telling if bool(telling.any()) else available
    subsets = [_telling_subset(available, telling, sight, generator) for _ in range(sight.drawn)]
    if sight.singles:
        places = telling.nonzero().squeeze(1)
        order = places[torch.randperm(len(places), generator=generator)]
        chosen = order.repeat(-(-sight.singles // len(order)))[: sight.singles]
        subsets += list(torch.nn.functional.one_hot(chosen, len(available)).bool())
    if sight.everything:
        subsets.append(available)
    return torch.stack(subsets)


def _telling_subset(
    available: Bool[Tensor, " M"], telling: Bool[Tensor, " M"], sight: Sight, generator: torch.Generator
) -> Bool[Tensor, " M"]:
    """Draws until a subset has what it needs; there is one of every size."""
    noise = torch.rand(1, len(available) + (sight.draw == "size"), generator=generator)
    while True:
        subset = keep_some(available[None], noise)[0] if sight.draw == "size" else available & (noise[0] < 0.5)
        if bool((subset & telling).any()):
            return subset
        noise[:, -len(available) :] = torch.rand(1, len(available), generator=generator)  # the size stays
