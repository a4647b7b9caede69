"""The JSON beside exported files: all that a program needs to feed them, and what was found of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from robustseg.files import below, sha256
from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.strict import read_json

MANIFEST_FILE = "manifest.json"

Format = Literal["onnx", "openvino", "torch"]
ExportPrecision = Literal["fp32", "fp16", "int8"]
Absent = Literal["anything", "mean image"]


@dataclass(frozen=True)
class File:
    """One file of an export.

    Attributes:
        part: "model", or "encoder" and "fuse_decode".
        name: Beside the manifest.
        sha256: Of its content.
        inputs: Names, in the graph's order; empty for a file that another one opens.
        outputs: Likewise.
    """

    part: str
    name: str
    sha256: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parity:
    """How the files answer, beside the model in PyTorch; of images made from a seed.

    Attributes:
        subsets: How many sets of modalities were compared.
        pixels: In how many pixels.
        compared: What the largest difference is of: logits, or confidence where the files give no logits.
        largest_difference: The largest absolute difference.
        equal_labels: Share of pixels with the same label, 0..1.
    """

    subsets: int
    pixels: int
    compared: Literal["logits", "confidence"]
    largest_difference: float
    equal_labels: float


@dataclass(frozen=True)
class Quality:
    """What a lower precision costs on real frames, as the network sees them; each with all that it has.

    Attributes:
        frames: How many; none of them was calibrated on, if there were more than one.
        source: Where they are from.
        equal_labels: Share of pixels with the label that the model gives in fp32, 0..1.
        miou: Of the exported files, in percent; None = the frames have no labels.
        miou_fp32: Of the model.
    """

    frames: int
    source: str
    equal_labels: float
    miou: float | None = None
    miou_fp32: float | None = None


@dataclass(frozen=True)
class Manifest:
    """What was exported.

    Attributes:
        form: "whole" = one file; "split" = an encoder to run once per modality, and the rest.
        format: Of the files.
        precision: What they compute in.
        files: All but this one.
        modalities: In the order of `present` and of the places that the encoder is told; images are float32 in `unit`.
        absent: What an absent modality's slot of the maps may hold: anything, NaN included, or it must hold the
            encoding of an image that is `mean` everywhere. Absent images of the whole form may be anything.
        classes: In train-id order, the ids in `labels`.
        outputs: Of the last file.
        input_size: Height and width that the network was trained on.
        smallest: Sides below it are to be padded by repeating the lower and right edges.
        resize: Height and width that the model's predictor brings frames to first; None = none.
        temperatures: In the graph already: what logits are divided by for the confidence, with 1, 2, ... modalities.
        weights: SHA-256 of the model's weights.
        version: Of this package.
        torch: Its version.
        parity: With the model.
        quality: On frames, where these were given.
    """

    form: Literal["whole", "split"]
    format: Format
    precision: ExportPrecision
    files: tuple[File, ...]
    modalities: tuple[Modality, ...]
    absent: Absent
    classes: tuple[LabelClass, ...]
    outputs: tuple[str, ...]
    input_size: tuple[int, int]
    smallest: int
    resize: tuple[int, int] | None
    temperatures: tuple[float, ...]
    weights: str
    version: str
    torch: str
    parity: Parity
    quality: Quality | None = None


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an export, whose files are there and unchanged.

    Raises:
        FileNotFoundError: It, or one of its files, is not there.
        ValueError: It is damaged, or one of its files is.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no export: it has no {MANIFEST_FILE}")
    manifest = read_json(path, Manifest)
    for file in manifest.files:
        place = below(folder, file.name)
        if not place.is_file():
            raise FileNotFoundError(f"{place} is missing: export the model again")
        if sha256(place) != file.sha256:
            raise ValueError(f"{place} was damaged or replaced: its SHA-256 is not the one in {MANIFEST_FILE}")
    return manifest


def holds_export(folder: Path) -> bool:
    """Whether a folder has the manifest of an export, whatever became of its files."""
    try:
        read_json(folder / MANIFEST_FILE, Manifest)
    except (FileNotFoundError, ValueError):
        return False
    return True
