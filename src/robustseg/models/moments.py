"""The weighted mean of the present modalities, and how far they lie from it: what only a comparison shows, such as what
changed between two images, is lost in the mean alone.

Mean and variance over modalities are HeMIS's (Havaei et al. 2016, arXiv 1607.05194), which stacks them; here the
deviation is added, so that the decoder stays as it is.

Shapes: B batch, M modalities, P rows that are fused, C channels of a stage, h w its size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from robustseg.models.weighted import Reliability, WeightedSegmenter, weighted_sum
from robustseg.recipe import Absence

SMALL = 1e-4
"""Added to the variance under the root, whose slope at 0 has no end."""


class Contrast(nn.Module):
    """Adds the deviation to the mean, times a gain for every channel, 0 at the start.

    Args:
        width: C.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))

    def reset_parameters(self) -> None:
        """The mean alone."""
        nn.init.zeros_(self.weight)

    def forward(self, mean: Float[Tensor, "B C h w"], variance: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """`mean` + `weight` (sqrt(`variance` + e) - sqrt(e)), e = `SMALL`: the mean where a modality is alone."""
        deviation = (variance + SMALL).sqrt() - SMALL**0.5
        return torch.addcmul(mean, self.weight.to(mean.dtype)[:, None, None], deviation)


class MomentsSegmenter(WeightedSegmenter):
    """One encoder for every modality, the weighted mean of those present and their deviation from it, one decoder.

    Args:
        encoder: See `Segmenter`.
        decoder: See `Segmenter`.
        reliability: One per stage.
        contrast: One per stage.
        absence: See `WeightedSegmenter`.
        num_modalities: M.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        reliability: Sequence[Reliability],
        contrast: Sequence[Contrast],
        *,
        absence: Absence = "remove",
        num_modalities: int,
    ) -> None:
        super().__init__(encoder, decoder, reliability, absence=absence, num_modalities=num_modalities)
        self.contrast = nn.ModuleList(contrast)

    def pool(
        self,
        rows: Float[Tensor, "P C h w"],
        share: Float[Tensor, "P h w"],
        to: Int64[Tensor, " P"],
        batch: int,
        stage: int,
    ) -> Float[Tensor, "B C h w"]:
        """The weighted mean, and the root of the weighted mean of squared distances to it, as `Contrast` has them."""
        mean = super().pool(rows, share, to, batch, stage)
        apart = rows - mean[to.to(mean.device)]
        return self.contrast[stage](mean, weighted_sum(apart.square(), share, to, batch))
