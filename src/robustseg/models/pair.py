"""Two trained models made one: at every pixel the maps of teacher and student are weighted (RMMSS, version 2 of
arXiv 2505.12861, its fusion of both branches).

As released, the branch that scores higher passes its feature on, and no gradient reaches the scores. Here both are
weighted by the softmax of their scores, the differentiable form.

Shapes: B batch, N images, C channels of a stage, h w its size, H W image size. Maps of both encoders lie one after the
other along the channels.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from robustseg.models.decoder import Decoder
from robustseg.models.fusion import Fused
from robustseg.models.mit import MiT
from robustseg.models.segmenter import Segmenter

BRANCHES = 2


class FrozenPair(nn.Module):
    """Two encoders that stay as they are: no gradient of their own, and evaluation mode whatever `train()` says.

    Twice the parameters, and twice the work, of one.

    Args:
        first: `(images, modality) -> maps`.
        second: One with maps of the same shapes.
    """

    def __init__(self, first: MiT, second: MiT) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.eval().requires_grad_(False)

    def forward(
        self, images: Float[Tensor, "N 3 H W"], modality: Int64[Tensor, " N"]
    ) -> list[Float[Tensor, "N _2C _h _w"]]:
        """Both encoders' maps, the first one's channels first."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and images.requires_grad):
            both = zip(self.first(images, modality), self.second(images, modality), strict=True)
            return [torch.cat(stage, dim=1) for stage in both]

    def train(self, mode: bool = True) -> FrozenPair:
        """Stays in evaluation mode."""
        del mode
        return super().train(False)


class Weighting(nn.Module):
    """The two branches of a stage, weighted at every pixel by how good they look.

    Each branch has a score between 0 and 1 of its own: a 3x3 depthwise convolution, a linear layer to one number, a
    sigmoid. The weights are the softmax of the two, so between 0.27 and 0.73.

    Args:
        width: C.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        both = BRANCHES * width
        self.depthwise = nn.Conv2d(both, both, 3, padding=1, groups=both)
        self.score = nn.Conv2d(both, BRANCHES, 1, groups=BRANCHES)  # a number from each branch's channels alone

    def forward(self, both: Float[Tensor, "B _2C h w"]) -> Float[Tensor, "B C h w"]:
        """The weighted sum of the branches."""
        weights = self.score(self.depthwise(both)).sigmoid().softmax(dim=1)  # B 2 h w
        branches = both.unflatten(1, (BRANCHES, -1))  # B 2 C h w
        return (weights[:, :, None] * branches).sum(dim=1)


class PairFusion(Segmenter):
    """The frozen encoders of a teacher and a student, their means over the present modalities weighted, a decoder.

    Weightings and decoder are what is trained; see `start_from`.

    Args:
        encoder: Both encoders.
        weightings: One per stage.
        decoder: `(Fused, size) -> logits`.
        num_modalities: M.
    """

    def __init__(
        self, encoder: FrozenPair, weightings: list[Weighting], *, decoder: Decoder, num_modalities: int
    ) -> None:
        super().__init__(encoder, decoder, num_modalities=num_modalities)
        self.weightings = nn.ModuleList(weightings)

    def fuse(
        self,
        maps: list[Float[Tensor, "N _C _h _w"]],
        sample: Int64[Tensor, " N"],
        modality: Int64[Tensor, " N"],
        present: Bool[Tensor, "B M"],
    ) -> Fused:
        """Of each branch the mean of the present modalities, then the weighted sum of the branches.

        Raises:
            ValueError: A sample has no modality, or one that is present was not encoded.
        """
        means = super().fuse(maps, sample, modality, present)
        stages = zip(self.weightings, means.maps, strict=True)
        return Fused([weighting(stage) for weighting, stage in stages], present)

    def start_from(self, *, teacher: Segmenter, student: Segmenter) -> None:
        """Copies both encoders, and the student's decoder.

        Raises:
            RuntimeError: Their tensors are not those of this network, which is left half filled.
        """
        encoders = cast(FrozenPair, self.encoder)
        encoders.first.load_state_dict(teacher.encoder.state_dict())
        encoders.second.load_state_dict(student.encoder.state_dict())
        self.decoder.load_state_dict(student.decoder.state_dict())
