"""Every network of MiT and its MLP head, first without memory, then with random starting weights."""

from __future__ import annotations

import math
from functools import partial
from typing import cast

import torch
from torch import Generator, nn

from robustseg.models.decoder import Decoder
from robustseg.models.early import Bias, EarlyFusion, FirstConvolution, Trunk
from robustseg.models.late import LateFusion
from robustseg.models.mit import SHAPES, MiT, Patch, Stage
from robustseg.models.moments import Contrast, MomentsSegmenter
from robustseg.models.pair import FrozenPair, PairFusion, Weighting
from robustseg.models.private import Identity, NamedPatch, PrivateNorm, PrivatePatch, SharedNorm, SharedPatch
from robustseg.models.segmenter import Segmenter
from robustseg.models.weighted import Reliability, WeightedSegmenter
from robustseg.recipe import Absence, Fusion, Private


def segmenter_on_meta(
    backbone: str,
    *,
    width: int,
    num_classes: int,
    num_modalities: int,
    absence: Absence = "remove",
    fusion: Fusion = "mean",
    private: tuple[Private, ...] = (),
    dropout: float = 0.1,
    drop_path: float = 0.1,
    gradient_checkpointing: bool = False,
) -> Segmenter:
    """The network's structure on the meta device: names and shapes, but neither memory nor values.

    The arguments are those of `robustseg.recipe.Model`, which checks what goes with what.

    Raises:
        ValueError: There is no such backbone.
    """
    if backbone not in SHAPES:
        raise ValueError(f"there is no backbone {backbone!r}; choose one of {', '.join(SHAPES)}")
    with torch.device("meta"):
        encoder = MiT(
            SHAPES[backbone],
            drop_path=drop_path,
            recompute=gradient_checkpointing,
            patch=_patch(num_modalities, private),
            norm=partial(PrivateNorm, num_modalities) if "norm" in private else SharedNorm,
        )
        decoder = Decoder(encoder.widths, num_classes, width=width, dropout=dropout)
        match fusion:
            case "mean":
                return Segmenter(encoder, decoder, absence=absence, num_modalities=num_modalities)
            case "weighted":
                reliability = [Reliability(num_modalities, width) for width in encoder.widths]
                return WeightedSegmenter(encoder, decoder, reliability, absence=absence, num_modalities=num_modalities)
            case "moments":
                reliability = [Reliability(num_modalities, width) for width in encoder.widths]
                contrast = [Contrast(width) for width in encoder.widths]
                return MomentsSegmenter(
                    encoder, decoder, reliability, contrast, absence=absence, num_modalities=num_modalities
                )
            case "early":
                first = FirstConvolution(num_modalities, encoder.widths[0])
                return EarlyFusion(first, Trunk(encoder), decoder=decoder, num_modalities=num_modalities)
            case "late":
                return LateFusion(encoder, decoder, num_modalities=num_modalities)
            case "pair":
                both = FrozenPair(encoder, MiT(SHAPES[backbone]))
                weightings = [Weighting(channels) for channels in encoder.widths]
                return PairFusion(both, weightings, decoder=decoder, num_modalities=num_modalities)


def _patch(modalities: int, private: tuple[Private, ...]) -> Patch:
    """What makes the first patch embedding."""
    if "patch" in private:
        return partial(PrivatePatch, modalities)
    return partial(NamedPatch, modalities) if "identity" in private else SharedPatch


def random_segmenter(empty: Segmenter, *, seed: int) -> Segmenter:
    """Gives a structure its memory and starting weights, which depend on `seed` alone."""
    model = empty.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    initialise(model, generator)
    if model.absence == "zero":
        _see_zeros(cast(MiT, model.encoder), generator)
    return model


@torch.no_grad()
def _see_zeros(encoder: MiT, generator: Generator) -> None:
    """Draws the first biases: without any, an image of zeros stays zero in every layer, and the gradient of LayerNorm
    at zero, which is one over the root of its epsilon, is multiplied over the layers until it is no number.
    """
    bias = cast(Stage, encoder.stages[0]).embed.get_parameter("bias")
    bias.copy_(bias.new_empty(bias.shape[-1]).normal_(0, 0.1, generator=generator))


@torch.no_grad()
def initialise(model: nn.Module, generator: Generator) -> None:
    """Draws all weights anew: linear layers from a narrow truncated normal, convolutions by their fan-out.

    What modalities have of their own is alike at the start: the network computes what one that shares it would.
    """
    for module in model.modules():
        match module:
            case nn.Linear():
                nn.init.trunc_normal_(module.weight, std=0.02, generator=generator)
            case nn.Conv2d():
                fan_out = module.weight[0, 0].numel() * module.out_channels // module.groups
                module.weight.normal_(0, math.sqrt(2 / fan_out), generator=generator)
            case PrivatePatch():
                one = torch.empty_like(module.weight[0])
                fan_out = one[:, 0].numel()
                module.weight.copy_(one.normal_(0, math.sqrt(2 / fan_out), generator=generator))
            case nn.LayerNorm() | nn.BatchNorm2d() | PrivateNorm() | Reliability() | Contrast() | Bias() | Identity():
                module.reset_parameters()
            case _:
                continue
        if isinstance(module, nn.Linear | nn.Conv2d | PrivatePatch) and module.bias is not None:
            module.bias.zero_()
    for module in model.modules():
        match module:
            case Decoder():  # all classes start about equally likely
                module.classifier.weight.normal_(0, 0.01, generator=generator)
            case Weighting():  # and all branches
                module.score.weight.normal_(0, 0.01, generator=generator)
            case _:
                continue
