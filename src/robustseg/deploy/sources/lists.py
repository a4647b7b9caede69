"""Image files that belong together by their order or by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path, PurePosixPath

from robustseg.data.reading import in_unit, read_image
from robustseg.deploy.sources.source import Images, SourceFrame, composed, decoded, find_parts, of_one_size
from robustseg.files import below
from robustseg.modalities import Modality

Files = dict[str, Path]
"""Name of a frame -> file, in natural order."""

_WILD = re.compile(r"[*?\[]")


class FileLists:
    """Images of each modality in files of their own: PNG, JPEG, TIFF, NPY, NPZ, in counts as dataset folders have them.

    Files belong together in their sorted order if there are as many of each input and their names, without suffix,
    either all agree or have nothing in common; else by their names, and a frame may lack some.

    Args:
        root: Where the patterns start.
        patterns: Input -> pattern below `root`: `cam/*.png`, `**` for any number of folders.
        modalities: The model's.
        resize: Bring all images of a frame to the leading one's size.

    Raises:
        FileNotFoundError: No file matches a pattern.
        ValueError: An input is unknown, a pattern leads outside the root, or files cannot be told apart or matched.
    """

    rate = None

    def __init__(
        self, root: Path, patterns: Mapping[str, str], modalities: Sequence[Modality], *, resize: bool
    ) -> None:
        self.modalities = modalities
        self.resize = resize
        self.parts = find_parts(patterns, modalities)
        self.frames, self.notes = match_files({name: list_files(root, text) for name, text in patterns.items()})
        self.files = tuple(path for files in self.frames.values() for path in files.values())
        self.length = len(self.frames)

    def __iter__(self) -> Iterator[SourceFrame]:
        """Reads one frame's files at a time."""
        for name, files in self.frames.items():
            yield decoded(name, lambda files=files: self._read(files))

    def _read(self, files: Mapping[str, Path]) -> Images:
        known = {modality.name: modality for modality in self.modalities}
        values = {}
        for name, path in files.items():
            part = self.parts[name]
            try:
                values[part] = in_unit(read_image(path), known[part.modality])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        return of_one_size(composed(values, self.modalities), self.modalities, resize=self.resize)


def list_files(root: Path, pattern: str) -> Files:
    """The files that match a pattern, called as the folders and the file behind its fixed part.

    Raises:
        FileNotFoundError: The root is no folder, or no file matches.
        ValueError: The pattern or a link leads outside the root, or two files differ in their suffix alone.
    """
    path = PurePosixPath(pattern)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"pattern {pattern!r} must be relative to {root}, without `..`")
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder: name the one that the patterns of --inputs start from")
    found = [entry for entry in root.glob(pattern) if entry.is_file()]
    if not found:
        raise FileNotFoundError(f"no file in {root} matches {pattern!r}")
    fixed = next((place for place, part in enumerate(path.parts) if _WILD.search(part)), len(path.parts) - 1)
    files: Files = {}
    for entry in sorted(found, key=lambda entry: natural(str(entry))):
        relative = entry.relative_to(root)
        name = PurePosixPath(*relative.parts[fixed:]).with_suffix("").as_posix()
        if name in files:
            raise ValueError(f"{files[name]} and {entry} differ in their suffix alone: give a pattern with the suffix")
        files[name] = below(root, relative.as_posix())
    return files


def natural(text: str) -> list[tuple[int, str]]:
    """A key for sorting in which numbers count by their value.

    Example:
        >>> sorted(["10.png", "9.png"], key=natural)
        ['9.png', '10.png']
    """
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"([0-9]+)", text)]


def match_files(lists: Mapping[str, Files]) -> tuple[dict[str, dict[str, Path]], tuple[str, ...]]:
    """Frame -> input -> file, and what is missing where.

    Raises:
        ValueError: An input's files share no name with any other's, and their numbers differ.
    """
    if len({len(files) for files in lists.values()}) == 1 and not any(
        _share_some(one, two) for one, two in combinations(lists.values(), 2)
    ):
        first = next(iter(lists.values()))
        rows = zip(*(files.values() for files in lists.values()), strict=True)
        return {name: dict(zip(lists, row, strict=True)) for name, row in zip(first, rows, strict=True)}, ()
    _check_shared(lists)
    names = sorted({name for files in lists.values() for name in files}, key=natural)
    frames = {name: {key: files[name] for key, files in lists.items() if name in files} for name in names}
    lacking = {key: [name for name in names if name not in files] for key, files in lists.items()}
    return frames, tuple(_lacking(key, absent, len(names)) for key, absent in lacking.items() if absent)


def _share_some(one: Files, two: Files) -> bool:
    """Whether some names agree, and not all."""
    return 0 < len(one.keys() & two.keys()) < max(len(one), len(two))


def _check_shared(lists: Mapping[str, Files]) -> None:
    counts = ", ".join(f"{key} {len(files)}" for key, files in lists.items())
    for key, files in lists.items():
        if not any(files.keys() & other.keys() for name, other in lists.items() if name != key):
            raise ValueError(
                f"the numbers of files differ ({counts}), and none of {key} is called like one of another input, as "
                f"{next(iter(files))!r} shows: give as many of each, or name files that belong together alike"
            )


def _lacking(key: str, names: Sequence[str], total: int) -> str:
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{key} is missing in {len(names)} of {total} frames: {shown}"
