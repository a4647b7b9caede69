"""Parts of the network in operations that every runtime has: no row picked by data, no groups that follow the batch.

Each stands in for a part of the eager network and computes the same function.

Shapes: B batch, M modalities, N rows, C channels of a stage, h w its size, E the decoder's width, K classes.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from robustseg.models.decoder import Decoder
from robustseg.models.early import KERNEL, STRIDE, FirstConvolution
from robustseg.models.mit import MiT, Stage
from robustseg.models.pair import FrozenPair
from robustseg.models.private import PrivatePatch
from robustseg.models.segmenter import Segmenter
from robustseg.models.tiled_head import FoldedHead


class PatchOfEach(nn.Module):
    """A convolution of each modality's own on rows in the order B M: one of M groups.

    Args:
        weight: Of each modality.
        bias: Of each modality; None = no bias.
        stride: How much smaller the map becomes.
    """

    def __init__(
        self, weight: Float[Tensor, "M C C_in kernel kernel"], bias: Float[Tensor, "M C"] | None, stride: int
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().flatten(0, 1).contiguous())
        self.register_buffer("bias", None if bias is None else bias.detach().flatten())
        self.modalities, self.stride, self.padding = len(weight), stride, weight.shape[-1] // 2

    def forward(self, x: Float[Tensor, "N C_in H W"], modality: Int64[Tensor, " N"]) -> Float[Tensor, "N C h w"]:
        """The smaller maps."""
        side_by_side = x.unflatten(0, (-1, self.modalities)).flatten(1, 2)  # B M*C_in H W
        weight, bias = self.get_buffer("weight"), self._buffers["bias"]
        maps = F.conv2d(side_by_side, weight, bias, self.stride, self.padding, groups=self.modalities)
        return maps.unflatten(1, (self.modalities, -1)).flatten(0, 1)


class PatchOfOne(nn.Module):
    """A convolution of each modality's own on rows that are all of one modality.

    Args:
        weight: Of each modality.
        bias: Of each modality; None = no bias.
        stride: How much smaller the map becomes.
    """

    def __init__(
        self, weight: Float[Tensor, "M C C_in kernel kernel"], bias: Float[Tensor, "M C"] | None, stride: int
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().clone())
        self.register_buffer("bias", None if bias is None else bias.detach().clone())
        self.stride, self.padding = stride, weight.shape[-1] // 2

    def forward(self, x: Float[Tensor, "N C_in H W"], modality: Int64[Tensor, " N"]) -> Float[Tensor, "N C h w"]:
        """The smaller maps."""
        weight, bias = self.get_buffer("weight"), self._buffers["bias"]
        offset = None if bias is None else bias.index_select(0, modality[:1])[0]
        return F.conv2d(x, weight.index_select(0, modality[:1])[0], offset, self.stride, self.padding)


class ChannelsLast(nn.Module):
    """A patch embedding as `Stage` calls it, with the channels last.

    Args:
        patch: Takes and gives maps with the channels first.
    """

    def __init__(self, patch: nn.Module) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, x: Float[Tensor, "N H W C_in"], modality: Int64[Tensor, " N"]) -> Float[Tensor, "N h w C"]:
        """The smaller maps."""
        return self.patch(x.permute(0, 3, 1, 2), modality).permute(0, 2, 3, 1)


class OneMap(nn.Module):
    """The encoder of early fusion, which has one map only.

    Args:
        patch: Its convolution.
    """

    def __init__(self, patch: nn.Module) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, images: Float[Tensor, "N 3 H W"], modality: Int64[Tensor, " N"]) -> list[Tensor]:
        """The first convolution's map."""
        return [self.patch(images, modality)]


class PlainHead(nn.Module):
    """The decoder with all weights multiplied as far as they can be: four 1x1 convolutions, ReLU, the classifier.

    Args:
        head: The decoder's weights.
    """

    def __init__(self, head: FoldedHead) -> None:
        super().__init__()
        for stage, matrix in enumerate(head.matrices):
            self.register_buffer(f"matrix{stage}", matrix.T[..., None, None].clone())  # E C 1 1
        self.register_buffer("bias", head.bias.clone())
        self.register_buffer("classifier", head.classifier.detach()[..., None, None].clone())
        self.register_buffer("classifier_bias", head.classifier_bias.detach().clone())

    def forward(self, maps: list[Float[Tensor, "B _C _h _w"]]) -> Float[Tensor, "B K h w"]:
        """Logits at the first map's size, in the maps' type."""
        target = maps[0].shape[-2:]
        total = F.conv2d(maps[0], self.get_buffer("matrix0"), self.get_buffer("bias"))
        for stage, features in enumerate(maps[1:], start=1):
            mixed = F.conv2d(features, self.get_buffer(f"matrix{stage}"))  # B E h_s w_s
            total = total + F.interpolate(mixed, size=target, mode="bilinear", align_corners=False)
        return F.conv2d(F.relu(total), self.get_buffer("classifier"), self.get_buffer("classifier_bias"))


def plain_head(model: Segmenter, dtype: torch.dtype) -> PlainHead:
    """The model's decoder.

    Raises:
        ValueError: It is another decoder than the package's own.
    """
    if type(model.decoder) is not Decoder:
        raise ValueError(f"a {type(model.decoder).__name__} cannot be exported: only the standard decoder can")
    return PlainHead(model.decoder.folded(dtype))


def plain_encoder(model: Segmenter, patch: type[PatchOfEach] | type[PatchOfOne]) -> nn.Module:
    """A copy of the model's encoder, with patch embeddings of modalities' own in another form.

    Args:
        model: It stays as it is.
        patch: What they become.

    Raises:
        ValueError: It is another encoder than the package's own.
    """
    encoder = copy.deepcopy(model.encoder).eval().requires_grad_(False)
    match encoder:
        case FirstConvolution():
            weight = encoder.convolution.weight.unflatten(1, (-1, 3)).transpose(0, 1)  # M C 3 7 7
            assert weight.shape[-1] == KERNEL
            return OneMap(patch(weight, None, STRIDE))
        case FrozenPair():
            _replace(encoder.first, patch)
            _replace(encoder.second, patch)
        case MiT():
            _replace(encoder, patch)
        case _:
            raise ValueError(f"a {type(encoder).__name__} cannot be exported: only the package's own encoders can")
    return encoder


def _replace(encoder: MiT, patch: type[PatchOfEach] | type[PatchOfOne]) -> None:
    first = cast(Stage, encoder.stages[0])
    if isinstance(first.embed, PrivatePatch):
        own = first.embed
        first.register_module("embed", ChannelsLast(patch(own.weight, own.bias, own.stride)))
