"""The state of an unfinished run on disk: whole, synced, the one before it kept."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from robustseg.files import write_atomically

CURRENT = "checkpoint.pt"
PREVIOUS = "checkpoint.previous.pt"


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Writes `state`; the checkpoint that stood there stays as the previous one.

    Raises:
        OSError: The disk is full or read-only; the earlier checkpoints are untouched.
    """
    fresh = folder / "checkpoint.new.pt"
    write_atomically(fresh, lambda path: _save(path, state))
    if (folder / CURRENT).exists():
        os.replace(folder / CURRENT, folder / PREVIOUS)
    os.replace(fresh, folder / CURRENT)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that reads back, or None where none was ever written.

    Raises:
        ValueError: There are checkpoints and none can be read.
    """
    broken = []
    for name in (CURRENT, PREVIOUS):
        if (folder / name).exists():
            try:
                return torch.load(folder / name, map_location="cpu", weights_only=True)
            except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile):
                broken.append(str(folder / name))
    if broken:
        raise ValueError(f"cannot read {' or '.join(broken)}: restore it, or start this stage over with --restart true")
    return None


def remove_checkpoints(folder: Path) -> None:
    """Deletes what only an unfinished run needs."""
    for path in (folder / CURRENT, folder / PREVIOUS, *folder.glob(".*.tmp*")):
        path.unlink(missing_ok=True)


def _save(path: Path, state: dict[str, Any]) -> None:
    try:
        torch.save(state, path)
    except RuntimeError as error:  # torch reports a full disk as a RuntimeError of its zip writer
        raise OSError(
            f"could not write {path.parent / CURRENT}: is the disk full? ({str(error).splitlines()[0]})"
        ) from error
