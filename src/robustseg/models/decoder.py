"""The all-MLP head of SegFormer (arXiv 2105.15203, section 3.2), computed where it is cheap.

Shapes: B batch, C_s channels of stage s, E embedding width, K classes, h w size of a map, H W of the image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from robustseg.models.fusion import Fused
from robustseg.models.inference import in_pieces, learns_in_pieces
from robustseg.models.tiled_head import FoldedHead, tiled_logits, tiled_mixtures
from robustseg.models.trained_head import tiles_fit, trained_head
from robustseg.models.upsampling import upsampled


class Decoder(nn.Module):
    """Four maps to logits: a linear layer per stage, upsampling, a linear fusion, a classifier.

    Of maps in bfloat16 or float16 it computes in their type, from weights that are multiplied in float32; logits are
    float32.

    A linear layer over the channels commutes with bilinear upsampling, which keeps constants. So each stage's linear
    layer is multiplied with its quarter of the fusion into one matrix, which is applied at the stage's own resolution;
    the upsampled results are added. Same parameters, same function, a quarter of the work.

    Args:
        widths: Channels of the four stages.
        num_classes: How many classes there are.
        width: The embedding width E.
        dropout: Of whole channels before the classifier, in training.
    """

    def __init__(self, widths: Sequence[int], num_classes: int, *, width: int = 768, dropout: float = 0.1) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(channels, width) for channels in widths)
        self.fuse = nn.Conv2d(len(widths) * width, width, 1, bias=False)  # its input: the last stage first
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(width, num_classes, 1)
        self._known: tuple[object, FoldedHead] | None = None

    def forward(self, fused: Fused, size: tuple[int, int] | None = None) -> Float[Tensor, "B K H W"]:
        """Logits at `size` (height, width), or at the first stage's; upsampling is the last step, and bilinear.

        `fused.present` is for heads that care; this one does not.
        """
        if self.tiled(fused.maps):
            logits = tiled_logits(self.folded(fused.maps[0].dtype), fused.maps)
        elif self._learns_by_tiles(fused.maps):
            logits = self._learned(fused.maps)
        else:
            logits = self._whole(fused.maps)
        return logits if size is None else upsampled(logits, size)

    def mixtures(
        self, maps: Sequence[Float[Tensor, "N _C _h _w"]], weights: Float[Tensor, "Q N"]
    ) -> Float[Tensor, "Q K h w"]:
        """Logits, at the first stage's size, of weighted means of the maps' rows; much is shared between them.

        For evaluation mode without gradients, on CPUs.

        Args:
            maps: One per stage.
            weights: Of each row in each mean; those of one mean sum to 1.
        """
        return tiled_mixtures(self.folded(maps[0].dtype), maps, weights.to(maps[0]))

    def tiled(self, maps: Sequence[Float[Tensor, "N _C _h _w"]]) -> bool:
        """Whether these maps are decoded tile by tile: on CPUs, not in training, and not where steps are recorded."""
        frozen = not (self.training or self.norm.training or self.dropout.training)
        return frozen and in_pieces(maps)

    def _whole(self, maps: Sequence[Float[Tensor, "B _C _h _w"]]) -> Float[Tensor, "B K h w"]:
        target, dtype = maps[0].shape[-2:], maps[0].dtype
        matrices, bias = self._folded()
        total = F.conv2d(maps[0], matrices[0][..., None, None].to(dtype), bias.to(dtype))
        for features, matrix in zip(maps[1:], matrices[1:], strict=True):
            mixed = F.conv2d(features, matrix[..., None, None].to(dtype))  # B E h w
            total = total + F.interpolate(mixed, size=target, mode="bilinear", align_corners=False)
        hidden = self.dropout(F.relu(self.norm(total)))
        weight, bias = self.classifier.weight, self.classifier.get_parameter("bias")
        logits = F.conv2d(hidden, weight.to(dtype), bias.to(dtype))
        return logits if dtype == weight.dtype else logits.to(weight.dtype)

    def _learns_by_tiles(self, maps: Sequence[Float[Tensor, "B _C _h _w"]]) -> bool:
        """Whether this is training of plain parts, and of maps that are made of whole tiles."""
        plain = type(self.norm) is nn.BatchNorm2d and self.norm.momentum is not None
        return self.norm.training and plain and learns_in_pieces(maps) and tiles_fit(maps)

    def _learned(self, maps: Sequence[Float[Tensor, "B _C _h _w"]]) -> Float[Tensor, "B K h w"]:
        """The same in training, in less time and memory; the same dropout is drawn."""
        matrices, bias = self._folded()
        B, E = len(maps[0]), len(bias)
        kept = self.dropout(maps[0].new_ones(B, E, 1, 1))[..., 0, 0]  # a channel's factor, 0 where dropped
        classifier = self.classifier.weight.flatten(1) * kept[:, None]  # B K E
        logits, mean, variance = trained_head(
            maps, matrices, (self.norm.weight, self.norm.bias, self.norm.eps), classifier
        )
        remember(self.norm, mean + bias, variance, B * logits.shape[2] * logits.shape[3])
        assert self.classifier.bias is not None
        return logits + self.classifier.bias[:, None, None] + 0 * bias.sum()  # BatchNorm takes `bias` away again

    def folded(self, dtype: torch.dtype) -> FoldedHead:
        """All weights as evaluation needs them, rounded to `dtype` at the end; kept as long as none of them changes.

        What is written through `Tensor.data` goes unnoticed until `eval()` is called again.
        """
        tensors = self.state_dict(keep_vars=True).values()
        state = dtype, *((tensor.data_ptr(), _version(tensor)) for tensor in tensors)
        known = self._known  # another thread may replace it at any time
        if known is None or known[0] != state:
            with torch.no_grad():
                known = self._known = state, self._fold(dtype)
        return known[1]

    def train(self, mode: bool = True) -> Decoder:
        """As of any module."""
        self._known = None
        return super().train(mode)

    def _fold(self, dtype: torch.dtype) -> FoldedHead:
        norm = self.norm
        variance, mean = norm.get_buffer("running_var"), norm.get_buffer("running_mean")
        scale = norm.weight * (variance + norm.eps).rsqrt()
        matrices, bias = self._folded()
        return FoldedHead(
            matrices=tuple((scale[:, None] * matrix).T.to(dtype).contiguous() for matrix in matrices),
            bias=(scale * (bias - mean) + norm.bias).to(dtype),
            classifier=self.classifier.weight.flatten(1).to(dtype),
            classifier_bias=self.classifier.get_parameter("bias").to(dtype),
        )

    def _folded(self) -> tuple[list[Float[Tensor, "E _C"]], Float[Tensor, " E"]]:
        """Per stage the product of fusion and linear layer, and the sum of their biases."""
        parts = self.fuse.weight.flatten(1).chunk(len(self.linears), dim=1)[::-1]  # each E E
        matrices = [part @ linear.get_parameter("weight") for part, linear in zip(parts, self.linears, strict=True)]
        biases = [part @ linear.get_parameter("bias") for part, linear in zip(parts, self.linears, strict=True)]
        return matrices, torch.stack(biases).sum(dim=0)


@torch.no_grad()
def remember(norm: nn.BatchNorm2d, mean: Float[Tensor, " E"], variance: Float[Tensor, " E"], count: int) -> None:
    """Moves the running statistics towards a batch's of `count` values, the variance made unbiased."""
    assert norm.momentum is not None
    for name, value in (("running_mean", mean), ("running_var", variance * count / (count - 1))):
        norm.get_buffer(name).lerp_(value, norm.momentum)
    norm.get_buffer("num_batches_tracked").add_(1)


def _version(tensor: Tensor) -> object:
    """How often it was written to; of tensors of inference mode nobody knows, so theirs equals no other."""
    return object() if tensor.is_inference() else tensor._version
