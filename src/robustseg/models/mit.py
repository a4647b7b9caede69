"""MiT, the hierarchical transformer encoder of SegFormer (arXiv 2105.15203, section 3.1).

Between the convolutions a map is kept as "N h w C". To a convolution that is the memory format `channels_last`, to a
linear layer or LayerNorm it is rows of C, so that nothing is ever copied from one layout to the other.

Shapes: N images, C channels of a stage, h w its size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from robustseg.models.inference import in_pieces, learns_in_pieces
from robustseg.models.private import PrivateNorm, PrivatePatch, SharedNorm, SharedPatch
from robustseg.models.trained_mlp import trained_mlp
from robustseg.recipe import SMALLEST

Four = tuple[int, int, int, int]
Norm = Callable[[int, float], SharedNorm | PrivateNorm]
"""`(width, eps) -> norm`."""
Patch = Callable[[int, int, int, int], SharedPatch | PrivatePatch]
"""`(channels, width, kernel, stride) -> patch embedding`."""

CACHED = 2**20
"""Values of a hidden map at a time on CPUs: more would leave the cache, and fresh memory of that size costs as much as
the arithmetic."""


@dataclass(frozen=True)
class MiTShape:
    """How large each of the four stages is.

    Attributes:
        widths: Channels.
        depths: Transformer blocks.
        heads: Attention heads; each divides its stage's width.
        reductions: Keys and values are shortened by this factor along height and width.
        expansion: Hidden channels of a block's MLP, in widths.
    """

    widths: Four
    depths: Four
    heads: Four = (1, 2, 5, 8)
    reductions: Four = (8, 4, 2, 1)
    expansion: int = 4


SHAPES: dict[str, MiTShape] = {
    "mit_nano": MiTShape((24, 48, 96, 160), (1, 2, 2, 2), heads=(1, 2, 3, 5), expansion=2),
    "mit_b0": MiTShape((32, 64, 160, 256), (2, 2, 2, 2)),
    "mit_b1": MiTShape((64, 128, 320, 512), (2, 2, 2, 2)),
    "mit_b2": MiTShape((64, 128, 320, 512), (3, 4, 6, 3)),
    "mit_b3": MiTShape((64, 128, 320, 512), (3, 4, 18, 3)),
    "mit_b4": MiTShape((64, 128, 320, 512), (3, 8, 27, 3)),
    "mit_b5": MiTShape((64, 128, 320, 512), (3, 6, 40, 3)),
}


def drop_path(branch: Float[Tensor, "N h w C"], rate: float) -> Float[Tensor, "N h w C"]:
    """Stochastic depth: zeroes the branch of each image with probability `rate`, and scales the others to make up.

    Draws from torch's global state, as dropout layers do.
    """
    kept = branch.new_empty(len(branch), 1, 1, 1).bernoulli_(1 - rate)
    return branch * (kept / (1 - rate))


class Attention(nn.Module):
    """Self-attention whose keys and values come from a map shortened by a strided convolution."""

    def __init__(self, width: int, heads: int, reduction: int, *, norm: Norm = SharedNorm) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.reduce = nn.Conv2d(width, width, reduction, stride=reduction) if reduction > 1 else None
        self.reduce_norm = norm(width, 1e-5) if reduction > 1 else None

    def forward(self, x: Float[Tensor, "N h w C"], modality: Int64[Tensor, " N"]) -> Float[Tensor, "N h w C"]:
        n, _, _, c = x.shape
        d = c // self.heads
        query = self.query(x).view(n, -1, self.heads, d).transpose(1, 2)  # N heads h*w d
        pairs = self.key_value(self._context(x, modality)).view(n, -1, 2, self.heads, d)
        key, value = pairs.permute(2, 0, 3, 1, 4).unbind()  # N heads short d
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).reshape(x.shape))

    def _context(
        self, x: Float[Tensor, "N h w C"], modality: Int64[Tensor, " N"]
    ) -> Float[Tensor, "N short_h short_w C"]:
        if self.reduce is None or self.reduce_norm is None:
            return x
        return self.reduce_norm(_convolve(self.reduce, x), modality)


class MixedMLP(nn.Module):
    """An MLP with a 3x3 depthwise convolution before its GELU, which tells the block where it is."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.shrink = nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "N h w C"]) -> Float[Tensor, "N h w C"]:
        size = math.prod(x.shape[1:]) * self.expand.out_features // self.expand.in_features  # of an image's hidden map
        if self.training and size >= CACHED and learns_in_pieces([x]):
            return trained_mlp(x, self.expand, self.depthwise, self.shrink)
        if not in_pieces([x]):
            return self._whole(x)
        if len(x) * size <= CACHED:
            return self._whole(x)
        result = torch.empty_like(x)
        if size > CACHED:
            for image, out in zip(x, result, strict=True):
                self._strips(image, out, -(-size // CACHED))
        else:
            together = CACHED // size
            for images, out in zip(x.split(together), result.split(together), strict=True):
                out.copy_(self._whole(images))
        return result

    def _whole(self, x: Float[Tensor, "N h w C"]) -> Float[Tensor, "N h w C"]:
        return self.shrink(F.gelu(_convolve(self.depthwise, self.expand(x))))

    def _strips(self, image: Float[Tensor, "h w C"], out: Float[Tensor, "h w C"], count: int) -> None:
        """Writes the same to `out`, in so many strips that what is hidden stays in the cache."""
        height = len(image)
        step = -(-height // count)
        for top in range(0, height, step):
            bottom = min(height, top + step)
            first, last = max(0, top - 1), min(height, bottom + 1)  # a row's neighbours take part in it
            hidden = _convolve(self.depthwise, self.expand(image[None, first:last]))
            out[top:bottom] = self.shrink(F.gelu(hidden[:, top - first : bottom - first]))[0]


class Block(nn.Module):
    """Attention, then MLP, each on the normalised map, each added to it."""

    def __init__(
        self, width: int, heads: int, reduction: int, *, expansion: int, drop_rate: float, norm: Norm = SharedNorm
    ) -> None:
        super().__init__()
        self.drop_rate = drop_rate
        self.attention_norm = norm(width, 1e-6)
        self.attention = Attention(width, heads, reduction, norm=norm)
        self.mlp_norm = norm(width, 1e-6)
        self.mlp = MixedMLP(width, expansion * width)

    def forward(self, x: Float[Tensor, "N h w C"], modality: Int64[Tensor, " N"]) -> Float[Tensor, "N h w C"]:
        x = self._added(x, self.attention(self.attention_norm(x, modality), modality))
        return self._added(x, self.mlp(self.mlp_norm(x, modality)))

    def _added(self, x: Float[Tensor, "N h w C"], branch: Float[Tensor, "N h w C"]) -> Float[Tensor, "N h w C"]:
        if self.training and self.drop_rate > 0:
            branch = drop_path(branch, self.drop_rate)
        return branch.add_(x) if in_pieces([x]) and branch.dtype == x.dtype else x + branch


class Stage(nn.Module):
    """Overlapping patch embedding, blocks, LayerNorm: a map comes in, a smaller one with more channels goes out.

    Args:
        embed: The patch embedding.
        embed_norm: Of the embedding's width, as all that follows.
        blocks: In their order.
        norm: Of what goes out.
        recompute: A block's inner values are not kept for the backward pass, but computed again there, with the random
            draws of the first time.
    """

    def __init__(
        self,
        embed: SharedPatch | PrivatePatch,
        embed_norm: SharedNorm | PrivateNorm,
        *,
        blocks: list[Block],
        norm: SharedNorm | PrivateNorm,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.recompute = recompute
        self.embed = embed
        self.embed_norm = embed_norm
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm

    def forward(self, x: Float[Tensor, "N H W C_in"], modality: Int64[Tensor, " N"]) -> Float[Tensor, "N h w C"]:
        x = self.embed_norm(self.embed(x, modality), modality)
        recompute = self.recompute and torch.is_grad_enabled()
        for block in self.blocks:
            x = checkpoint(block, x, modality, use_reentrant=False) if recompute else block(x, modality)
        return self.norm(x, modality)


class MiT(nn.Module):
    """Encodes each image on its own into four maps, at strides 4, 8, 16 and 32.

    Args:
        shape: How large each stage is.
        drop_path: The last block's stochastic depth rate; the rates grow linearly from 0.
        recompute: The blocks' inner values are computed again in the backward pass: less memory, more time.
        patch: Makes the first patch embedding.
        norm: Makes every LayerNorm.
    """

    def __init__(
        self,
        shape: MiTShape,
        drop_path: float = 0.1,
        *,
        recompute: bool = False,
        patch: Patch = SharedPatch,
        norm: Norm = SharedNorm,
    ) -> None:
        super().__init__()
        self.widths = shape.widths
        rates = iter([drop_path * i / max(sum(shape.depths) - 1, 1) for i in range(sum(shape.depths))])
        stages, channels = [], 3
        sizes = zip(shape.widths, shape.depths, shape.heads, shape.reductions, strict=True)
        for width, depth, heads, reduction in sizes:
            embed = SharedPatch(channels, width, 3, 2) if stages else patch(channels, width, 7, 4)
            blocks = [
                Block(width, heads, reduction, expansion=shape.expansion, drop_rate=next(rates), norm=norm)
                for _ in range(depth)
            ]
            stages.append(Stage(embed, norm(width, 1e-5), blocks=blocks, norm=norm(width, 1e-6), recompute=recompute))
            channels = width
        self.stages = nn.ModuleList(stages)

    def forward(
        self, images: Float[Tensor, "N 3 H W"], modality: Int64[Tensor, " N"]
    ) -> list[Float[Tensor, "N _C _h _w"]]:
        """The four LayerNormed maps of every image.

        Args:
            images: Normalised, at least 32 pixels high and wide.
            modality: Which modality each image is, for the parts that are private.

        Raises:
            ValueError: The images are too small.
        """
        height, width = images.shape[-2:]
        if min(height, width) < SMALLEST:
            raise ValueError(f"images of {height}x{width} are too small: at least {SMALLEST}x{SMALLEST} is needed")
        if not in_pieces([images]):
            return self._maps(images, modality)
        together = max(1, 4 * CACHED // (self.widths[0] * (height // 4) * (width // 4)))
        pieces = zip(images.split(together), modality.split(together), strict=True)
        parts = [self._maps(*piece) for piece in pieces]
        return parts[0] if len(parts) == 1 else [torch.cat(rows) for rows in zip(*parts, strict=True)]

    def _maps(
        self, images: Float[Tensor, "N 3 H W"], modality: Int64[Tensor, " N"]
    ) -> list[Float[Tensor, "N _C _h _w"]]:
        maps, x = [], images.permute(0, 2, 3, 1).contiguous()  # N H W 3
        for stage in self.stages:
            x = stage(x, modality)
            maps.append(x.permute(0, 3, 1, 2))  # N C h w
        return maps


def _convolve(convolution: nn.Conv2d, x: Float[Tensor, "N H W C_in"]) -> Float[Tensor, "N h w C"]:
    return convolution(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
