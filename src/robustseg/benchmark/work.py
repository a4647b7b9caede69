"""What is timed: the labels of every set of sensors, and the three calls that they are made of.

Shapes: B batch, M modalities, N encoded images, C channels of a stage, h w its size, H W image size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from robustseg.benchmark.settings import Settings
from robustseg.benchmark.subsets import SensorSet
from robustseg.build import load
from robustseg.models.fusion import Fused
from robustseg.models.segmenter import Segmenter
from robustseg.models.upsampling import labels_at

ENCODE, FUSE, DECODE = "encode one modality", "fuse all modalities", "decode to labels"
TICK = "one more tick: one modality encoded, the others kept"


def open_model(folder: Path, settings: Settings) -> Segmenter:
    """The model of a folder, as the settings want it.

    Raises:
        FileNotFoundError: It is no model folder.
        ValueError: It is damaged, or there is no such device.
    """
    return load(folder, settings.device)


def random_images(
    batch: int, modalities: int, size: tuple[int, int], *, seed: int, device: torch.device
) -> Float[Tensor, "B M 3 H W"]:
    """Normalised images of nothing: time does not depend on what is seen."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, modalities, 3, *size, generator=generator).to(device)


def set_work(
    model: Segmenter, images: Float[Tensor, "B M 3 H W"], sets: Sequence[SensorSet]
) -> dict[str, Callable[[], Int64[Tensor, "B H W"]]]:
    """For each set of sensors the labels of a batch, as they are predicted in use."""
    return {entry.name: partial(model.labels, images, entry.present(len(images)).to(images.device)) for entry in sets}


def part_work(model: Segmenter, images: Float[Tensor, "B M 3 H W"]) -> dict[str, Callable[[], object]]:
    """The three calls one by one, and what follows when one sensor has a new image and the others' maps are kept.

    The first modality is the one that is encoded; all cost the same.
    """
    present = torch.ones(images.shape[:2], dtype=torch.bool, device=images.device)
    kept = model.encode_batch(images, present)
    newest = images[:, 0].contiguous()  # B 3 H W
    own = torch.zeros(len(newest), dtype=torch.int64, device=images.device)
    rows = torch.arange(len(newest), device=images.device) * images.shape[1]  # the samples' rows follow each other

    def encode() -> list[Float[Tensor, "N _C _h _w"]]:
        return model.encode(newest, own)

    def fuse() -> Fused:
        return model.fuse(kept.maps, kept.sample, kept.modality, present)

    def decode(fused: Fused) -> Int64[Tensor, "B H W"]:
        return labels_at(model.decode(fused), (images.shape[-2], images.shape[-1]))

    def tick() -> Int64[Tensor, "B H W"]:
        for stage, fresh in zip(kept.maps, encode(), strict=True):
            stage[rows] = fresh
        return decode(fuse())

    return {ENCODE: encode, FUSE: fuse, DECODE: partial(decode, fuse()), TICK: tick}
