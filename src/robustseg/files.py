"""Files that are whole or absent, paths that stay where they belong, and names of others as harmless text."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a temporary neighbour, syncs it to disk and renames it to `path`.

    A reader sees the old file or the new one, never half of one, whenever the process or the machine dies. What a
    killed process left behind is removed by the next write of the same file.

    Raises:
        OSError: It cannot be written, on a full disk say.
    """
    temporary = temporary_of(path)
    try:
        write(temporary)
        put_in_place(temporary, path)
    except OSError as error:
        if error.filename is None:  # a full disk names no file, and numpy not even the disk
            raise no_room(path, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def temporary_of(path: Path) -> Path:
    """A neighbour of `path` to be filled, which only this process uses; makes the folder, removes what is stale.

    For files that are filled bit by bit; others have `write_atomically`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(path)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")


def put_in_place(temporary: Path, path: Path) -> None:
    """Syncs a filled neighbour of `path` to disk and renames it to that."""
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(temporary, path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def no_room(path: Path, error: OSError) -> OSError:
    """What to tell of an error that left `path` unwritten."""
    return OSError(f"cannot write {path} ({error.strerror or error}): make room there, or name another folder")


def _remove_stale(path: Path) -> None:
    """Deletes the temporary neighbours of `path` whose process runs no more on this machine."""
    name = re.compile(rf"\.{re.escape(path.name)}\.([0-9]+)\.tmp{re.escape(path.suffix)}")
    for entry in path.parent.iterdir():
        match = name.fullmatch(entry.name)
        if match and not _runs(int(match[1])):
            entry.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)  # signal 0 only asks
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Writes a small text file atomically."""
    write_atomically(path, lambda temporary: _write_text(temporary, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def make_writable(folder: Path) -> None:
    """Makes a folder for results and tries it, before hours go into them.

    Raises:
        OSError: It cannot be made, or nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(f"cannot write to {folder} ({error.strerror}): name another folder with --out") from None


@contextmanager
def locked(folder: Path, busy: str) -> Iterator[None]:
    """Keeps a folder to one command at a time; the lock ends with the process, however that ends.

    Raises:
        ValueError: Another command holds it; the message is `busy`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(busy) from error
    try:
        yield
    finally:
        lock.release()


def check_ordinary(path: Path) -> None:
    """Makes sure that an ordinary file is there: a pipe or a device might keep its reader waiting for ever.

    Raises:
        FileNotFoundError: Nothing is there.
        ValueError: A folder, a pipe or a device is there.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_file():
        raise ValueError(f"{path} is no ordinary file")


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def below(root: Path, relative: str) -> Path:
    """`root / relative`, which must not lead outside `root`, not by `..` and not by a link.

    Raises:
        ValueError: It does, or its links lead in a circle.
    """
    path = root / relative
    try:
        target = path.resolve()
        circle = target.is_symlink()  # from Python 3.13 on, where `resolve` stops at it
    except RuntimeError:
        target, circle = path, True
    if circle:
        raise ValueError(f"{path} is a link that leads in a circle")
    if not target.is_relative_to(root.resolve()):
        raise ValueError(f"{relative!r} leads outside {root}, by .. or a link: put the files themselves there")
    return path


def one_line(text: str) -> str:
    """Text without line breaks and control characters, which could end a row or steer a terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)


def cell_text(text: str) -> str:
    """Text for a cell of CSV that no spreadsheet takes for a formula: an apostrophe goes before one that looks so.

    Example:
        >>> cell_text("=1+2")
        "'=1+2"
    """
    text = one_line(text)
    return "'" + text if text.lstrip().startswith(("=", "+", "-", "@")) else text
