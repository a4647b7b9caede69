"""File patterns: which frames a folder holds and where the files of each one are.

In `img/{condition}/{split}/{name}_rgb.png`, `{split}` is given, and every other `{word}` stands for a part of one path
component. A frame is what its words say; paths are composed from the words and never leave the root. Patterns may come
from others: one component holds few words, text stands between them, and matching never goes back over a word.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from robustseg.files import below

Words = dict[str, str]
"""What the placeholders of a pattern stand for in one frame."""

MOST_WORDS = 4
"""So many words at most in one path component."""

_WORD = re.compile(r"\{(\w+)\}")


def placeholders(pattern: str) -> tuple[str, ...]:
    """The pattern's words besides `split`, in order, each once.

    Raises:
        ValueError: The pattern is empty, absolute, contains `..` or a brace that belongs to no word, or a component's
            words are too many or ambiguous.
    """
    path = PurePosixPath(pattern)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"file pattern {pattern!r} must be relative to the data root, without `..`")
    if set(_WORD.sub("", pattern)) & set("{}") or not all(word.isidentifier() for word in _WORD.findall(pattern)):
        raise ValueError(
            f"file pattern {pattern!r}: a placeholder is {{word}}, of letters, digits and _, no digit first"
        )
    known = {"split"}
    for part in path.parts:
        _check_words(part, known, pattern)
        known.update(_WORD.findall(part))
    return tuple(word for word in dict.fromkeys(_WORD.findall(pattern)) if word != "split")


def _check_words(part: str, known: set[str], pattern: str) -> None:
    """Raises ValueError unless a component's words, besides those that are known before it, can be told apart."""
    text = _WORD.sub(lambda match: "." if match[1] in known else match[0], part)
    words = _WORD.findall(text)
    if len(words) > MOST_WORDS:
        raise ValueError(f"file pattern {pattern!r}: {part!r} has more than {MOST_WORDS} words")
    if "}{" in text:
        raise ValueError(f"file pattern {pattern!r}: text must stand between the words of {part!r}")
    if len(words) > len(set(words)) > 1:
        raise ValueError(f"file pattern {pattern!r}: a word that stands twice in {part!r} must be the only one there")


def with_split(pattern: str, split: str) -> str:
    """The pattern with `{split}` filled in; for an empty split, path components that are `{split}` are left out.

    Raises:
        ValueError: The split is not one path component.

    Example:
        >>> with_split("rgb/{split}/{name}.png", "val"), with_split("rgb/{split}/{name}.png", "")
        ('rgb/val/{name}.png', 'rgb/{name}.png')
    """
    if split in (".", "..") or set(split) & set("/\\{}"):
        raise ValueError(f"split {split!r} must be the name of one folder")
    parts = [part for part in PurePosixPath(pattern).parts if split or part != "{split}"]
    return "/".join(part.replace("{split}", split) for part in parts)


def fill(pattern: str, words: Words) -> str:
    """The path of a frame's file, relative to the root.

    Example:
        >>> fill("depth/{name}.png", {"condition": "fog", "name": "0001"})
        'depth/0001.png'
    """
    return _WORD.sub(lambda match: words[match[1]], pattern)


class Tree:
    """The listings of a root's folders, each read once, none of them outside the root.

    A link is looked at when it is asked for: a stray one that leads outside harms nobody.

    Raises:
        FileNotFoundError: The root is no folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise FileNotFoundError(f"data root {root} is no folder")
        self.root = root
        self._listings: dict[str, dict[str, bool]] = {}
        self._links: set[str] = set()

    def listing(self, folder: str) -> dict[str, bool]:
        """Name -> whether it is a folder, of what a folder holds, sorted; empty if there is no such folder.

        Raises:
            ValueError: The folder is a link that leads outside the root.
        """
        if folder not in self._listings:
            self._listings[folder] = self._read(folder)
        return self._listings[folder]

    def has_file(self, relative: str) -> bool:
        """Whether there is such a file.

        Raises:
            ValueError: It is a link that leads outside the root, or in a circle.
        """
        folder, _, name = relative.rpartition("/")
        found = self.listing(folder).get(name) is False
        if found and relative in self._links:
            below(self.root, relative)
        return found

    def _read(self, folder: str) -> dict[str, bool]:
        path = below(self.root, folder)
        if not path.is_dir():
            return {}
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        self._links |= {_join(folder, entry.name) for entry in entries if entry.is_symlink()}
        kinds = {entry.name: _is_folder(entry) for entry in entries}
        return {name: is_folder for name, is_folder in kinds.items() if is_folder is not None}


def _is_folder(entry: os.DirEntry[str]) -> bool | None:
    """None for what is neither a folder nor a file; a link in a circle counts as a file, which cannot be used."""
    try:
        return entry.is_dir() if entry.is_dir() or entry.is_file() else None
    except OSError:
        return False


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def find(tree: Tree, pattern: str) -> Iterator[Words]:
    """The words of every file that matches a pattern whose split is filled in, in the order of their paths.

    Hidden files and folders are passed over, unless the pattern names them.
    """
    placeholders(pattern)
    yield from _descend(tree, "", PurePosixPath(pattern).parts, {})


def frame_names(frames: Sequence[Words]) -> tuple[str, ...]:
    """A unique name for each frame: its `{name}`, or all its words joined by `_` where names repeat or are missing.

    Raises:
        ValueError: Even the joined words repeat.
    """
    names = tuple(words.get("name", "") for words in frames)
    if "" in names or len(set(names)) != len(names):
        names = tuple("_".join(words.values()) for words in frames)
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two frames are called {repeated!r}; a frame's name must be unique: change the file pattern")
    return names


def _descend(tree: Tree, folder: str, parts: Sequence[str], words: Words) -> Iterator[Words]:
    expression = _expression(parts[0], words)
    for name, is_folder in tree.listing(folder).items():
        match = expression.fullmatch(name)
        if match is None or (name.startswith(".") and not parts[0].startswith(".")):
            continue
        known = words | match.groupdict()
        if len(parts) == 1 and tree.has_file(_join(folder, name)):
            yield known
        elif len(parts) > 1 and is_folder:
            yield from _descend(tree, _join(folder, name), parts[1:], known)


def _expression(part: str, words: Words) -> re.Pattern[str]:
    """One path component as a regular expression; a word that is known already must be the same again.

    A word ends where the text behind it occurs first. Nothing is lost if that is final, so it is an atomic group: no
    number of words makes the search go back and forth.
    """
    pieces = _WORD.split(part)  # literal, word, literal, word, ..., literal
    free = [word for word in pieces[1::2] if word not in words]
    seen: set[str] = set()
    for place in range(1, len(pieces), 2):
        word = pieces[place]
        if word in words:
            pieces[place] = re.escape(words[word])
        elif word in seen:
            pieces[place] = f"(?P={word})"
        else:
            opening = "" if word == free[-1] else "(?>"  # closed by the next word; the last one reaches the end
            pieces[place] = (")" if seen else "") + opening + f"(?P<{word}>.+?)"
            seen.add(word)
    pieces[::2] = [re.escape(piece) for piece in pieces[::2]]
    return re.compile("".join(pieces), re.DOTALL)
