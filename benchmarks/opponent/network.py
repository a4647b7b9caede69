"""MiT and the SegFormer head as the released code computes them; parameters are named as ours are.

Shapes: B batch, M modalities, N images of one sample, L tokens of a map, C channels, K classes, H W size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from robustseg.models.mit import SHAPES, MiTShape, drop_path

Places = Sequence[Sequence[int]]
"""For each sample of a batch the modalities that are present."""


class Attention(nn.Module):
    """Self-attention over tokens, its matrix of weights made as a whole."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.reduction = reduction
        if reduction > 1:
            self.reduce = nn.Conv2d(width, width, reduction, stride=reduction)
            self.reduce_norm = nn.LayerNorm(width)

    def forward(self, tokens: Float[Tensor, "B L C"], height: int, width: int) -> Float[Tensor, "B L C"]:
        b, length, c = tokens.shape
        query = self.query(tokens).reshape(b, length, self.heads, c // self.heads).permute(0, 2, 1, 3)
        context = tokens
        if self.reduction > 1:
            shorter = self.reduce(to_map(tokens, height, width))
            context = self.reduce_norm(to_tokens(shorter))
        pairs = self.key_value(context).reshape(b, -1, 2, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        key, value = pairs[0], pairs[1]  # B heads S c
        weights = (query @ key.transpose(-2, -1)) * (c // self.heads) ** -0.5  # B heads L S
        mixed = weights.softmax(dim=-1) @ value
        return self.out(mixed.transpose(1, 2).reshape(b, length, c))


class MixedMLP(nn.Module):
    """Linear, depthwise convolution on the map, GELU, linear."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.shrink = nn.Linear(hidden, width)

    def forward(self, tokens: Float[Tensor, "B L C"], height: int, width: int) -> Float[Tensor, "B L C"]:
        hidden = self.depthwise(to_map(self.expand(tokens), height, width))
        return self.shrink(F.gelu(to_tokens(hidden)))


class Block(nn.Module):
    """Attention, then MLP."""

    def __init__(self, width: int, heads: int, reduction: int, *, expansion: int, drop_rate: float) -> None:
        super().__init__()
        self.drop_rate = drop_rate
        self.attention_norm = nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, heads, reduction)
        self.mlp_norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MixedMLP(width, expansion * width)

    def forward(self, tokens: Float[Tensor, "B L C"], height: int, width: int) -> Float[Tensor, "B L C"]:
        tokens = tokens + self._maybe_drop(self.attention(self.attention_norm(tokens), height, width))
        return tokens + self._maybe_drop(self.mlp(self.mlp_norm(tokens), height, width))

    def _maybe_drop(self, branch: Float[Tensor, "B L C"]) -> Float[Tensor, "B L C"]:
        dropping = self.training and self.drop_rate > 0
        return drop_path(branch[:, None], self.drop_rate)[:, 0] if dropping else branch


class Stage(nn.Module):
    """Patch embedding, blocks on tokens, LayerNorm, and back to a map."""

    def __init__(self, embed: nn.Conv2d, blocks: list[Block]) -> None:
        super().__init__()
        self.embed = embed
        self.embed_norm = nn.LayerNorm(embed.out_channels)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(embed.out_channels, eps=1e-6)

    def forward(self, images: Float[Tensor, "N C_in H W"]) -> Float[Tensor, "N C h w"]:
        embedded = self.embed(images)
        height, width = embedded.shape[-2:]
        tokens = self.embed_norm(to_tokens(embedded))
        for block in self.blocks:
            tokens = block(tokens, height, width)
        return to_map(self.norm(tokens), height, width).contiguous()


class MiT(nn.Module):
    """The four maps of each image."""

    def __init__(self, shape: MiTShape, drop_path: float) -> None:
        super().__init__()
        rates = iter([drop_path * i / max(sum(shape.depths) - 1, 1) for i in range(sum(shape.depths))])
        stages, channels = [], 3
        for width, depth, heads, reduction in zip(
            shape.widths, shape.depths, shape.heads, shape.reductions, strict=True
        ):
            kernel, stride = (7, 4) if not stages else (3, 2)
            embed = nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2)
            blocks = [
                Block(width, heads, reduction, expansion=shape.expansion, drop_rate=next(rates)) for _ in range(depth)
            ]
            stages.append(Stage(embed, blocks))
            channels = width
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> list[Float[Tensor, "N _C _h _w"]]:
        maps = []
        for stage in self.stages:
            images = stage(images)
            maps.append(images)
        return maps


class Head(nn.Module):
    """Every stage to E channels and to stride 4, joined, mixed by one convolution, classified, upsampled."""

    def __init__(self, widths: Sequence[int], num_classes: int, *, width: int, dropout: float) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(channels, width) for channels in widths)
        self.fuse = nn.Conv2d(len(widths) * width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(width, num_classes, 1)

    def forward(self, maps: Sequence[Float[Tensor, "B _C _h _w"]], size: tuple[int, int]) -> Float[Tensor, "B K H W"]:
        target = maps[0].shape[-2:]
        wide = []
        for features, linear in zip(maps, self.linears, strict=True):
            height, width = features.shape[-2:]
            projected = to_map(linear(to_tokens(features)), height, width)
            wide.append(F.interpolate(projected, size=target, mode="bilinear", align_corners=False))
        joined = F.relu(self.norm(self.fuse(torch.cat(wide[::-1], dim=1))))
        logits = self.classifier(self.dropout(joined))
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Prediction:
    """Logits at the images' size, and for each sample the four maps of its modalities, in the order of `Places`."""

    logits: Float[Tensor, "B K H W"]
    maps: list[list[Float[Tensor, "N _C _h _w"]]]


class Network(nn.Module):
    """Sample by sample: the modalities that are present through the encoder, their mean; then the head.

    Args:
        backbone: A name in `robustseg.models.mit.SHAPES`.
        num_classes: How many classes there are.
        width: The head's embedding width E.
        dropout: Of the head's channels, in training.
        drop_path: The last block's stochastic depth rate, in training.
    """

    def __init__(
        self, backbone: str, num_classes: int, *, width: int = 768, dropout: float = 0.1, drop_path: float = 0.1
    ) -> None:
        super().__init__()
        shape = SHAPES[backbone]
        self.encoder = MiT(shape, drop_path)
        self.decoder = Head(shape.widths, num_classes, width=width, dropout=dropout)

    def forward(self, images: Float[Tensor, "B M 3 H W"], places: Places) -> Prediction:
        """Of a batch whose samples have different modalities."""
        maps = [self.encoder(sample[list(live)]) for sample, live in zip(images, places, strict=True)]
        fused = [torch.stack([stage.mean(dim=0) for stage in stages]) for stages in zip(*maps, strict=True)]
        return Prediction(self.decoder(fused, (images.shape[-2], images.shape[-1])), maps)


def to_tokens(features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B L C"]:
    """A map's pixels, row by row."""
    return features.flatten(2).transpose(1, 2)


def to_map(tokens: Float[Tensor, "B L C"], height: int, width: int) -> Float[Tensor, "B C h w"]:
    """The reverse, a view."""
    return tokens.transpose(1, 2).reshape(len(tokens), -1, height, width)
