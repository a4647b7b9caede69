"""A teacher that stays a teacher: evaluation mode, no gradient, in nobody's parameters."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.models.fusion import Encoded, Fused
from robustseg.models.segmenter import Output, Segmenter


class FrozenTeacher:
    """Calls a model without gradient and in evaluation mode.

    It is no `nn.Module` on purpose: a parent's `train()` cannot flip it, no optimiser finds its parameters and no
    checkpoint stores it.
    """

    def __init__(self, model: Segmenter) -> None:
        self._model = model.eval().requires_grad_(False)

    def to(self, device: torch.device) -> FrozenTeacher:
        """Moves the weights; returns itself."""
        self._model.to(device)
        return self

    @torch.no_grad()
    def __call__(self, images: Float[Tensor, "B M 3 H W"], present: Bool[Tensor, "B M"]) -> Output:
        """The teacher's answer for normalised images, logits at its decoder's resolution."""
        return self._model.coarse(images, present)

    @torch.no_grad()
    def logits_of(
        self, encoded: Encoded, subsets: Bool[Tensor, "B M"], chosen: Int64[Tensor, " N"]
    ) -> Float[Tensor, "N K h w"]:
        """Its logits for a subset of what it encoded of each sample; only the chosen samples are decoded."""
        fused = self._model.fuse(encoded.maps, encoded.sample, encoded.modality, subsets)
        return self._model.decode(Fused([stage[chosen] for stage in fused.maps], fused.present[chosen]))
