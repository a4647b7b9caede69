"""What all commands share: where they speak, and how they read lists."""

from __future__ import annotations

import os
import sys

from rich.console import Console

console = Console(
    highlight=False,
    soft_wrap=True,
    markup=False,
    width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160,  # a file has no width
)


def names(text: str) -> list[str] | None:
    """The names of a list with commas; None for an empty one."""
    return [name.strip() for name in text.split(",")] if text else None
