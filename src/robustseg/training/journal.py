"""What a run says: a progress bar with the time left, a CSV row per logged step, TensorBoard where installed."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from robustseg.files import write_text

Row = dict[str, float | int]


class Journal:
    """Writes rows to `folder`/log.csv; rows beyond `first_step`, left by an interrupted run, are cut off first."""

    def __init__(self, folder: Path, *, stage: str, first_step: int, steps: int, quiet: bool = False) -> None:
        self._path = folder / "log.csv"
        self._stage = stage
        self._steps = steps
        self._step = first_step
        self._console = Console(stderr=True, quiet=quiet)
        self._progress = _progress_bar(self._console)
        self._rows = _rows_before(self._path, first_step)
        self._board = _tensorboard(folder, first_step) if not quiet else None
        self._note = ""

    def __enter__(self) -> Journal:
        self._progress.start()
        self._task = self._progress.add_task(self._stage, total=self._steps, completed=self._step, note="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self.write()  # whatever ended it: the last rows may tell why
        if self._board is not None:
            self._board.close()

    def step(self, step: int) -> None:
        """`step` optimiser steps are done."""
        self._progress.update(self._task, completed=step, note=self._note)

    def log(self, row: Row) -> None:
        """Adds a row for "step", the number of optimiser steps done, or completes the one that it has."""
        if not self._rows or self._rows[-1]["step"] != str(row["step"]):
            self._rows.append({})
        self._rows[-1] |= {key: _short(value) for key, value in row.items()}
        if "loss" in row:
            self._note = f"loss {row['loss']:.3f}"
        if self._board is not None:
            for key, value in row.items():
                self._board.add_scalar(f"{self._stage}/{key}", value, int(row["step"]))

    def score(self, row: Row, text: str) -> None:
        """Adds a validation's row, writes the file and says `text`."""
        self.log(row)
        self.write()
        self.say(text)

    def say(self, text: str) -> None:
        """One line for whoever watches; the first process's alone."""
        self._console.print(f"{self._stage}: {text}", highlight=False)

    def write(self) -> None:
        """Brings the file up to date, whole; the first process's alone."""
        if self._console.quiet:
            return
        columns = list(dict.fromkeys(key for row in self._rows for key in row))
        lines = [",".join(columns), *(",".join(row.get(key, "") for key in columns) for row in self._rows)]
        write_text(self._path, "\n".join(lines) + "\n")


def _progress_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=console.quiet or not sys.stderr.isatty(),
    )


def _rows_before(path: Path, step: int) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(stream)]
    return [row for row in rows if int(row["step"]) <= step] if step else []


def _short(value: float | int) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _tensorboard(folder: Path, first_step: int) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter  # slow to import, so only where it is wanted

    return SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)
