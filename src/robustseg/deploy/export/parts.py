"""The files of an export before they are written: graphs with the names, example and dynamic sizes of their inputs.

Shapes: B batch, M modalities, H W image size, h w a stage's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.export import Dim

from robustseg.deploy.export.graphs import Encoder, FuseDecode, Whole
from robustseg.models.segmenter import Segmenter
from robustseg.recipe import LARGEST, SMALLEST

WHOLE, ENCODER, FUSE_DECODE = "model", "encoder", "fuse_decode"
EXAMPLE = (64, 96)
"""Height and width of the images that are traced; any others do as well."""

TRACED_SMALLEST = SMALLEST + 1
"""Sides that a trace stands for: at the smallest the last stage has one pixel, which PyTorch treats apart. ONNX and
OpenVINO files keep nothing of that, a file of `torch.export` does."""

MOST_FRAMES = 1024


@dataclass(frozen=True, eq=False)
class Part:
    """One file to be.

    Attributes:
        name: Of the file, without its ending.
        graph: In evaluation mode.
        arguments: An example.
        dynamic: The sizes that may differ from the example's, as `torch.export` wants them.
        inputs: Names, in the order of the arguments' tensors.
        outputs: Names.
    """

    name: str
    graph: nn.Module
    arguments: tuple[Any, ...]
    dynamic: tuple[Any, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def whole_part(model: Segmenter, outputs: Sequence[str], dtype: torch.dtype) -> Part:
    """All of the network: an image of each modality, called as the modality is, and `present` "B M"."""
    (height, width), M = EXAMPLE, model.num_modalities
    batch, image = Dim("batch", min=1, max=MOST_FRAMES), _image()
    return Part(
        name=WHOLE,
        graph=Whole(model, outputs, dtype),
        arguments=([torch.zeros(2, 3, height, width) for _ in range(M)], torch.ones(2, M, dtype=torch.bool)),
        dynamic=([{0: batch, **image}] * M, {0: batch}),
        inputs=(*(modality.name for modality in model.card.modalities), "present"),
        outputs=tuple(outputs),
    )


def split_parts(model: Segmenter, outputs: Sequence[str], dtype: torch.dtype) -> tuple[Part, Part]:
    """The encoder, `image` "B 3 H W" and `modality` "1" to the maps, and the rest: slots of maps, `present`, `size`."""
    encoder = Encoder(model, dtype)
    image = torch.zeros(2, 3, *EXAMPLE)
    with torch.no_grad():
        maps = encoder(image, torch.zeros(1, dtype=torch.int64))
    names = map_names(len(maps))
    batch, M = Dim("batch", min=1, max=MOST_FRAMES), model.num_modalities
    slots = [stage[:, None].repeat(1, M, 1, 1, 1) for stage in maps]
    sizes = [{3: _side(f"h{stage}", stage), 4: _side(f"w{stage}", stage)} for stage in range(len(maps))]
    return (
        Part(
            name=ENCODER,
            graph=encoder,
            arguments=(image, torch.zeros(1, dtype=torch.int64)),
            dynamic=({0: batch, **_image()}, {}),
            inputs=("image", "modality"),
            outputs=names,
        ),
        Part(
            name=FUSE_DECODE,
            graph=FuseDecode(model, outputs, dtype),
            arguments=(slots, torch.ones(2, M, dtype=torch.bool), torch.tensor(EXAMPLE)),
            dynamic=([{0: batch, **size} for size in sizes], {0: batch}, {}),
            inputs=(*names, "present", "size"),
            outputs=tuple(outputs),
        ),
    )


def map_names(stages: int) -> tuple[str, ...]:
    """What the encoder's maps are called.

    Example:
        >>> map_names(2)
        ('map0', 'map1')
    """
    return tuple(f"map{stage}" for stage in range(stages))


def _image() -> dict[int, Dim]:
    return {2 + axis: Dim(name, min=TRACED_SMALLEST, max=LARGEST) for axis, name in enumerate(("height", "width"))}


def _side(name: str, stage: int) -> Dim:
    """Of a stage's map, at stride 4, 8, 16 and 32."""
    least, most = ((side - 1) // (4 << stage) + 1 for side in (TRACED_SMALLEST, LARGEST))
    return Dim(name, min=least, max=most)
