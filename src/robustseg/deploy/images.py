"""What users hand over as images, as the model's tensors. Letters: `M` modalities, `H W` size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from robustseg.modalities import Modality


def stack_images(
    images: Mapping[str, Shaped[np.ndarray, ...] | Shaped[Tensor, ...] | None], modalities: tuple[Modality, ...]
) -> tuple[Float[Tensor, "M 3 H W"], Bool[Tensor, " M"]]:
    """Named images as a `Sample` holds them: stacked in the model's order, 0 where absent, and which are present.

    Raises:
        ValueError: See `Predictor`.
    """
    known = [modality.name for modality in modalities]
    check_names(images, modalities)
    images = {name: image for name, image in images.items() if image is not None}
    if not images:
        raise ValueError(f"no image was given; give at least one of {', '.join(known)}")
    channels = {
        modality.name: image_of(images[modality.name], modality) for modality in modalities if modality.name in images
    }
    sizes = {name: tuple(image.shape[1:]) for name, image in channels.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {height}x{width}" for name, (height, width) in sizes.items())
        raise ValueError(f"all images of a frame must have one size (height x width), registered; got {listed}")
    empty = torch.zeros_like(next(iter(channels.values())))
    stacked = torch.stack([channels.get(name, empty) for name in known])
    return stacked, torch.tensor([name in channels for name in known])


def place_of(name: str, modalities: Sequence[Modality]) -> int:
    """Where a modality stands.

    Raises:
        ValueError: The model knows no such modality.
    """
    check_names([name], modalities)
    return next(place for place, modality in enumerate(modalities) if modality.name == name)


def check_names(names: Iterable[str], modalities: Sequence[Modality]) -> None:
    """Raises ValueError unless all are modalities of the model."""
    known = [modality.name for modality in modalities]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"this model knows no {', '.join(map(repr, unknown))}; its modalities are {', '.join(known)}")


def image_of(image: np.ndarray | Tensor, modality: Modality) -> Float[Tensor, "3 H W"]:
    """One image as three float channels.

    Raises:
        ValueError: It is none, or a pixel is not finite.
    """
    array = image.numpy(force=True) if isinstance(image, Tensor) else np.asarray(image)
    if array.dtype.kind not in "uif":
        raise ValueError(f"{modality.name}: pixels must be integers or floats, got {array.dtype}")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        raise ValueError(f"{modality.name}: an image is (H, W, 3) or (H, W), channels last; got {np.shape(image)}")
    pixels = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).movedim(-1, 0)  # C H W
    bad = int((~pixels.isfinite()).any(dim=0).sum())
    if bad:
        raise ValueError(
            f"{modality.name}: {bad} pixels are NaN or infinite; fill pixels without a measurement with "
            f"{modality.missing:g}, or leave the whole modality out"
        )
    return pixels.expand(3, -1, -1)
