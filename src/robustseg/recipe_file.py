"""Recipes in and out of YAML: strict reading, overrides, the resolved copy beside the weights, differences."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from robustseg.files import write_text
from robustseg.recipe import Recipe
from robustseg.strict import from_plain

RECIPE_FILE = "recipe.yaml"
MAX_BYTES = 1 << 20
MAX_DEPTH = 32


def add_recipe_arguments(parser: ArgumentParser, recipe: Recipe) -> list[str]:
    """Adds a flag for every key of a recipe, `--teacher.epochs` and the like; `recipe` gives their defaults."""
    added = parser.add_class_arguments(Recipe, None, fail_untyped=True)
    parser.set_defaults(dict(_flat(recipe)))
    return added


def refuse_groups(words: Sequence[str]) -> None:
    """Raises ValueError for `--data FILE` and the like: such a file would be read less strictly than a recipe."""
    groups = set(_groups(Recipe()))
    for word in words:
        name = word.partition("=")[0].removeprefix("--")
        if word.startswith("--") and name in groups:
            raise ValueError(f"--{name} takes no value of its own: give its keys, as in --{name}.KEY VALUE")


def to_recipe(values: Any) -> Recipe:
    """The recipe among a parser's instantiated values."""
    return Recipe(**{entry.name: values[entry.name] for entry in dataclasses.fields(Recipe)})


def read_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Reads a recipe; `overrides` are flags as on the command line, `["--teacher.epochs", "3"]`.

    A file's values are never given to the command line's parser as text: it would import classes that they name.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no YAML, or has an unknown key or a value of the wrong type.
    """
    path = Path(path)
    try:
        recipe = from_plain(read_yaml(path), Recipe)
        refuse_groups(overrides)
        parser = ArgumentParser(prog=str(path), exit_on_error=False)
        add_recipe_arguments(parser, recipe)
        return to_recipe(parser.instantiate(parser.parse_args(list(overrides)))) if overrides else recipe
    except (ArgumentError, TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: {_one_line(error)}") from error


def read_yaml(path: Path, what: str = "recipe") -> dict[str, Any]:
    """What a YAML file of plain values holds: no tags, no aliases, at most 1 MiB and 32 levels deep.

    Args:
        path: Of the file.
        what: It is called so in errors.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is none of that; the message does not name the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {what} {path.absolute()}; recipes/ in the repository has some to copy")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes, this is no {what}")
    try:
        text = path.read_text(encoding="utf-8")
        _check_events(text)
        values = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"not valid YAML: {_one_line(error)}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ValueError(f"a {what} is a mapping of keys to values")
    return values


class _Loader(yaml.SafeLoader):
    """YAML 1.2's idea of numbers, in which 1e-3 is one and 1:30 is not; dates are text, no key stands twice."""

    yaml_implicit_resolvers: ClassVar = {
        first: [
            (tag, pattern) for tag, pattern in known if not tag.endswith((":float", ":int", ":timestamp", ":merge"))
        ]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := [key for key, times in keys.items() if times > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice[0]} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes texts that either idea of numbers and dates would take for one."""


_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
    _kind.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Writes every key of `recipe`, defaults included, so that the file reads back to the same recipe."""
    write_text(path, yaml.dump(plain(recipe), Dumper=_Dumper, sort_keys=False, width=120))


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


def _flat(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and plain values of a dataclass, nested ones taken apart as their flags are."""
    for entry in dataclasses.fields(values):
        value = getattr(values, entry.name)
        if dataclasses.is_dataclass(value):
            yield from _flat(value, f"{prefix}{entry.name}.")
        else:
            yield f"{prefix}{entry.name}", plain(value)


def _groups(values: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of the nested dataclasses."""
    for entry in dataclasses.fields(values):
        value = getattr(values, entry.name)
        if dataclasses.is_dataclass(value):
            yield f"{prefix}{entry.name}"
            yield from _groups(value, f"{prefix}{entry.name}.")


def _check_events(text: str) -> None:
    """Looks at the YAML piece by piece, before anything is built from it."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("YAML aliases (*name) are not accepted")
        if getattr(event, "tag", None):
            raise ValueError(f"YAML tags ({event.tag}) are not accepted")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep, this is no recipe")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
