"""What a model predicts from every subset of its modalities, each modality being encoded once.

Shapes: B batch, M modalities, S subsets, K classes, H W size.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.models.segmenter import Segmenter
from robustseg.models.upsampling import labels_at


@torch.inference_mode()
def subset_labels(
    model: Segmenter, images: Float[Tensor, "B M 3 H W"], subsets: Bool[Tensor, "S M"]
) -> Int64[Tensor, "S B H W"]:
    """The most likely class of each pixel of complete frames, as each subset of their modalities shows them.

    Args:
        model: In evaluation mode.
        images: Normalised.
        subsets: None of them empty.
    """
    B, H, W = images.shape[0], images.shape[-2], images.shape[-1]
    encoded = model.encode_batch(images, subsets.any(dim=0).expand(B, -1))
    found = []
    for subset in subsets:
        fused = model.fuse(encoded.maps, encoded.sample, encoded.modality, subset.expand(B, -1))
        found.append(labels_at(model.decode(fused), (H, W)))
    return torch.stack(found)
