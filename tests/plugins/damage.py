"""Files damaged at random: cut, flipped, longer, swapped, spliced; and JSON with values that it should not hold."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import yaml

Draw = np.random.Generator

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2**31, 2**63, -(10**30), 10**400, 0.5, -0.0, 1e300, float("nan"), float("inf")),
    *("", " ", "x", "../../etc/passwd", "/dev/zero", "a\x00b", "\ud800", "9" * 50, "rgb", "{", "%s", "\u202e"),
    *([], {}, [[]], [None], {"": 0}, [0] * 1000, {"a": {"a": {}}}),
)


def damaged(content: bytes, other: bytes, draw: Draw) -> bytes:
    """The content with one to three kinds of damage; `other` is of another file, to be mixed in."""
    for _ in range(draw.integers(1, 4)):
        damage = DAMAGE[draw.integers(len(DAMAGE))]
        content = damage(content, other, draw)
    return content


def odd(value: Any, draw: Draw) -> Any:
    """Plain values in which one entry, however deep, is lost, doubled or replaced."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = list(value)[draw.integers(len(value))]
        match draw.integers(8):
            case 0:
                return {name: entry for name, entry in value.items() if name != key}
            case 1:
                return value | {str(ODD[draw.integers(len(ODD))]): value[key]}
            case _:
                return value | {key: odd(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.9:
        place = draw.integers(len(value))
        match draw.integers(8):
            case 0:
                return value[:place] + value[place + 1 :]
            case 1:
                return [*value, value[place]]
            case _:
                return [*value[:place], odd(value[place], draw), *value[place + 1 :]]
    if draw.random() < 0.03:
        return deep(int(draw.integers(20, 2000)))
    return ODD[draw.integers(len(ODD))]


def deep(levels: int) -> Any:
    """Lists in lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def odd_json(content: bytes, draw: Draw) -> bytes:
    """A file of JSON or YAML with one entry that is not what it should be, as JSON, which YAML reads, too."""
    value = odd(yaml.safe_load(content), draw)
    try:
        return json.dumps(value).encode()
    except (RecursionError, ValueError):  # too deep, or too long a number, for the writer
        return b'{"a": ' + b"[" * 3000 + b"]" * 3000 + b"}"


def odd_header(content: bytes, draw: Draw) -> bytes:
    """A safetensors file with one entry of its header that is not what it should be."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = odd_json(content[8:end], draw)
    return len(header).to_bytes(8, "little") + header + content[end:]


def _cut(content: bytes, other: bytes, draw: Draw) -> bytes:
    return content[: draw.integers(len(content) + 1)]


def _behead(content: bytes, other: bytes, draw: Draw) -> bytes:
    return content[draw.integers(len(content) + 1) :]


def _flip(content: bytes, other: bytes, draw: Draw) -> bytes:
    return _changed(content, draw, len(content))


def _flip_start(content: bytes, other: bytes, draw: Draw) -> bytes:
    return _changed(content, draw, 200)


def _flip_end(content: bytes, other: bytes, draw: Draw) -> bytes:
    """Where TIFF and zip files tell what is in them."""
    start = max(0, len(content) - 200)
    return content[:start] + _changed(content[start:], draw, 200)


def _changed(content: bytes, draw: Draw, within: int) -> bytes:
    """One to eight flipped bits in the first `within` bytes."""
    values = bytearray(content)
    for place in draw.integers(min(within, len(content)), size=draw.integers(1, 9)) if content else ():
        values[place] ^= 1 << draw.integers(8)
    return bytes(values)


def _overwrite(content: bytes, other: bytes, draw: Draw) -> bytes:
    """Some bytes are all zero, all ones or random."""
    length, start = int(draw.integers(1, 17)), int(draw.integers(len(content) + 1))
    filler = (bytes(length), b"\xff" * length, draw.bytes(length))[draw.integers(3)]
    return content[:start] + filler + content[start + length :]


def _insert(content: bytes, other: bytes, draw: Draw) -> bytes:
    start = int(draw.integers(len(content) + 1))
    return content[:start] + draw.bytes(int(draw.integers(1, 100))) + content[start:]


def _extend(content: bytes, other: bytes, draw: Draw) -> bytes:
    return content + (draw.bytes(int(draw.integers(1, 3000))), content, other, bytes(5000))[draw.integers(4)]


def _swap(content: bytes, other: bytes, draw: Draw) -> bytes:
    """Two neighbouring pieces change places."""
    a, b, c = sorted(int(place) for place in draw.integers(len(content) + 1, size=3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def _splice(content: bytes, other: bytes, draw: Draw) -> bytes:
    """It starts as this file and ends as another."""
    return content[: draw.integers(len(content) + 1)] + other[draw.integers(len(other) + 1) :]


def _replace(content: bytes, other: bytes, draw: Draw) -> bytes:
    return other


DAMAGE: tuple[Callable[[bytes, bytes, Draw], bytes], ...] = (
    *(_cut, _behead, _flip, _flip, _flip_start, _flip_end, _overwrite, _overwrite),
    *(_insert, _extend, _swap, _splice, _replace),
)
