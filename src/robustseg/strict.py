"""Untrusted values of JSON or YAML to frozen dataclasses: every key known, every value of its type, none converted."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
from collections import Counter
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

LARGEST_FILE = 1_000_000
"""Bytes; a model's JSON has a few thousand."""

DEEPEST = 32
"""Lists and mappings in one another; a model's JSON has 4."""

T = TypeVar("T")


def read_json(path: Path, kind: type[T]) -> T:
    """Reads a small JSON file as the dataclass `kind`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is too large, no JSON, or not exactly a `kind`; says which key.
    """
    return in_file(path, load_json(path), kind)


def in_file(path: Path, value: Any, kind: type[T]) -> T:
    """The plain values of a file as the dataclass `kind`.

    Raises:
        ValueError: They are not exactly a `kind`; names the file and the key.
    """
    try:
        return from_plain(value, kind)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def load_json(path: Path, *, largest: int = LARGEST_FILE) -> Any:
    """The plain values of a JSON file of at most `largest` bytes, in which no key stands twice.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is too large or no JSON.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file")
    if path.stat().st_size > largest:
        raise ValueError(f"{path} has {path.stat().st_size} bytes; at most {largest} make sense")
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        _check_depth(value)
        return value
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path} is no valid JSON, write or copy it again: {error}") from None


def to_json(value: Any) -> str:
    """A dataclass, or a mapping, as JSON that people and `read_json` can read: lists of plain values are one line."""
    values = value if isinstance(value, dict) else dataclasses.asdict(value)
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    # no JSON string holds a line break, so that none can look like the start of such a list
    flat = re.sub(r"\[\n\s+([^\[\]{}]*?)\n\s+\]", lambda found: "[" + re.sub(r"\n\s+", " ", found[1]) + "]", text)
    return flat + "\n"


def from_plain(value: Any, kind: Any, where: str = "") -> Any:
    """What JSON or YAML gives, as an instance of a type made of dataclasses, tuples, dicts of strings and scalars.

    Raises:
        ValueError: A key is unknown or missing, or a value is not of its type.

    Example:
        >>> from_plain([1, 2], tuple[int, int])
        (1, 2)
        >>> from_plain(True, int, "width")
        Traceback (most recent call last):
        ValueError: width must be int, got True
    """
    if dataclasses.is_dataclass(kind):
        return _dataclass(value, kind, where)
    arguments = get_args(kind)
    match get_origin(kind) or kind:
        case origin if origin is Literal:
            return _accept(value, isinstance(value, str) and value in arguments, where, f"one of {arguments}")
        case origin if origin in (Union, types.UnionType):
            (inner,) = (argument for argument in arguments if argument is not type(None))
            return None if value is None else from_plain(value, inner, where)
        case origin if origin is tuple:
            return _tuple(value, arguments, where)
        case origin if origin is dict:
            _accept(
                value, isinstance(value, dict) and all(type(key) is str for key in value), where, "a mapping of names"
            )
            return {key: from_plain(entry, arguments[1], f"{where}.{key}") for key, entry in value.items()}
        case origin if origin is float:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return float(
                _accept(value, number and abs(value) < 1e30 and math.isfinite(value), where, "a finite number")
            )
        case origin:
            return _accept(value, type(value) is origin, where, origin.__name__)


def _dataclass(value: Any, kind: Any, where: str) -> Any:
    _accept(value, isinstance(value, dict), where or "the file", "a mapping")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    inside = f" in {where}" if where else ""
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}{inside}; known are {', '.join(fields)}")
    required = (name for name, field in fields.items() if _required(field))
    missing = [name for name in required if name not in value]
    if missing:
        raise ValueError(f"key {missing[0]!r}{inside} is missing")
    hints = get_type_hints(kind)
    parsed = {key: from_plain(entry, hints[key], f"{where}.{key}".lstrip(".")) for key, entry in value.items()}
    return kind(**parsed)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _tuple(value: Any, arguments: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    _accept(value, isinstance(value, list), where, "a list")
    if arguments[-1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    _accept(value, len(value) == len(arguments), where, f"a list of {len(arguments)}")
    pairs = zip(value, arguments, strict=True)
    return tuple(from_plain(entry, kind, f"{where}[{place}]") for place, (entry, kind) in enumerate(pairs))


def _accept(value: Any, good: bool, where: str, wanted: str) -> Any:
    if not good:
        shown = repr(value) if len(repr(value)) < 60 else repr(value)[:60] + "..."
        raise ValueError(f"{where} must be {wanted}, got {shown}")
    return value


def _check_depth(value: Any) -> None:
    """Raises ValueError for values too deep in one another for `repr` and others, which would exhaust the stack."""
    level = [value]
    for _ in range(DEEPEST + 1):
        nested = [entry.values() if isinstance(entry, dict) else entry for entry in level if _holds_others(entry)]
        level = [child for entries in nested for child in entries]
        if not nested:
            return
    raise ValueError(f"nested more than {DEEPEST} deep")


def _holds_others(value: Any) -> bool:
    return isinstance(value, dict | list)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"a key stands twice: {twice!r}")
    return table


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
