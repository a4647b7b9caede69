"""A visitor's own images: small enough, of one size, in the units of the model's modalities.

Letters: `M` modalities, `H W` size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from robustseg.data.channels import compose
from robustseg.data.reading import in_unit, read_image
from robustseg.data.sample import Sample
from robustseg.labels import IGNORE
from robustseg.modalities import Modality

MOST_BYTES = 2**25
"""Of one file."""

MOST_PIXELS = 2**22
"""Of one image: more than 2048 x 2048 are for `robustseg predict`."""

NAME = "your images"
"""Of the frame."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy", ".npz")


@dataclass(frozen=True)
class Slot:
    """A file that a visitor can give: one of those that a modality is made of.

    Attributes:
        place: The modality's.
        key: Of the file, see `Modality.files`.
        label: For people.
    """

    place: int
    key: str
    label: str


def slots(modalities: tuple[Modality, ...]) -> tuple[Slot, ...]:
    """All files that a frame is made of.

    Example:
        >>> [slot.label for slot in slots((Modality("rgb"), Modality("aolp", files={"sin": "s", "cos": "c"})))]
        ['rgb', 'aolp: sin', 'aolp: cos']
    """
    return tuple(
        Slot(place, key, modality.name if len(modality.patterns) == 1 else f"{modality.name}: {key}")
        for place, modality in enumerate(modalities)
        for key in modality.patterns
    )


def read_upload(files: Mapping[Slot, Path], modalities: tuple[Modality, ...]) -> Sample:
    """A frame without labels from the files that are given; modalities without a file are not present.

    Raises:
        ValueError: There is no file; one is damaged, too large, or no image; a modality lacks one of its files; sizes
            differ. Messages name modalities and files, but no folder.
    """
    given = {slot.place for slot in files}
    if not given:
        raise ValueError("give the image of at least one sensor first")
    images: dict[int, Float32[np.ndarray, "3 H W"]] = {}
    for place in sorted(given):
        paths = {slot.key: path for slot, path in files.items() if slot.place == place}
        images[place] = _image(modalities[place], paths)
    sizes = {modalities[place].name: image.shape[1:] for place, image in images.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {height}x{width}" for name, (height, width) in sizes.items())
        raise ValueError(f"all images of a frame must have one size (height x width), registered; got {listed}")
    size = next(iter(sizes.values()))
    stacked = np.zeros((len(modalities), 3, *size), np.float32)
    for place, image in images.items():
        stacked[place] = image
    present = torch.tensor([place in images for place in range(len(modalities))])
    return Sample(torch.from_numpy(stacked), torch.full(size, IGNORE, dtype=torch.int64), present, NAME)


def _image(modality: Modality, paths: Mapping[str, Path]) -> Float32[np.ndarray, "3 H W"]:
    lacking = [key for key in modality.patterns if key not in paths]
    if lacking:
        raise ValueError(f"{modality.name} is made of several files; give {', '.join(lacking)}, too")
    stored = {}
    for key, path in paths.items():
        if not path.is_file():
            raise ValueError(f"{modality.name}: {path.name} is kept no more; choose it again")
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{modality.name}: {path.name} is larger than {MOST_BYTES // 2**20} MiB")
        try:
            stored[key] = in_unit(read_image(path, max_pixels=MOST_PIXELS), modality)
        except (ValueError, OSError) as error:
            raise ValueError(f"{modality.name}: {str(error).replace(str(path), path.name)}") from None
    try:
        return compose(modality, stored)
    except ValueError as error:
        raise ValueError(f"{modality.name}: {error}") from None
