"""A weighted mean of the present modalities: at every pixel those weigh more that the network takes for reliable there.

Shapes: B batch, M modalities, N encoded images, P rows that are fused, C channels of a stage, h w its size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from robustseg.models.fusion import Fused, pick, rows_to_fuse
from robustseg.models.segmenter import Segmenter, check_present
from robustseg.recipe import Absence


class Reliability(nn.Module):
    """A score for every pixel of every map: of modality m it is `weight[m]` . map + `bias[m]`, 0 at the start.

    Args:
        modalities: M.
        width: C.
    """

    def __init__(self, modalities: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(modalities, width))
        self.bias = nn.Parameter(torch.zeros(modalities))

    def reset_parameters(self) -> None:
        """All modalities are equally reliable."""
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, rows: Float[Tensor, "P C h w"], modality: Int64[Tensor, " P"]) -> Float[Tensor, "P h w"]:
        """The scores, in the rows' type."""
        weight, bias = (own.to(rows.dtype)[modality] for own in (self.weight, self.bias))  # P C, P
        return torch.einsum("pchw,pc->phw", rows, weight) + bias[:, None, None]


class WeightedSegmenter(Segmenter):
    """One encoder for every modality, the weighted mean of those present, one decoder.

    Args:
        encoder: See `Segmenter`.
        decoder: See `Segmenter`.
        reliability: One per stage.
        absence: See `Segmenter`; images of zeros that stand for absent modalities are weighted as any other.
        num_modalities: M.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        reliability: Sequence[Reliability],
        *,
        absence: Absence = "remove",
        num_modalities: int,
    ) -> None:
        super().__init__(encoder, decoder, absence=absence, num_modalities=num_modalities)
        self.reliability = nn.ModuleList(reliability)

    def fuse(
        self,
        maps: list[Float[Tensor, "N _C _h _w"]],
        sample: Int64[Tensor, " N"],
        modality: Int64[Tensor, " N"],
        present: Bool[Tensor, "B M"],
    ) -> Fused:
        """The weighted mean of each sample's present modalities, stage by stage; see `Segmenter.fuse`."""
        check_present(present, len(present), self.num_modalities)
        row, to = rows_to_fuse(sample, modality, present, self.absence)
        slot = to * self.num_modalities + modality[row]
        fused = []
        for stage, (rows, reliability) in enumerate(zip(maps, self.reliability, strict=True)):
            chosen = pick(rows, row)
            share = shares(reliability(chosen, modality[row]), slot, present)
            fused.append(self.pool(chosen, share, to, len(present), stage))
        return Fused(fused, present)

    def pool(
        self,
        rows: Float[Tensor, "P C h w"],
        share: Float[Tensor, "P h w"],
        to: Int64[Tensor, " P"],
        batch: int,
        stage: int,
    ) -> Float[Tensor, "B C h w"]:
        """One map of each sample's rows, whose shares are known; see `weighted_sum`.

        Args:
            rows: Encodings of one stage.
            share: Of each of them.
            to: The sample that each of them goes to.
            batch: How many samples there are.
            stage: Which of the encoder's stages they are of.
        """
        return weighted_sum(rows, share, to, batch)


def shares(
    scores: Float[Tensor, "P h w"], slot: Int64[Tensor, " P"], present: Bool[Tensor, "B M"]
) -> Float[Tensor, "P h w"]:
    """The softmax of each pixel's scores over the rows of one sample.

    Args:
        scores: Of the rows that are fused.
        slot: Sample * M + modality of each row, no two alike; every sample gets at least one.
        present: For B and M alone.
    """
    every = scores.new_full((present.numel(), *scores.shape[1:]), -torch.inf).index_copy(
        0, slot.to(scores.device), scores
    )
    return every.unflatten(0, present.shape).softmax(dim=1).flatten(0, 1)[slot]


def weighted_sum(
    rows: Float[Tensor, "P C h w"], share: Float[Tensor, "P h w"], to: Int64[Tensor, " P"], batch: int
) -> Float[Tensor, "B C h w"]:
    """The sum of the rows that go to each sample, at every pixel times their shares there.

    Args:
        rows: Encodings of one stage.
        share: Of each of them.
        to: The sample that each of them goes to.
        batch: How many samples there are.
    """
    weighted = rows.permute(0, 2, 3, 1) * share.to(rows.dtype)[..., None]  # P h w C
    return (
        weighted.new_zeros(batch, *weighted.shape[1:])
        .index_add(0, to.to(weighted.device), weighted)
        .permute(0, 3, 1, 2)
    )
