"""Progress bars, on the error stream, so that results can be piped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, track

T = TypeVar("T")


@contextmanager
def progress_bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar, driven by a function of (done, all)."""
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(escape(text), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def tracked(text: str) -> Callable[[Sequence[T]], Iterable[T]]:
    """Passes entries through and shows how far it is."""
    return lambda entries: track(entries, escape(text), console=Console(stderr=True))
