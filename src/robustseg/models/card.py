"""The small readable JSON beside the weights: all that is needed to use a model, and to read data for it again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from robustseg.files import write_text
from robustseg.labels import IGNORE, MAX_CLASSES, LabelClass, label_table
from robustseg.modalities import Modality, check_modalities
from robustseg.models.mit import SHAPES
from robustseg.recipe import LARGEST, SMALLEST, Absence, Fusion, Private, check_fusion
from robustseg.strict import in_file, load_json, to_json

LARGEST_WIDTH = 4096
MOST_MODALITIES = 64
TEMPERATURES = (0.05, 20.0)
RANDOM_ORIGIN = "random initialisation"
CARD_FILE = "model.json"
SEAL = "card_sha256"
"""The key of the card's file that holds the SHA-256 of all others."""


@dataclass(frozen=True)
class ModelCard:
    """What a model is and was made for; `save_model` fills in `version` and `sha256`.

    Attributes:
        backbone: A name in `robustseg.models.mit.SHAPES`.
        width: The decoder's embedding width.
        classes: In train-id order.
        modalities: In the order of the model's inputs, with their sensors, reading and normalisation.
        absence: What absent modalities mean to the mean.
        input_size: Height and width of the images it was trained on.
        origin: Where the initial weights come from, and their licence.
        version: Of the package that wrote the folder.
        sha256: Of the weights.
        labels: File pattern of the label images of the data it was trained on; empty = unknown.
        ignore_ids: Label ids in files that take part in no loss and no score.
        resize: Height and width that frames are resized to when they are read; None = as stored.
        benchmark: The benchmark it was trained on; empty = none. Its recipe says how the benchmark's files are read.
        temperatures: What logits are divided by before the softmax that gives the confidence, with 1, 2, ... modalities
            present; empty = not calibrated.
        calibrated_on: The frames that the temperatures were fitted on; empty = none.
        frequency: Each class's share of the labelled pixels it was trained on; empty = unknown.
        fusion: How modalities become one.
        private: What each modality has of its own in the encoder.
    """

    backbone: str
    width: int
    classes: tuple[LabelClass, ...]
    modalities: tuple[Modality, ...]
    absence: Absence
    input_size: tuple[int, int]
    origin: str = RANDOM_ORIGIN
    version: str = ""
    sha256: str = ""
    labels: str = ""
    ignore_ids: tuple[int, ...] = (IGNORE,)
    resize: tuple[int, int] | None = None
    benchmark: Literal["", "deliver", "muses", "mcubes"] = ""
    temperatures: tuple[float, ...] = ()
    calibrated_on: str = ""
    frequency: tuple[float, ...] = ()
    fusion: Fusion = "mean"
    private: tuple[Private, ...] = ()

    def __post_init__(self) -> None:
        if self.backbone not in SHAPES:
            raise ValueError(f"backbone {self.backbone!r} is none of {', '.join(SHAPES)}")
        if not 1 <= self.width <= LARGEST_WIDTH:
            raise ValueError(f"width must lie in 1..{LARGEST_WIDTH}, got {self.width}")
        if not 1 <= len(self.classes) <= MAX_CLASSES:
            raise ValueError(f"between 1 and {MAX_CLASSES} classes are possible, got {len(self.classes)}")
        if len(self.modalities) > MOST_MODALITIES:
            raise ValueError(f"at most {MOST_MODALITIES} modalities are possible, got {len(self.modalities)}")
        check_modalities(self.modalities)
        check_fusion(self.fusion, self.absence, self.private)
        label_table(self.classes, self.ignore_ids)
        _check_size("input_size", self.input_size)
        _check_size("resize", self.resize or self.input_size)
        _check_temperatures(self.temperatures, len(self.modalities))
        _check_frequency(self.frequency, len(self.classes))


def read_card(folder: Path) -> ModelCard:
    """The card of a model folder.

    Raises:
        FileNotFoundError: The folder or its card is not there.
        ValueError: The card is not exactly what `ModelCard` describes, or is not as it was written; names the file and
            the key.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no model folder: it has no {CARD_FILE}")
    values = load_json(path)
    if isinstance(values, dict) and SEAL in values and values.pop(SEAL) != digest(values):  # older cards have no seal
        raise ValueError(
            f"{path} was damaged or edited: its {SEAL} is not that of the rest of it. Copy it again or, if the change "
            f"is meant, delete the line {SEAL}"
        )
    card = in_file(path, values, ModelCard)
    if not re.fullmatch("[0-9a-f]{64}", card.sha256):
        raise ValueError(f"{path}: sha256 must be 64 hexadecimal digits, got {card.sha256!r}")
    return card


def write_card(folder: Path, card: ModelCard) -> None:
    """Writes a model folder's card, whole or not at all."""
    write_text(folder / CARD_FILE, card_text(card))


def card_text(card: ModelCard) -> str:
    """What a card's file holds: the card, and the SHA-256 of its canonical text."""
    return to_json(asdict(card) | {SEAL: digest(asdict(card))})


def digest(values: Mapping[str, Any]) -> str:
    """The SHA-256 of plain values in their canonical text: JSON in ASCII, keys sorted, without spaces.

    It depends on the values alone, not on how a file lays them out.

    Example:
        >>> digest({"a": 1, "b": [2.5]}) == digest({"b": [2.5], "a": 1})
        True
    """
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _check_temperatures(temperatures: tuple[float, ...], modalities: int) -> None:
    lowest, highest = TEMPERATURES
    if len(temperatures) not in (0, modalities):
        raise ValueError(f"temperatures must be none or {modalities}, one for each number of modalities")
    if not all(lowest <= value <= highest for value in temperatures):
        raise ValueError(f"temperatures must lie in {lowest:g}..{highest:g}, got {temperatures}")


def _check_frequency(frequency: tuple[float, ...], classes: int) -> None:
    if not frequency:
        return
    if len(frequency) != classes or not all(0 <= share <= 1 for share in frequency) or abs(sum(frequency) - 1) > 0.01:
        raise ValueError(f"frequency must be none or the shares of {classes} classes, 1 together, got {frequency}")


def _check_size(name: str, size: tuple[int, int]) -> None:
    if not all(SMALLEST <= value <= LARGEST for value in size):
        raise ValueError(f"{name} must lie in {SMALLEST}..{LARGEST}, got {size}")
