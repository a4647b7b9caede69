"""Classes and label images: ids in files become train ids 0..K-1, everything to be ignored becomes 255."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer, UInt8

IGNORE = 255
"""The train id of pixels that take part in no loss and no score."""

MAX_CLASSES = 255


@dataclass(frozen=True)
class LabelClass:
    """One class of a dataset; its place in the tuple of classes is its train id.

    Attributes:
        name: What people call it.
        color: Red, green, blue, 0..255, for pictures.
        ids: The ids in the label files that mean this class; empty = the class's place in the list.
    """

    name: str
    color: tuple[int, int, int]
    ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a class needs a name")
        if any(not 0 <= value <= 255 for value in self.color):
            raise ValueError(f"class {self.name!r}: color {self.color} has a value outside 0..255")
        if any(not 0 <= value < 65536 for value in self.ids):
            raise ValueError(f"class {self.name!r}: label ids {self.ids} must lie in 0..65535")


def class_names(classes: Sequence[LabelClass]) -> tuple[str, ...]:
    """The classes' names, empty where a class only has its number for a name.

    Example:
        >>> class_names([LabelClass("class 0", (0, 0, 0)), LabelClass("car", (1, 2, 3))])
        ('', 'car')
    """
    return tuple("" if entry.name == number_name(place) else entry.name for place, entry in enumerate(classes))


def number_name(place: int) -> str:
    """What a class is called whose name is unknown, as in a converted checkpoint."""
    return f"class {place}"


def label_table(classes: Sequence[LabelClass], ignore_ids: Sequence[int] = (IGNORE,)) -> dict[int, int]:
    """File id -> train id for every known id.

    Raises:
        ValueError: An id is given to two classes, or to a class and to `ignore_ids`, or has more than 16 bits.

    Example:
        >>> label_table([LabelClass("road", (1, 2, 3), ids=(7, 8)), LabelClass("car", (4, 5, 6), ids=(1,))])
        {255: 255, 7: 0, 8: 0, 1: 1}
    """
    if not 1 <= len(classes) <= MAX_CLASSES:
        raise ValueError(f"between 1 and {MAX_CLASSES} classes are needed, got {len(classes)}")
    if any(abs(file_id) > 65535 for file_id in ignore_ids):
        raise ValueError(f"ignore_ids {tuple(ignore_ids)} must lie in -65535..65535")
    table = dict.fromkeys(ignore_ids, IGNORE)
    for train_id, entry in enumerate(classes):
        for file_id in entry.ids or (train_id,):
            if file_id in table:
                raise ValueError(f"label id {file_id} of class {entry.name!r} is already taken")
            table[file_id] = train_id
    return table


def unknown_ids(ids: Integer[np.ndarray, "H W"], table: dict[int, int]) -> list[int]:
    """The ids of a label image that `table` does not know, in rising order."""
    return [int(value) for value in np.unique(ids) if int(value) not in table]


def colorize(labels: Integer[np.ndarray, "H W"], classes: Sequence[LabelClass]) -> UInt8[np.ndarray, "H W 3"]:
    """Paints train ids with their classes' colors; ignored pixels become black."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(classes)] = [entry.color for entry in classes]
    return palette[labels]
