"""The whole job: what is missing is trained and scored, then everything there is becomes tables, plots and a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from robustseg.experiments.check import check_methods
from robustseg.experiments.grid import Comparison
from robustseg.experiments.job import Job, Key, Places
from robustseg.experiments.result import Result, read_result
from robustseg.experiments.running import run_jobs
from robustseg.experiments.schedule import Wish, make_agenda, stored_results

__all__ = ["Wish", "run_comparison", "write_tables"]

Say = Callable[[str], None]


def run_comparison(comparison: Comparison, wish: Wish, places: Places, *, processes: int, say: Say) -> None:
    """Trains and scores what is missing.

    Args:
        comparison: All methods.
        wish: Which of them.
        places: Where.
        processes: So many runs at a time.
        say: Takes a line for each finished run.

    Raises:
        ValueError: Something is wrong with the file, the data or a stored result, found before any training; or runs
            failed, and the others are done.
    """
    if processes < 1:
        raise ValueError(f"processes must be 1 or more, got {processes}")
    agenda = make_agenda(comparison, wish, places)
    say(f"{comparison.name}: {len(agenda.todo)} runs to do, {len(agenda.done)} are there")
    if not agenda.todo:
        return
    check_methods(comparison, comparison.with_needs(tuple(dict.fromkeys(name for name, _ in agenda.todo))), places.root)
    for job in agenda.todo.values():
        if job.redo:
            job.result_file.unlink(missing_ok=True)
    told = _Overview(agenda.todo, processes, say)
    if failed := run_jobs(agenda.todo, processes, told):
        lines = "; ".join(f"{name} seed {seed}: {why}" for (name, seed), why in failed.items())
        raise ValueError(f"{len(failed)} of {len(agenda.todo)} runs failed: {lines}")


def write_tables(comparison: Comparison, places: Places, *, say: Say) -> None:
    """Tables from the results that there are.

    Raises:
        ValueError: A result is damaged or was made from something else.
        FileNotFoundError: There is none.
    """
    found = stored_results(comparison, places)
    if not found:
        raise FileNotFoundError(f"{places.results} holds no result of {', '.join(comparison.methods)}")
    for key, result in found.items():
        say(f"{key[0]} seed {key[1]}: {_scores(result)}")


@dataclass
class _Overview:
    """Says a line for each finished run, with how long the rest may take: as the same method took, or the mean one."""

    jobs: Mapping[Key, Job]
    processes: int
    say: Say
    took: dict[Key, float] = field(default_factory=dict)

    def __call__(self, key: Key, seconds: float) -> None:
        self.took[key] = seconds
        result = read_result(self.jobs[key].result_file)
        left = [other for other in self.jobs if other not in self.took]
        rest = sum(map(self._expected, left)) / max(1, min(self.processes, len(left)))
        end = f", about {_time(rest)} left" if left else ""
        done = f"{len(self.took)} of {len(self.jobs)} done"
        self.say(f"{key[0]} seed {key[1]}: {_scores(result)} in {_time(seconds)}; {done}{end}")

    def _expected(self, key: Key) -> float:
        alike = [seconds for (name, _), seconds in self.took.items() if name == key[0]]
        known = alike or list(self.took.values())
        return sum(known) / len(known)


def _scores(result: Result) -> str:
    rows = result.protocols["emm"]
    shown = {"mean": rows.mean, "all": rows.all, "worst": rows.worst}
    return ", ".join(f"{name} {score:.2f}" for name, score in shown.items() if score is not None)


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
