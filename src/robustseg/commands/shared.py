"""What all commands share: where they speak, how they read lists, and where models lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path

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


def model_folder(model: Path) -> Path:
    """A model folder, or where one that is named on the hub, `hf://org/name`, was fetched to."""
    from robustseg.models.hub import local_folder

    return local_folder(model)


def own_folder(model: Path) -> Path:
    """A model folder that is the user's own: what is evaluated and measured lies in it, and the hub has none of it.

    Raises:
        ValueError: It is named on the hub.
    """
    from robustseg.models.hub import hub_name

    name = hub_name(model)
    if name is not None:
        copy = f"hf download {name.repository} --revision {name.revision} --local-dir FOLDER"
        raise ValueError(
            f"{name} is no place for results: name one with --out if there is that flag, or copy it: {copy}"
        )
    return model
