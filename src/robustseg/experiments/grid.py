"""The file of a comparison: methods as changes of one recipe, who teaches whom, which rows are subtracted.

A file's settings become recipes here, and everything that can be wrong with them alone is found here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal

from robustseg.files import below
from robustseg.recipe import NO_TEACHER, Recipe
from robustseg.recipe_file import plain, read_recipe, read_yaml
from robustseg.robustness.cases import PROTOCOLS
from robustseg.strict import from_plain

Stage = Literal["teacher", "student"]

SCRATCH = "scratch"
"""A student that starts from random weights, or the recipe's encoder weights."""

RESERVED = ("results", SCRATCH, NO_TEACHER)
"""Names that no method may have: the folder of the results, and what `start` and `teacher` mean by them."""

OWN_KEYS = ("seed", "name", "out", "data.root", "distill.teacher", "distill.student_init")
"""Keys of a recipe that the grid itself decides."""


@dataclass(frozen=True)
class Entry:
    """A method as the file tells it; None = as the method that it is `like`, or else the default.

    Attributes:
        like: Another method, whose fields are taken first.
        stage: "teacher" = trained on complete sensors, or "student", the default.
        seeds: Its own, instead of the grid's.
        teacher: The method that a student learns from, or "none"; by default the one that is called teacher.
        start: The method whose weights a student starts from, or "scratch"; by default its teacher, if it has one.
    """

    like: str | None = None
    stage: Stage | None = None
    seeds: tuple[int, ...] | None = None
    teacher: str | None = None
    start: str | None = None


@dataclass(frozen=True)
class GridFile:
    """A comparison's file without the methods' settings of the recipe."""

    name: str
    recipe: str
    seeds: tuple[int, ...]
    methods: dict[str, Entry]
    protocols: tuple[str, ...] = ("emm",)
    differences: tuple[tuple[str, str], ...] = ()
    floors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """One method of a comparison.

    Attributes:
        name: Of the method, and of its folders.
        stage: What is trained.
        recipe: What to do, whatever the seed.
        seeds: How often, from which draws.
        teacher: The method that teaches; "" = none does.
        start: The method whose weights it starts from, or "scratch"; "" for a teacher.
    """

    name: str
    stage: Stage
    recipe: Recipe
    seeds: tuple[int, ...]
    teacher: str = ""
    start: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """The methods that must be trained before."""
        return tuple(dict.fromkeys(name for name in (self.teacher, self.start) if name not in ("", SCRATCH)))


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        name: Of all of it.
        methods: By name, in the file's order.
        protocols: How sensors fail when a model is scored; "emm" is always there.
        differences: Pairs of methods, the second is subtracted from the first.
        floors: Modality -> the method that has it alone.
    """

    name: str
    methods: dict[str, Method]
    protocols: tuple[str, ...]
    differences: tuple[tuple[str, str], ...]
    floors: dict[str, str]

    def with_needs(self, chosen: Sequence[str]) -> list[str]:
        """Some methods and all that they need, what is needed first.

        Raises:
            ValueError: There is no such method.
        """
        found: dict[str, None] = {}

        def add(name: str) -> None:
            for needed in self.methods[_known(name, self.methods, "there is no method")].needs:
                add(needed)
            found[name] = None

        for name in chosen:
            add(name)
        return list(found)

    def dependents(self, chosen: Sequence[str]) -> set[str]:
        """Some methods and all that need them."""
        return {name for name in self.methods if set(self.with_needs([name])) & set(chosen)}


def read_grid(path: Path) -> Comparison:
    """Reads a comparison's file, and the recipe that it names, as strictly as a recipe is read.

    Raises:
        FileNotFoundError: The file or its recipe is not there.
        ValueError: Something in it makes no sense; the message names the method.
    """
    try:
        values = read_yaml(path, "grid")
        settings = _take_settings(values)
        file = from_plain(values, GridFile)
        _check_names(file)
        base = read_recipe(below(path.parent, file.recipe))
        _check_base(base, file.recipe)
        order = _order(file.methods, lambda name: (file.methods[name].like,), "like")
        entries: dict[str, Entry] = {}
        for name in order:  # a method that others are like comes before them
            like = file.methods[name].like
            entries[name] = _merged(file.methods[name], entries[like] if like else Entry())
            settings[name] = (settings[like] if like else {}) | settings[name]
        methods = {name: _method(name, entries[name], settings[name], base, file) for name in file.methods}
        _check_needs(methods)
        return Comparison(file.name, methods, file.protocols, file.differences, file.floors)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _take_settings(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The methods' `set`, which may hold any values, taken out of what the file holds."""
    methods = values.get("methods")
    if not isinstance(methods, dict) or not methods:
        raise ValueError("methods must be a mapping of names to what makes them special")
    found = {}
    for name, entry in methods.items():
        settings = entry.pop("set", {}) if isinstance(entry, dict) else {}
        if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
            raise ValueError(f"method {name!r}: set must be a mapping of a recipe's keys, as in {{distill.rrm: 0}}")
        found[name] = settings
    return found


