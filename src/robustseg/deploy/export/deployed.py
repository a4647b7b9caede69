"""Exported files as one model: images in, answers out, in the whole form and in the split one alike.

Shapes: B batch, M modalities, C channels of a stage, h w its size, H W image size, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from robustseg.deploy.export.manifest import Absent, File, Format, read_manifest
from robustseg.deploy.export.parts import ENCODER, FUSE_DECODE, WHOLE
from robustseg.deploy.export.runtimes import Arrays, Run, open_file
from robustseg.modalities import Modality


@dataclass(frozen=True, eq=False)
class Deployed:
    """An export at work.

    Attributes:
        runs: Of each part's file.
        modalities: In their order.
        needs_absent: Whether absent modalities are encoded, as an image of their mean; split form only.
    """

    runs: Mapping[str, Run]
    modalities: tuple[Modality, ...]
    needs_absent: bool

    def __call__(self, images: Float[np.ndarray, "B M 3 H W"], present: Bool[np.ndarray, "B M"]) -> Arrays:
        """The outputs of the export, by name.

        Args:
            images: Float32 in the modalities' units, sides no smaller than the network's smallest; absent ones may hold
                anything.
            present: At least one in every frame.
        """
        if WHOLE in self.runs:
            named = {modality.name: images[:, place] for place, modality in enumerate(self.modalities)}
            return self.runs[WHOLE]({**named, "present": present})
        return self.answer(self.encode(images, present), present, (images.shape[-2], images.shape[-1]))

    def encode(self, images: Float[np.ndarray, "B M 3 H W"], present: Bool[np.ndarray, "B M"]) -> Arrays:
        """The slots of maps, by name, "B M C h w": each modality that any frame has is encoded; NaN elsewhere."""
        found: dict[int, Arrays] = {}
        for place, modality in enumerate(self.modalities):
            here = present[:, place]
            if here.any() or self.needs_absent:
                mean = np.array(modality.mean, np.float32)[:, None, None]
                image = np.where(here[:, None, None, None], images[:, place], mean)
                found[place] = self.encode_one(image, place)
        return slots([found.get(place) for place in range(len(self.modalities))])

    def encode_one(self, image: Float[np.ndarray, "B 3 H W"], place: int) -> Arrays:
        """The maps of images of the modality at that place, "B C h w"."""
        return self.runs[ENCODER]({"image": np.ascontiguousarray(image), "modality": np.array([place])})

    def answer(self, maps: Arrays, present: Bool[np.ndarray, "B M"], size: tuple[int, int]) -> Arrays:
        """The outputs, from slots of maps of images of `size`."""
        return self.runs[FUSE_DECODE]({**maps, "present": present, "size": np.array(size)})


def slots(encoded: Sequence[Arrays | None]) -> Arrays:
    """The maps of all modalities, "B M C h w" by name; NaN where there is none.

    Args:
        encoded: The maps of each modality, "B C h w" by name; None = absent. At least one is there.
    """
    known = next(maps for maps in encoded if maps is not None)
    empty = {name: np.full_like(stage, np.nan) for name, stage in known.items()}
    return {name: np.stack([(maps or empty)[name] for maps in encoded], axis=1) for name in known}


def open_export(folder: Path) -> Deployed:
    """An export as its manifest describes it, on the CPU.

    Raises:
        FileNotFoundError: It is no export, or a file is missing.
        ValueError: A file is damaged, or its runtime is not installed.
    """
    manifest = read_manifest(folder)
    return open_files(folder, manifest.format, manifest.files, manifest.modalities, manifest.absent)


def open_files(
    folder: Path, kind: Format, files: Sequence[File], modalities: tuple[Modality, ...], absent: Absent
) -> Deployed:
    """The same from what a manifest says, or will say."""
    runs = {file.part: open_file(folder / file.name, kind, file.inputs, file.outputs) for file in files if file.inputs}
    return Deployed(runs, modalities, absent == "mean image")
