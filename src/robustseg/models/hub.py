"""Model folders by their name on the Hugging Face Hub: `hf://org/name`, or `hf://org/name@revision`.

Only the files of a model folder are fetched, into huggingface_hub's cache, and only when such a name is given. What was
fetched is read as any other folder is, which trusts nothing in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robustseg.files import one_line

LARGEST = {"model.json": 10**6, "model.safetensors": 2**32, "health.safetensors": 16 * 10**6, "README.md": 10**6}
"""The files of a model folder, spelt out so that no name needs PyTorch, and the bytes beyond which none is fetched."""

NO_HUB = "names on the hub need one more package: pip install 'robustseg[hub]'"


@dataclass(frozen=True)
class HubName:
    """A model's name on the hub.

    Attributes:
        repository: "org/name".
        revision: A branch, a tag or a commit.
    """

    repository: str
    revision: str = "main"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", self.repository, re.ASCII):
            raise ValueError(f"a model on the hub is called org/name, not {self.repository!r}")
        if not re.fullmatch(r"\w[\w./-]*", self.revision, re.ASCII) or ".." in self.revision:
            raise ValueError(f"a revision is a branch, a tag or a commit, not {self.revision!r}")

    def __str__(self) -> str:
        return f"hf://{self.repository}@{self.revision}"


def hub_name(folder: str | Path) -> HubName | None:
    """The name on the hub that stands in place of a folder; None if it is a folder.

    Raises:
        ValueError: It starts as a name on the hub does, and is none.

    Example:
        >>> hub_name("hf://org/name@v1")
        HubName(repository='org/name', revision='v1')
        >>> hub_name("runs/world/student") is None
        True
    """
    found = re.match("hf:/{1,2}", str(folder))  # a Path makes one slash of two
    if found is None:
        return None
    repository, _, revision = str(folder)[found.end() :].partition("@")
    return HubName(repository, revision) if revision else HubName(repository)


def local_folder(folder: str | Path) -> Path:
    """The folder, or where a name on the hub was fetched to.

    Raises:
        OSError: It cannot be fetched.
        ValueError: It is no name, a file is absurdly large, or huggingface_hub is not installed.
    """
    name = hub_name(folder)
    return Path(folder) if name is None else fetch(name)


def fetch(name: HubName) -> Path:
    """Fetches the model folder of a name, unless it is there already; gives its place in huggingface_hub's cache.

    The hub is asked each time which commit a branch stands for. With HF_HUB_OFFLINE=1 nothing is asked, and what was
    fetched before is used.

    Raises:
        OSError: There is no such model or revision, or the hub cannot be reached.
        ValueError: A file is absurdly large, or huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import constants
    except ImportError:
        raise ValueError(NO_HUB) from None
    if constants.HF_HUB_OFFLINE:
        return Path(_snapshot(name, name.revision, local_files_only=True))
    files = _snapshot(name, name.revision, dry_run=True)
    _check_sizes(name, {file.filename: file.file_size for file in files})
    return Path(_snapshot(name, files[0].commit_hash))


def _snapshot(name: HubName, revision: str, **options: Any) -> Any:
    from huggingface_hub import snapshot_download

    try:
        return snapshot_download(name.repository, revision=revision, allow_patterns=[*LARGEST], **options)
    except Exception as error:  # of the hub, and of what it speaks HTTP with: they share no base
        raise OSError(f"cannot fetch {name}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """Why the hub did not do what was asked, on one line."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        DryRunError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    match (error.__cause__ or error) if isinstance(error, DryRunError) else error:
        case RepositoryNotFoundError():
            return "there is no such model, or it is not yours to see (hf auth login)"
        case RevisionNotFoundError():
            return "there is no such revision"
        case LocalEntryNotFoundError() if constants.HF_HUB_OFFLINE:
            return "it was not fetched before, or not all of it, and HF_HUB_OFFLINE is set"
        case other:
            return one_line(str(other)) or type(other).__name__


def _check_sizes(name: HubName, sizes: dict[str, int | None]) -> None:
    """Raises ValueError for what is no model folder, before any of it is fetched."""
    for file, size in sizes.items():
        if size is None or size > LARGEST[file]:
            raise ValueError(f"{name}: {file} has {size} bytes; at most {LARGEST[file]} are fetched")
    missing = [file for file in ("model.json", "model.safetensors") if file not in sizes]
    if missing:
        raise ValueError(f"{name} is no model folder: it has no {missing[0]}")
