"""Which jobs of a comparison are to be done, in which order, and what is there already."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache

from robustseg.experiments.grid import Comparison
from robustseg.experiments.job import Job, Key, Places, fingerprints, located, trained
from robustseg.experiments.result import Result, disagreements, read_result
from robustseg.recipe import Data
from robustseg.recipe_file import plain
from robustseg.strict import from_plain

MOST_DIFFERENCES = 8


@dataclass(frozen=True)
class Wish:
    """What is asked of a comparison.

    Attributes:
        only: Methods; () = all. What they need is done as well.
        seeds: () = each method's own.
        redo: Methods whose results are thrown away, and those of all methods that need them.
    """

    only: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    redo: tuple[str, ...] = ()


@dataclass
class Agenda:
    """What is to be done, what is needed first standing first, and what is done."""

    todo: dict[Key, Job] = field(default_factory=dict)
    done: dict[Key, Result] = field(default_factory=dict)


def wanted(comparison: Comparison, wish: Wish) -> list[Key]:
    """The runs that are asked for, seed by seed, so that all methods soon stand beside each other.

    Raises:
        ValueError: There is no such method, or no method has such a seed.
    """
    chosen = comparison.with_needs(wish.only or tuple(comparison.methods))
    known = {seed for name in chosen for seed in comparison.methods[name].seeds}
    if unknown := [seed for seed in wish.seeds if seed not in known]:
        raise ValueError(f"no method has seed {unknown[0]}; the file has {', '.join(map(str, sorted(known)))}")
    seeds = wish.seeds or tuple(sorted(known))
    return [(name, seed) for seed in seeds for name in chosen if seed in comparison.methods[name].seeds]


def make_agenda(comparison: Comparison, wish: Wish, places: Places) -> Agenda:
    """What is to be done: runs without a result, and methods whose weights such runs need and that are gone.

    Nothing is written or deleted.

    Raises:
        ValueError: A stored result was made otherwise than the comparison says now; the message says in what.
    """
    again = comparison.dependents(wish.redo) if wish.redo else set()
    for name in wish.redo:
        comparison.with_needs([name])  # which complains of a name that is not known
    agenda = Agenda()
    for key in wanted(comparison, wish):
        _add(agenda, key, comparison, places, again, weights=False)
    return agenda


def stored_results(comparison: Comparison, places: Places) -> dict[Key, Result]:
    """All results that exist, by method in the file's order and by seed; the data need not be at hand.

    Raises:
        ValueError: A file is damaged, or was made otherwise than the comparison says now.
    """
    found = {}
    for method in comparison.methods.values():
        for seed in sorted(method.seeds):
            job = make_job(comparison, (method.name, seed), places)
            if job.result_file.is_file():
                found[job.key] = agreeing_result(job, frames=False)
    return found


def make_job(comparison: Comparison, key: Key, places: Places, *, redo: bool = False) -> Job:
    """The job of a run."""
    method = comparison.methods[key[0]]
    stages = {name: comparison.methods[name].stage for name in method.needs}
    return Job(method, key[1], stages, comparison.protocols, places, redo)


def agreeing_result(job: Job, *, frames: bool = True) -> Result:
    """A job's stored result.

    Raises:
        ValueError: It is damaged, or was made otherwise than the job would make it now.
    """
    path = job.result_file
    result = read_result(path)
    lines = disagreements(result, job.method, job.seed, _fingerprints(job) if frames else None)
    lines += [f"protocol {name} is missing" for name in job.protocols if name not in result.protocols]
    if lines:
        shown = "; ".join(lines[:MOST_DIFFERENCES]) + ("; ..." if len(lines) > MOST_DIFFERENCES else "")
        raise ValueError(
            f"{path} was made from something else ({shown}): put the grid and its recipe back, or throw the method's "
            f"results away with --redo {job.method.name}"
        )
    return result


def _add(agenda: Agenda, key: Key, comparison: Comparison, places: Places, again: set[str], *, weights: bool) -> None:
    """Adds a run if its result is missing or, for one that others need, its weights; what it needs comes before it."""
    if key in agenda.todo:
        return
    job = make_job(comparison, key, places, redo=key[0] in again)
    if job.result_file.is_file() and not job.redo:
        agenda.done[key] = agreeing_result(job)
        if not weights or trained(job.model):
            return
    for needed in job.needs:
        _add(agenda, needed, comparison, places, again, weights=True)
    agenda.todo[key] = job


def _fingerprints(job: Job) -> dict[str, str]:
    return _of_data(json.dumps(plain(located(job.method.recipe, job.places.root).data)))


@lru_cache(maxsize=16)
def _of_data(text: str) -> dict[str, str]:
    """Of data as JSON: most methods have the same, and what names files by a mapping cannot be a key."""
    return fingerprints(from_plain(json.loads(text), Data))
