"""What a model predicts from every subset of its modalities, each modality being encoded once.

Shapes: B batch, M modalities, S subsets, K classes, H W size.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.models.fusion import ANY_SAMPLE, pick
from robustseg.models.segmenter import Segmenter
from robustseg.models.upsampling import labels_at
from robustseg.recipe import Absence

TOGETHER = 16
"""Subsets that are decoded together at most: their logits are in memory at once."""


@torch.inference_mode()
def subset_labels(
    model: Segmenter, images: Float[Tensor, "B M 3 H W"], subsets: Bool[Tensor, "S M"]
) -> Int64[Tensor, "S B H W"]:
    """The most likely class of each pixel of complete frames, as each subset of their modalities shows them.

    Args:
        model: In evaluation mode.
        images: Normalised, at least 32 pixels high and wide.
        subsets: None of them empty; on the images' device.
    """
    B, H, W = images.shape[0], images.shape[-2], images.shape[-1]
    encoded = model.encode_batch(images, subsets.any(dim=0).expand(B, -1))
    if len(subsets) <= len(encoded.sample) // B or not model.shares_decoding(encoded.maps):
        fused = (model.fuse(encoded.maps, encoded.sample, encoded.modality, subset.expand(B, -1)) for subset in subsets)
        return torch.stack([labels_at(model.decode(maps), (H, W)) for maps in fused])
    labels = torch.empty(len(subsets), B, H, W, dtype=torch.int64, device=images.device)
    for b in range(B):
        own = ((encoded.sample == b) | (encoded.sample == ANY_SAMPLE)).nonzero().squeeze(1)
        weights = mixing_weights(encoded.sample[own], encoded.modality[own], subsets, model.absence)
        maps = [pick(rows, own) for rows in encoded.maps]
        for some, out in zip(weights.split(TOGETHER), labels[:, b].split(TOGETHER), strict=True):
            out.copy_(labels_at(model.decode_mixtures(maps, some), (H, W)))
    return labels


def mixing_weights(
    sample: Int64[Tensor, " N"], modality: Int64[Tensor, " N"], subsets: Bool[Tensor, "S M"], absence: Absence
) -> Float[Tensor, "S N"]:
    """The weight of each row in the mean of each subset of one sample's modalities; see `Segmenter.fuse`."""
    shown = subsets[:, modality]  # S N
    taking_part = torch.where(sample == ANY_SAMPLE, ~shown, shown) if absence == "zero" else shown
    return taking_part / taking_part.sum(dim=1, keepdim=True)
