"""Whether a folder is the one that was meant: a benchmark's root, not the folder above or one below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SHOWN = 8
"""So many of a wrong folder's entries are named."""


def check_root(root: Path, needed: Sequence[str], benchmark: str) -> None:
    """Looks for what must lie in a benchmark's root; a part of it is enough, missing files are named later, each.

    Args:
        root: What the user says the root is.
        needed: Names of folders or files in the root.
        benchmark: What people call it.

    Raises:
        FileNotFoundError: None is there; the message says what is, and which folder is likelier meant.
    """
    lies = f"{benchmark}'s root, which holds {', '.join(needed)}"
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}: give {lies}")
    if not _share(root, needed):
        raise FileNotFoundError(f"{root} is not {lies}; it holds {_held(root)}{_hint(root, needed)}")


def _hint(root: Path, needed: Sequence[str]) -> str:
    """The folder one level down, or some levels up, that has most of what is looked for."""
    below = sorted(path for path in root.iterdir() if path.is_dir())
    for folder in (*below, *root.absolute().parents[:4]):
        if _share(folder, needed) > 0.5:
            return f"; did you mean {folder}?"
    return ""


def _share(folder: Path, needed: Sequence[str]) -> float:
    return sum((folder / name).exists() for name in needed) / len(needed)


def _held(root: Path) -> str:
    names = sorted(path.name for path in root.iterdir())
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest if names else "nothing"
