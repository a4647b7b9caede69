"""Recipes in and out of YAML: strict reading, overrides, the resolved copy beside the weights, differences."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from robustseg.files import write_text
from robustseg.recipe import Recipe

RECIPE_FILE = "recipe.yaml"
MAX_BYTES = 1 << 20
MAX_DEPTH = 32


def add_recipe_arguments(parser: ArgumentParser, values: dict[str, Any], *, where: str) -> list[str]:
    """Adds a flag for every key of a recipe, `--teacher.epochs` and the like, with `values` as the defaults.

    Args:
        parser: To add to.
        values: The contents of a recipe file.
        where: The file's name, for messages.

    Raises:
        ValueError: `values` has an unknown key or a value of the wrong type.
    """
    added = parser.add_class_arguments(Recipe, None, fail_untyped=True)
    checker = ArgumentParser(exit_on_error=False)
    checker.add_class_arguments(Recipe, None, fail_untyped=True)
    try:
        defaults = dict(_flatten(values, set(_nested(Recipe(), ""))))
        checker.parse_object(values)
    except (ArgumentError, TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{where}: {_one_line(error)}") from error
    parser.set_defaults(defaults)
    return added


def to_recipe(values: Any) -> Recipe:
    """The recipe among a parser's instantiated values."""
    return Recipe(**{entry.name: values[entry.name] for entry in dataclasses.fields(Recipe)})


def read_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Reads a recipe; `overrides` are flags as on the command line, `["--teacher.epochs", "3"]`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no YAML, or has an unknown key or a value of the wrong type.
    """
    parser = ArgumentParser(prog=str(path), exit_on_error=False)
    add_recipe_arguments(parser, read_yaml(Path(path)), where=str(path))
    try:
        return to_recipe(parser.instantiate(parser.parse_args(list(overrides))))
    except (ArgumentError, TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: {_one_line(error)}") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file of plain values: no tags, no aliases, at most 1 MiB and 32 levels deep.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no recipe {path}; the built-in ones lie in recipes/")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: larger than {MAX_BYTES} bytes, this is no recipe")
    try:
        text = path.read_text(encoding="utf-8")
        _check_events(text, path)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid YAML: {_one_line(error)}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ValueError(f"{path}: a recipe is a mapping of keys to values")
    forbidden = [key for key in _keys(values) if key in ("class_path", "init_args")]
    if forbidden:
        raise ValueError(f"{path}: unknown key {forbidden[0]!r}; a recipe cannot name classes")
    return values


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Writes every key of `recipe`, defaults included, so that the file reads back to the same recipe."""
    write_text(path, yaml.safe_dump(plain(recipe), sort_keys=False, width=120))


def plain(value: Any) -> Any:
    """Dataclasses as mappings and tuples as lists, all the way down."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return value


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """The keys in which two plain values differ, as "key: old -> new".

    Example:
        >>> differences({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}})
        ['b.c: 2 -> 3']
    """
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        parts = [differences(old.get(key), new.get(key), f"{prefix}.{key}" if prefix else str(key)) for key in keys]
        return [line for part in parts for line in part]
    return [] if old == new else [f"{prefix}: {old} -> {new}"]


def _nested(value: Any, prefix: str) -> Iterator[str]:
    """Dotted names of the nested dataclasses, which have flags of their own."""
    for entry in dataclasses.fields(value):
        inner = getattr(value, entry.name)
        if dataclasses.is_dataclass(inner):
            yield f"{prefix}{entry.name}"
            yield from _nested(inner, f"{prefix}{entry.name}.")


def _flatten(values: dict[str, Any], groups: set[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if name in groups and not isinstance(value, dict):
            raise ValueError(f"{name} needs keys of its own, got {value!r}")
        if name in groups:
            yield from _flatten(value, groups, f"{name}.")
        else:
            yield name, value


def _check_events(text: str, path: Path) -> None:
    """Looks at the YAML piece by piece, before anything is built from it."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"{path}: YAML aliases (*name) are not accepted")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"{path}: nested more than {MAX_DEPTH} deep, this is no recipe")


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from _keys(entry)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
