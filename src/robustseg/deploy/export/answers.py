"""From the maps of all modalities, in slots with a mask, to logits: each fusion in its dense form.

The eager network picks the rows that are present; here every modality has its slot, and absent slots are masked by
`where`, so that nothing they hold, NaN included, reaches a number.

Shapes: B batch, M modalities, C channels of a stage, h w its size, K classes.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from robustseg.deploy.export.plain import PlainHead, plain_head
from robustseg.models.early import EarlyFusion
from robustseg.models.late import LateFusion
from robustseg.models.moments import Contrast, MomentsSegmenter
from robustseg.models.pair import PairFusion
from robustseg.models.segmenter import Segmenter
from robustseg.models.weighted import Reliability, WeightedSegmenter

Slots = list[Float[Tensor, "B M _C _h _w"]]
Maps = list[Float[Tensor, "B _C _h _w"]]


class MeanOfPresent(nn.Module):
    """The mean of the present modalities, stage by stage."""

    def forward(self, maps: Slots, present: Bool[Tensor, "B M"]) -> Maps:
        """The fused maps."""
        number = present.sum(dim=1)[:, None, None, None]
        return [masked(stage, present).sum(dim=1) / number.to(stage.dtype) for stage in maps]


class MeanOfAll(nn.Module):
    """The mean of all modalities, absence "zero": absent slots hold the encoding of an image of zeros."""

    def forward(self, maps: Slots, present: Bool[Tensor, "B M"]) -> Maps:
        """The fused maps."""
        return [stage.mean(dim=1) for stage in maps]


class WeightedMean(nn.Module):
    """The mean of the modalities weighted by their reliability at every pixel, and with contrasts their deviation.

    Args:
        reliability: One per stage.
        everything: Whether absent modalities take part, absence "zero".
        contrast: One per stage; None = the mean alone.
    """

    def __init__(self, reliability: nn.ModuleList, everything: bool, contrast: nn.ModuleList | None = None) -> None:
        super().__init__()
        self.reliability = reliability
        self.everything = everything
        self.contrast = contrast

    def forward(self, maps: Slots, present: Bool[Tensor, "B M"]) -> Maps:
        """The fused maps."""
        shown = torch.ones_like(present) if self.everything else present
        fused = []
        for place, (stage, reliability) in enumerate(zip(maps, self.reliability, strict=True)):
            stage, own = masked(stage, shown), cast(Reliability, reliability)
            weight, bias = own.weight.to(stage.dtype), own.bias.to(stage.dtype)
            scores = (stage * weight[:, :, None, None]).sum(dim=2) + bias[:, None, None]  # B M h w
            shares = scores.masked_fill(~shown[:, :, None, None], -torch.inf).softmax(dim=1)
            mean = (stage * shares[:, :, None]).sum(dim=1)
            if self.contrast is not None:
                variance = ((stage - mean[:, None]).square() * shares[:, :, None]).sum(dim=1)
                mean = cast(Contrast, self.contrast[place])(mean, variance)
            fused.append(mean)
        return fused


class SumThenTrunk(nn.Module):
    """Early fusion: the sum of the present modalities' first maps, then the rest of the encoder.

    Args:
        trunk: From the sum to the decoder's maps.
    """

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, maps: Slots, present: Bool[Tensor, "B M"]) -> Maps:
        """The encoder's maps."""
        (first,) = maps
        return self.trunk(masked(first, present).sum(dim=1))


class MeanThenWeighting(nn.Module):
    """Two models made one: of each the mean of the present modalities, then the weighted sum of both.

    Args:
        weightings: One per stage.
    """

    def __init__(self, weightings: nn.ModuleList) -> None:
        super().__init__()
        self.mean = MeanOfPresent()
        self.weightings = weightings

    def forward(self, maps: Slots, present: Bool[Tensor, "B M"]) -> Maps:
        """The fused maps."""
        return [both(stage) for both, stage in zip(self.weightings, self.mean(maps, present), strict=True)]


class FusedAnswer(nn.Module):
    """Fuses, then decodes.

    Args:
        fuse: `(maps, present) -> maps`.
        head: The decoder.
    """

    def __init__(self, fuse: nn.Module, head: PlainHead) -> None:
        super().__init__()
        self.fuse = fuse
        self.head = head

    def forward(self, maps: Slots, present: Bool[Tensor, "B M"]) -> Float[Tensor, "B K h w"]:
        """Logits at the first map's size."""
        return self.head(self.fuse(maps, present))


class LateAnswer(nn.Module):
    """Late fusion: decodes every slot, then takes the log of the present ones' mean probabilities.

    Args:
        head: The decoder.
    """

    def __init__(self, head: PlainHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, maps: Slots, present: Bool[Tensor, "B M"]) -> Float[Tensor, "B K h w"]:
        """Log-probabilities at the first map's size."""
        rows = [masked(stage, present).flatten(0, 1) for stage in maps]
        each = self.head(rows).float().log_softmax(dim=1).unflatten(0, (-1, present.shape[1]))  # B M K h w
        shown = each.masked_fill(~present[:, :, None, None, None], -torch.inf)
        number = present.sum(dim=1).to(each.dtype)
        highest = shown.amax(dim=1, keepdim=True)  # finite, as one modality at least is present
        total = (shown - highest).exp().sum(dim=1)
        return total.log() + highest[:, 0] - number.log()[:, None, None, None]


def masked(slots: Float[Tensor, "B M C h w"], present: Bool[Tensor, "B M"]) -> Float[Tensor, "B M C h w"]:
    """0 wherever a modality is absent, whatever is there."""
    return torch.where(present[:, :, None, None, None], slots, torch.zeros((), dtype=slots.dtype))


def answer_of(model: Segmenter, dtype: torch.dtype) -> FusedAnswer | LateAnswer:
    """A network's own way from slots to logits; the model stays as it is, parts that are not copied are shared.

    Raises:
        ValueError: The package has no dense form of it.
    """
    head, everything = plain_head(model, dtype), model.absence == "zero"
    match model:
        case LateFusion():
            return LateAnswer(head)
        case EarlyFusion():
            return FusedAnswer(SumThenTrunk(model.trunk), head)
        case PairFusion():
            return FusedAnswer(MeanThenWeighting(model.weightings), head)
        case MomentsSegmenter():
            return FusedAnswer(WeightedMean(model.reliability, everything, model.contrast), head)
        case WeightedSegmenter():
            return FusedAnswer(WeightedMean(model.reliability, everything), head)
        case _ if type(model) is Segmenter:
            return FusedAnswer(MeanOfAll() if everything else MeanOfPresent(), head)
        case _:
            raise ValueError(f"a {type(model).__name__} cannot be exported: its fusion has no dense form here")
