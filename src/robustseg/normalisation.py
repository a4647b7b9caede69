"""Images in their modalities' units to the model's inputs. Letters: `B` batch, `M` modalities, `H W` size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from robustseg.modalities import Modality


def normalise(images: Float[Tensor, "*B M 3 H W"], modalities: Sequence[Modality]) -> Float[Tensor, "*B M 3 H W"]:
    """(images - mean) / std per modality and channel; images in the modalities' units.

    Raises:
        ValueError: A modality has no mean and std yet.
    """
    unknown = [modality.name for modality in modalities if modality.mean is None]
    if unknown:
        raise ValueError(f"no mean and std for {unknown}: measure them with `robustseg data stats`")
    mean = torch.tensor([modality.mean for modality in modalities], dtype=images.dtype, device=images.device)
    std = torch.tensor([modality.std for modality in modalities], dtype=images.dtype, device=images.device)
    return (images - mean[..., None, None]).div_(std[..., None, None])
