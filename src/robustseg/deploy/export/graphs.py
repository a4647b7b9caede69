"""What is exported: the network as one graph, or as an encoder and the rest.

All take images in the modalities' own units: normalisation is inside. Absent slots may hold anything.

Shapes: B batch, M modalities, C channels of a stage, h w its size, H W image size, K classes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from robustseg.deploy.export.answers import answer_of
from robustseg.deploy.export.plain import PatchOfEach, PatchOfOne, plain_encoder
from robustseg.models.segmenter import Segmenter

OUTPUTS = ("labels", "confidence", "logits")


class Normalise(nn.Module):
    """(image - mean) / std, by modality.

    Args:
        model: With a card whose modalities have mean and std.

    Raises:
        ValueError: A modality has none.
    """

    def __init__(self, model: Segmenter) -> None:
        super().__init__()
        unknown = [modality.name for modality in model.card.modalities if modality.mean is None]
        if unknown:
            raise ValueError(f"no mean and std for {unknown}: measure them with `robustseg data stats`")
        for name in ("mean", "std"):
            values = torch.tensor([getattr(modality, name) for modality in model.card.modalities])
            self.register_buffer(name, values[..., None, None])  # M 3 1 1

    def forward(
        self, images: Float[Tensor, "*B 3 H W"], modality: Int64[Tensor, " M"] | None = None
    ) -> Float[Tensor, "*B 3 H W"]:
        """The network's inputs.

        Args:
            images: B M 3 H W, or rows that are all of one modality.
            modality: That one; None = all modalities, in their order.
        """
        mean, std = self.get_buffer("mean"), self.get_buffer("std")
        if modality is not None:
            mean, std = mean[modality], std[modality]
        return (images - mean) / std


class Results(nn.Module):
    """From the decoder's logits to what is asked for, at the images' size.

    Args:
        temperatures: For 1, 2, ... modalities present; empty = all 1.
        modalities: M.
        outputs: Some of `OUTPUTS`, in the order in which they are given back.
    """

    def __init__(self, temperatures: Sequence[float], modalities: int, outputs: Sequence[str]) -> None:
        super().__init__()
        known = [1.0, *(temperatures or [1.0] * modalities)]
        self.register_buffer("temperatures", torch.tensor(known))
        self.outputs = tuple(outputs)

    def forward(
        self, logits: Float[Tensor, "B K h w"], present: Bool[Tensor, "B M"], size: tuple[int, int]
    ) -> tuple[Tensor, ...]:
        """Labels "B H W" uint8, confidence "B H W" 0..1, logits "B K H W": those that were asked for."""
        large = F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
        highest = large.amax(dim=1, keepdim=True)
        temperature = self.get_buffer("temperatures")[present.sum(dim=1)][:, None, None, None]
        made = {
            "labels": large.argmax(dim=1).to(torch.uint8),
            "confidence": ((large - highest) / temperature).exp().sum(dim=1).reciprocal(),
            "logits": large,
        }
        return tuple(made[name] for name in self.outputs)


class Whole(nn.Module):
    """All of the network; what is absent is encoded as well, as an image of zeros.

    Args:
        model: With a card; it stays as it is.
        outputs: See `Results`.
        dtype: What encoder and decoder compute in.
    """

    def __init__(self, model: Segmenter, outputs: Sequence[str], dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.normalise = Normalise(model)
        self.encoder = plain_encoder(model, PatchOfEach).to(dtype)
        self.answer = copy.deepcopy(answer_of(model, dtype)).to(dtype)
        self.results = Results(model.card.temperatures, model.num_modalities, outputs)
        self.register_buffer("places", torch.arange(model.num_modalities))
        self.dtype = dtype
        self.eval().requires_grad_(False)

    def forward(self, images: list[Float[Tensor, "B 3 H W"]], present: Bool[Tensor, "B M"]) -> tuple[Tensor, ...]:
        """What is asked for, of images in the modalities' order."""
        inputs = self.normalise(torch.stack(images, dim=1))  # B M 3 H W
        shown = torch.where(present[:, :, None, None, None], inputs, torch.zeros(())).to(self.dtype)
        B, M = present.shape
        rows = self.encoder(shown.flatten(0, 1), self.get_buffer("places").repeat(B))
        maps = [stage.unflatten(0, (B, M)) for stage in rows]
        size = (images[0].shape[-2], images[0].shape[-1])
        return self.results(self.answer(maps, present), present, size)


class Encoder(nn.Module):
    """The encoder, for images that are all of one modality.

    Args:
        model: With a card; it stays as it is.
        dtype: What it computes in; its maps are of this type.
    """

    def __init__(self, model: Segmenter, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.normalise = Normalise(model)
        self.encoder = plain_encoder(model, PatchOfOne).to(dtype)
        self.dtype = dtype
        self.eval().requires_grad_(False)

    def forward(
        self, image: Float[Tensor, "B 3 H W"], modality: Int64[Tensor, " one"]
    ) -> tuple[Float[Tensor, "B _C _h _w"], ...]:
        """The maps of every stage.

        Args:
            image: In its modality's unit.
            modality: Its place in the manifest's list.
        """
        inputs = self.normalise(image, modality).to(self.dtype)
        return tuple(stage.contiguous() for stage in self.encoder(inputs, modality.expand(image.shape[0])))


class FuseDecode(nn.Module):
    """All that follows the encoder.

    Args:
        model: With a card; it stays as it is.
        outputs: See `Results`.
        dtype: Of the maps.
    """

    def __init__(self, model: Segmenter, outputs: Sequence[str], dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.answer = copy.deepcopy(answer_of(model, dtype)).to(dtype)
        self.results = Results(model.card.temperatures, model.num_modalities, outputs)
        self.eval().requires_grad_(False)

    def forward(
        self, maps: list[Float[Tensor, "B M _C _h _w"]], present: Bool[Tensor, "B M"], size: Int64[Tensor, " two"]
    ) -> tuple[Tensor, ...]:
        """What is asked for, at the images' height and width `size`."""
        height, width = size[0].item(), size[1].item()
        h, w = maps[0].shape[-2:]
        for side, small in ((height, h), (width, w)):
            torch._check(side > small)
            torch._check(side <= 4 * small)
        return self.results(self.answer(maps, present), present, (height, width))
