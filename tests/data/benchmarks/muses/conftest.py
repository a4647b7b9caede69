"""A small made-up MUSES that tests share, and a copy of it that they may spoil."""

import shutil
from pathlib import Path

import pytest

from robustseg.data.fake.muses import write_muses
from robustseg.recipe import Data

SIZE = (108, 192)


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Path:
    """Three scenes of each split: clear, fog and rain, by day."""
    root = tmp_path_factory.mktemp("muses") / "muses"
    write_muses(root, frames=3, size=SIZE)
    return root


@pytest.fixture
def copy(tree: Path, tmp_path: Path) -> Path:
    root = tmp_path / "muses"
    shutil.copytree(tree, root, ignore=shutil.ignore_patterns("projected_robustseg"))
    return root


@pytest.fixture
def data(copy: Path) -> Data:
    return Data(kind="muses", root=str(copy))
