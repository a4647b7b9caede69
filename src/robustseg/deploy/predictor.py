"""Images of any sensors in, labels and confidence out.

Shapes: M modalities, K classes, H W size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped, UInt8
from torch import Tensor

from robustseg.data.resizing import padded, resized_frame
from robustseg.modalities import Modality
from robustseg.models.segmenter import Segmenter
from robustseg.models.upsampling import upsampled
from robustseg.normalisation import normalise
from robustseg.robustness.calibration import most_likely, temperature_of


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model sees in one frame.

    Attributes:
        labels: Train ids.
        confidence: Probability of the label, 0..1: calibrated for the number of modalities it had if the model's card
            has temperatures, else as the network states it.
        used: Names of the modalities it had.
        without: Names of the modalities it did without.
    """

    labels: UInt8[np.ndarray, "H W"]
    confidence: Float[np.ndarray, "H W"]
    used: tuple[str, ...]
    without: tuple[str, ...]


class Predictor:
    """A model that takes what there is, by name, and reads, normalises and pads it as the model needs.

    Args:
        model: From `robustseg.load`; it is put in evaluation mode.
    """

    def __init__(self, model: Segmenter) -> None:
        self.model = model.eval()
        self.modalities: tuple[Modality, ...] = model.card.modalities

    def __call__(
        self,
        images: Mapping[str, Shaped[np.ndarray, ...] | Shaped[Tensor, ...] | None],
        *,
        size: tuple[int, int] | None = None,
    ) -> Prediction:
        """Labels every pixel from the modalities that are given.

        Args:
            images: Any non-empty choice of the model's modalities, None standing for one that is not there; "H W 3", or
                "H W" for three equal channels, in each modality's own unit (8-bit counts, metres, ...), all of one
                size and registered.
            size: Height and width at which the network looks; None = what training frames were resized to, else
                the images' own. Labels have the images' size in any case.

        Raises:
            ValueError: No image, an unknown name, an image that is no image, different sizes, NaN.
        """
        return self.predict(*stack_images(images, self.modalities), size=size)

    @torch.inference_mode()
    def predict(
        self, images: Float[Tensor, "M 3 H W"], present: Bool[Tensor, " M"], *, size: tuple[int, int] | None = None
    ) -> Prediction:
        """Labels a frame given as a `Sample` holds it; slots that are not present may hold anything."""
        H, W = images.shape[-2:]
        device = next(self.model.parameters()).device
        size = size or self.model.card.resize
        if size is not None and size != (H, W):
            images = resized_frame(images, size, self.modalities)  # M 3 h w
        inputs = normalise(images.to(device), self.modalities)
        h, w = inputs.shape[-2:]
        shown = padded(inputs)[None]  # 1 M 3 h w
        logits = self.model.logits(shown, present[None].to(device))
        if shown.shape[-2:] != (h, w):
            logits = upsampled(logits, (shown.shape[-2], shown.shape[-1]))[..., :h, :w]
        temperature = temperature_of(self.model.card.temperatures, present[None])
        confidence, labels = most_likely(logits, temperature, size=(H, W))
        names = [(modality.name, here) for modality, here in zip(self.modalities, present.tolist(), strict=True)]
        return Prediction(
            labels=labels[0].to(torch.uint8).cpu().numpy(),
            confidence=confidence[0].cpu().numpy(),
            used=tuple(name for name, here in names if here),
            without=tuple(name for name, here in names if not here),
        )


def stack_images(
    images: Mapping[str, Shaped[np.ndarray, ...] | Shaped[Tensor, ...] | None], modalities: tuple[Modality, ...]
) -> tuple[Float[Tensor, "M 3 H W"], Bool[Tensor, " M"]]:
    """Named images as a `Sample` holds them: stacked in the model's order, 0 where absent, and which are present.

    Raises:
        ValueError: See `Predictor`.
    """
    known = [modality.name for modality in modalities]
    unknown = [name for name in images if name not in known]
    images = {name: image for name, image in images.items() if image is not None}
    if unknown:
        raise ValueError(f"this model knows no {', '.join(map(repr, unknown))}; its modalities are {', '.join(known)}")
    if not images:
        raise ValueError(f"no image was given; give at least one of {', '.join(known)}")
    channels = {
        modality.name: _channels(images[modality.name], modality) for modality in modalities if modality.name in images
    }
    sizes = {name: tuple(image.shape[1:]) for name, image in channels.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {height}x{width}" for name, (height, width) in sizes.items())
        raise ValueError(f"all images of a frame must have one size (height x width), registered; got {listed}")
    empty = torch.zeros_like(next(iter(channels.values())))
    stacked = torch.stack([channels.get(name, empty) for name in known])
    return stacked, torch.tensor([name in channels for name in known])


def _channels(image: np.ndarray | Tensor, modality: Modality) -> Float[Tensor, "3 H W"]:
    """One image as three float channels; ValueError if it is none."""
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