def _check_names(file: GridFile) -> None:
    for name in (file.name, *file.methods):
        if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name) or name in RESERVED:
            raise ValueError(f"{name!r} cannot be a name: letters, digits, _ and - are, {' and '.join(RESERVED)} not")
    for name, entry in file.methods.items():
        seeds = entry.seeds if entry.seeds is not None else file.seeds
        if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError(f"method {name!r}: seeds must be different numbers from 0 on, got {list(seeds)}")
        if entry.like is not None:
            _known(entry.like, file.methods, f"method {name!r} is like no method")
    for protocol in file.protocols:
        _known(protocol, PROTOCOLS, "there is no protocol")
    if "emm" not in file.protocols:
        raise ValueError("protocols must hold emm, which all tables are about")
    for one, other in file.differences:
        _known(one, file.methods, "differences name no method")
        _known(other, file.methods, "differences name no method")
    for modality, name in file.floors.items():
        _known(name, file.methods, f"the floor of {modality} is no method")


def _check_base(recipe: Recipe, name: str) -> None:
    if recipe.distill.teacher == NO_TEACHER:
        raise ValueError(f"{name} has no teacher: leave that out there, and write teacher: none at the methods")
    if recipe.distill.teacher or recipe.distill.student_init not in ("teacher", SCRATCH):
        raise ValueError(f"{name} names model folders in distill: here methods name their teachers and starts")


def _known(name: str, known: Sequence[str] | dict[str, Any], what: str) -> str:
    if name not in known:
        raise ValueError(f"{what} {name!r}; known are {', '.join(known)}")
    return name


def _order(names: dict[str, Any], before: Callable[[str], Sequence[str | None]], what: str) -> list[str]:
    """Names in an order in which what comes before another does so; ValueError where they go in a circle."""
    try:
        return list(TopologicalSorter({name: [n for n in before(name) if n] for name in names}).static_order())
    except CycleError as error:
        raise ValueError(f"methods go in a circle ({what}): {' -> '.join(reversed(error.args[1]))}") from None


def _merged(entry: Entry, other: Entry) -> Entry:
    """An entry with what it does not say from another."""
    values = {key.name: getattr(entry, key.name) for key in fields(Entry)}
    return Entry(**{key: getattr(other, key) if value is None else value for key, value in values.items()})


def _method(name: str, entry: Entry, settings: dict[str, Any], base: Recipe, file: GridFile) -> Method:
    try:
        recipe = with_settings(base, settings)
    except ValueError as error:
        raise ValueError(f"method {name!r}: {error}") from error
    seeds = file.seeds if entry.seeds is None else entry.seeds
    if entry.stage == "teacher":
        if entry.teacher or entry.start:
            raise ValueError(f"method {name!r} is a teacher, it learns from labels alone: leave teacher and start out")
        return Method(name, "teacher", recipe, seeds)
    teacher = entry.teacher or "teacher"
    _known(teacher, (*file.methods, NO_TEACHER), f"method {name!r} learns from no method")
    usual = SCRATCH if base.distill.student_init == SCRATCH or teacher == NO_TEACHER else teacher
    start = entry.start or usual
    _known(start, (*file.methods, SCRATCH), f"method {name!r} starts from no method")
    recipe = replace(recipe, distill=replace(recipe.distill, student_init="teacher"))
    if teacher != NO_TEACHER:
        return Method(name, "student", recipe, seeds, teacher, start)
    try:
        alone = replace(recipe.distill, teacher=NO_TEACHER, student_init=SCRATCH)
    except ValueError as error:
        raise ValueError(f"method {name!r}: {error}") from error
    return Method(name, "student", replace(recipe, distill=alone), seeds, "", start)


def with_settings(recipe: Recipe, settings: dict[str, Any]) -> Recipe:
    """A recipe with some keys changed, `{"distill.rrm": 0}`; values are checked as those of a file.

    Raises:
        ValueError: No recipe has the key, the key is a group or the grid's own, or the value makes no sense.
    """
    values = plain(recipe)
    for key, value in settings.items():
        if key in OWN_KEYS:
            raise ValueError(f"set cannot change {key}, which the comparison itself decides")
        *groups, last = key.split(".")
        place: Any = values
        for group in groups:
            place = place.get(group) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise ValueError(f"no recipe has the key {key!r} (set)")
        if isinstance(place[last], dict):
            raise ValueError(f"set must name single keys, as in {key}.{next(iter(place[last]))}, not the group {key!r}")
        place[last] = value
    return from_plain(values, Recipe)


def _check_needs(methods: dict[str, Method]) -> None:
    _order(methods, lambda name: methods[name].needs, "teacher and start")
    for method in methods.values():
        for needed in method.needs:
            if lacking := sorted(set(method.seeds) - set(methods[needed].seeds)):
                raise ValueError(
                    f"method {method.name!r} has seed {lacking[0]}, which {needed!r}, that it needs, has not"
                )
