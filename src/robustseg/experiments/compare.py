"""The whole job: what is missing is trained and scored, then everything there is becomes tables, plots and a page."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from robustseg.experiments.check import check_methods
from robustseg.experiments.grid import Comparison
from robustseg.experiments.job import Job, Key, Places, trained
from robustseg.experiments.outputs import PAGE, find, write_all
from robustseg.experiments.result import Result, read_result
from robustseg.experiments.running import run_jobs
from robustseg.experiments.schedule import Wish, make_agenda, make_job, stored_results
from robustseg.report.page import write_report
from robustseg.report.tables import Grid
from robustseg.training.learners import given_teacher

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


def write_tables(comparison: Comparison, places: Places, *, show: str = "") -> Grid:
    """Tables, plots and a page from the results that there are; gives the table of the methods.

    Args:
        comparison: All methods.
        places: Where the results are, and where the tables go.
        show: A method whose first run's report the page is, beside its teacher's; "" = a page of the results alone.

    Raises:
        ValueError: A result is damaged or was made from something else.
        FileNotFoundError: There is none.
        OSError: They cannot be written.
    """
    results = stored_results(comparison, places)
    if not results:
        raise FileNotFoundError(f"{places.results} holds no result of {', '.join(comparison.methods)}")
    found = find(comparison, results)
    grid = write_all(found, places.results)
    if show:
        write_report(_shown(comparison, places, show), places.results / PAGE, root=places.root, extra=found.sections())
    return grid


def _shown(comparison: Comparison, places: Places, name: str) -> list[Path]:
    """The model folders of a method's first seed, and of its teacher.

    Raises:
        ValueError: There is no such method.
        FileNotFoundError: It has no weights.
    """
    comparison.with_needs([name])  # which complains of a name that is not known
    job = make_job(comparison, (name, min(comparison.methods[name].seeds)), places)
    if not trained(job.model):
        raise FileNotFoundError(f"{job.model} holds no weights, so there is nothing to show: leave --show out")
    teacher = given_teacher(job.recipe)
    return [job.model, *([teacher] if teacher and trained(teacher) else [])]


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
        end = f", about {_time(rest)} left" if left and rest else ""
        done = f"{len(self.took)} of {len(self.jobs)} done"
        self.say(f"{key[0]} seed {key[1]}: {_scores(result)} in {_time(seconds)}; {done}{end}")

    def _expected(self, key: Key) -> float:
        known = {other: seconds for other, seconds in self.took.items() if seconds}  # 0: another command's work
        alike = [seconds for (name, _), seconds in known.items() if name == key[0]]
        return statistics.mean(alike or known.values() or [0.0])


def _scores(result: Result) -> str:
    rows = result.protocols["emm"]
    shown = {"mean": rows.mean, "all": rows.all, "worst": rows.worst}
    return ", ".join(f"{name} {score:.2f}" for name, score in shown.items() if score is not None)


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
