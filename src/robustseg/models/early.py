"""Early fusion: the channels of all modalities are one image, zeros where a modality is absent, to one encoder.

A convolution over concatenated channels is the sum of one convolution per modality, and zeros add nothing to it. So
each modality is convolved on its own, once, and a subset is the sum of its modalities' maps: same function.

Shapes: B batch, M modalities, N images, C channels of the first stage, h w its size, H W image size.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from robustseg.models.fusion import Fused, even_sum, in_order, masked_sum, rows_to_fuse
from robustseg.models.mit import MiT, Stage
from robustseg.models.private import convolved
from robustseg.models.segmenter import Segmenter, check_present
from robustseg.recipe import SMALLEST

KERNEL, STRIDE = 7, 4
"""Of MiT's first convolution."""


class FirstConvolution(nn.Module):
    """The encoder's first convolution, of 3M channels, applied to one modality's channels at a time, without bias.

    Args:
        modalities: M.
        width: C.
    """

    def __init__(self, modalities: int, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3 * modalities, width, KERNEL, stride=STRIDE, padding=KERNEL // 2, bias=False)

    def forward(
        self, images: Float[Tensor, "N 3 H W"], modality: Int64[Tensor, " N"]
    ) -> list[Float[Tensor, "N C h w"]]:
        """One map of each normalised image, at stride 4.

        Raises:
            ValueError: The images are too small.
        """
        height, width = images.shape[-2:]
        if min(height, width) < SMALLEST:
            raise ValueError(f"images of {height}x{width} are too small: at least {SMALLEST}x{SMALLEST} is needed")
        own = self.convolution.weight.unflatten(1, (-1, 3)).transpose(0, 1)[modality]  # N C 3 7 7
        return [convolved(images, own, None, STRIDE)]


class Bias(nn.Module):
    """Adds a number per channel: what is left of a convolution that has been applied.

    Args:
        width: C.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def reset_parameters(self) -> None:
        """Back to zeros."""
        nn.init.zeros_(self.bias)

    def forward(self, x: Float[Tensor, "B h w C"], modality: Int64[Tensor, " B"]) -> Float[Tensor, "B h w C"]:
        """The map and its bias, which is the same for all modalities."""
        return x + self.bias


class Trunk(nn.Module):
    """All of an encoder that follows its first convolution.

    Args:
        encoder: Taken apart: its first convolution is thrown away, the rest is used.
    """

    def __init__(self, encoder: MiT) -> None:
        super().__init__()
        cast(Stage, encoder.stages[0]).register_module("embed", Bias(encoder.widths[0]))
        self.stages = encoder.stages

    def forward(self, x: Float[Tensor, "B C h w"]) -> list[Float[Tensor, "B _C _h _w"]]:
        """The four maps of each sample, from the sum of its modalities' first maps."""
        maps, x = [], x.permute(0, 2, 3, 1).contiguous()  # B h w C
        all_in_one = torch.zeros(x.shape[0], dtype=torch.int64, device=x.device)
        for stage in self.stages:
            x = stage(x, all_in_one)
            maps.append(x.permute(0, 3, 1, 2))
        return maps


class EarlyFusion(Segmenter):
    """Concatenated channels, an encoder for all of them, a decoder.

    What is encoded of a single modality is its part of the first convolution, one stage. All else is computed for each
    subset anew.

    Args:
        encoder: `(images "N 3 H W", modality "N") -> [map]`.
        trunk: From the sum of these maps to the decoder's maps.
        decoder: `(Fused, size) -> logits`.
        num_modalities: M.
    """

    def __init__(self, encoder: FirstConvolution, trunk: Trunk, *, decoder: nn.Module, num_modalities: int) -> None:
        super().__init__(encoder, decoder, num_modalities=num_modalities)
        self.trunk = trunk

    def fuse(
        self,
        maps: list[Float[Tensor, "N _C _h _w"]],
        sample: Int64[Tensor, " N"],
        modality: Int64[Tensor, " N"],
        present: Bool[Tensor, "B M"],
    ) -> Fused:
        """The encoder's maps of each sample's present modalities; absent ones are zeros and never read.

        Raises:
            ValueError: A sample has no modality, or one that is present was not encoded.
        """
        check_present(present, len(present), self.num_modalities)
        row, to = rows_to_fuse(sample, modality, present)
        (first,) = maps
        B = len(present)
        total = even_sum(first, B) if in_order(row, to, len(first), B) else masked_sum(first, row, to, B)
        return Fused(self.trunk(total), present)

    @torch.no_grad()
    def start_from(self, encoder: MiT) -> None:
        """Copies an encoder of single images; its first convolution becomes that of every modality.

        So a modality on its own is encoded as that encoder does.
        """
        state = encoder.state_dict()
        weight = state.pop("stages.0.embed.weight")  # C 3 7 7
        cast(FirstConvolution, self.encoder).convolution.weight.copy_(weight.repeat(1, self.num_modalities, 1, 1))
        self.trunk.load_state_dict(state)
