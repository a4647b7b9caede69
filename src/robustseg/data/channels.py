"""Channel expressions: how the three channels of a modality come from the channels of its files.

The grammar, with any number of spaces:

    expression = value | value - value
    value      = term | sin(term) | cos(term) | mean(term)
    term       = key | key.index

`key` names one of the modality's files and is made of letters, digits and _; `index` counts its channels from 0. A key
alone needs a file of one channel, except in `mean`, which averages all of a file's channels. Nothing is run as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from robustseg.modalities import Modality

_VALUE = r"(?:(sin|cos|mean)\s*\(\s*(\w+)(?:\.(\d+))?\s*\)|(\w+)(?:\.(\d+))?)"
_EXPRESSION = re.compile(rf"\s*{_VALUE}\s*(?:-\s*{_VALUE}\s*)?")
_FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {"sin": np.sin, "cos": np.cos}


@dataclass(frozen=True)
class Value:
    """`function(key.index)`; an empty function is none, an index of None is the whole file."""

    function: str
    key: str
    index: int | None


def parse(expression: str) -> tuple[Value, ...]:
    """The expression's one value, or the two of a difference.

    Raises:
        ValueError: It does not follow the grammar.

    Example:
        >>> parse("after.0 - before.0")
        (Value(function='', key='after', index=0), Value(function='', key='before', index=0))
    """
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise ValueError(
            f"channel {expression!r} is not key, key.index, sin(..), cos(..) or mean(..), nor one such minus another"
        )
    values = []
    for function, inner, inner_index, plain, plain_index in (match.groups()[:5], match.groups()[5:]):
        if inner or plain:
            index = inner_index if inner else plain_index
            values.append(Value(function or "", inner or plain, None if index is None else int(index)))
    return tuple(values)


def check_channels(modality: Modality) -> None:
    """Raises ValueError unless the modality's channels can be parsed and name only its own files."""
    keys = tuple(modality.patterns)
    if not modality.channels and len(keys) != 1:
        raise ValueError(
            f"modality {modality.name!r} has the files {', '.join(keys)}: say in `channels` how to use them"
        )
    for expression in modality.channels:
        for value in parse(expression):
            if value.key not in keys:
                raise ValueError(
                    f"modality {modality.name!r}: channel {expression!r} names {value.key!r}; "
                    f"its files are {', '.join(keys)}"
                )


def compose(modality: Modality, files: Mapping[str, Float32[np.ndarray, "H W _"]]) -> Float32[np.ndarray, "3 H W"]:
    """The modality's three channels from its files, which hold values in its unit.

    Raises:
        ValueError: Sizes differ, or a file has not the channels that an expression asks for.
    """
    if len({image.shape[:2] for image in files.values()}) != 1:
        raise ValueError(f"sizes differ: {', '.join(f'{key} {image.shape[:2]}' for key, image in files.items())}")
    if not modality.channels:
        (only,) = files.values()
        colour = only[..., :3] if only.shape[2] >= 3 else np.repeat(only[..., :1], 3, axis=2)  # a second one is alpha
        return np.ascontiguousarray(colour.transpose(2, 0, 1))
    planes = [_plane(parse(expression), files) for expression in modality.channels]
    return np.stack(planes).astype(np.float32, copy=False)


def _plane(values: tuple[Value, ...], files: Mapping[str, np.ndarray]) -> np.ndarray:
    first, *others = (_value(value, files[value.key]) for value in values)
    return first - others[0] if others else first


def _value(value: Value, image: np.ndarray) -> np.ndarray:
    count = image.shape[2]
    if value.index is not None and value.index >= count:
        raise ValueError(f"channel {value.key}.{value.index} is asked for, but the file has {count} (counted from 0)")
    if value.index is None and value.function == "mean":
        return image.mean(axis=2)
    if value.index is None and count != 1:
        raise ValueError(f"the file of {value.key!r} has {count} channels: write {value.key}.0 or mean({value.key})")
    return _FUNCTIONS.get(value.function, np.asarray)(image[..., value.index or 0])
