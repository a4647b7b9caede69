"""What a training step gives back."""

from __future__ import annotations

from torch import Tensor


class Losses:
    """Named, unweighted losses of a batch.

    Neither a dict nor a dataclass on purpose: Fabric puts hooks on every tensor that it finds in a module's output,
    and in mixed precision they forbid the extra backward passes that measure each loss's share of the gradient.
    """

    def __init__(self, terms: dict[str, Tensor]) -> None:
        self.terms = terms
