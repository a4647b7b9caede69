"""Progress bars, on the error stream, so that results can be piped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

T = TypeVar("T")

Report = Callable[[int, int], None]
"""Told of (done, all)."""

PAUSE = 30.0
"""Seconds between lines where no bar can be drawn."""


@contextmanager
def progress_bar(text: str) -> Iterator[Report]:
    """A progress bar, driven by a function of (done, all); in a log file a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(text, console)
        return
    with Progress(console=console) as bar:
        task = bar.add_task(escape(text), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def tracked(text: str) -> Callable[[Sequence[T]], Iterable[T]]:
    """Passes entries through and shows how far it is."""

    def through(entries: Sequence[T]) -> Iterator[T]:
        with progress_bar(text) as report:
            for done, entry in enumerate(entries):
                yield entry
                report(done + 1, len(entries))

    return through


def _lines(text: str, console: Console) -> Report:
    began = said = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said < PAUSE or not 0 < done < total:
            return
        said = now
        left = (now - began) / done * (total - done) / 60
        console.print(f"{text}: {done} of {total}, about {left:.0f} minutes left", markup=False, highlight=False)

    return report
