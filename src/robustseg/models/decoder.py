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
from robustseg.models.upsampling import upsampled


class Decoder(nn.Module):
    """Four maps to logits: a linear layer per stage, upsampling, a linear fusion, a classifier.

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

    def forward(self, fused: Fused, size: tuple[int, int] | None = None) -> Float[Tensor, "B K H W"]:
        """Logits at `size` (height, width), or at the first stage's; upsampling is the last step, and bilinear.

        `fused.present` is for heads that care; this one does not.
        """
        target = fused.maps[0].shape[-2:]
        matrices, bias = self._folded()
        total = F.conv2d(fused.maps[0], matrices[0][..., None, None], bias)
        for features, matrix in zip(fused.maps[1:], matrices[1:], strict=True):
            mixed = F.conv2d(features, matrix[..., None, None])  # B E h w
            total = total + F.interpolate(mixed, size=target, mode="bilinear", align_corners=False)
        logits = self.classifier(self.dropout(F.relu(self.norm(total))))
        return logits if size is None else upsampled(logits, size)

    def _folded(self) -> tuple[list[Float[Tensor, "E _C"]], Float[Tensor, " E"]]:
        """Per stage the product of fusion and linear layer, and the sum of their biases."""
        parts = self.fuse.weight.flatten(1).chunk(len(self.linears), dim=1)[::-1]  # each E E
        matrices = [part @ linear.get_parameter("weight") for part, linear in zip(parts, self.linears, strict=True)]
        biases = [part @ linear.get_parameter("bias") for part, linear in zip(parts, self.linears, strict=True)]
        return matrices, torch.stack(biases).sum(dim=0)
