import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robustseg.files import below, write_atomically, write_text

KILLED = """
import os, signal, sys
from pathlib import Path
from robustseg.files import write_atomically

def write(path):
    path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

write_atomically(Path(sys.argv[1]), write)
"""


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path):
    path = tmp_path / "a[1].json"
    write_text(path, "old")
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    (left,) = set(tmp_path.iterdir()) - {path}
    assert (left.read_text(), path.read_text()) == ("half", "old")
    write_text(path, "new")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "new"


def test_what_others_are_writing_stays(tmp_path: Path):
    others = [tmp_path / f".a.json.{os.getppid()}.tmp.json", tmp_path / ".b.json.999999999.tmp.json"]
    for other in others:
        other.touch()
    write_text(tmp_path / "a.json", "new")
    assert all(other.exists() for other in others)


def test_a_failed_write_leaves_nothing(tmp_path: Path):
    write_text(tmp_path / "a", "old")

    def broken(path: Path) -> None:
        path.write_text("half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        write_atomically(tmp_path / "a", broken)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


def test_a_full_disk_names_the_file_and_a_remedy(tmp_path: Path):
    path = tmp_path / "a.npy"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as on a full disk, a write fails half-way
    try:
        with pytest.raises(OSError, match=rf"cannot write {path} \(.*\): make room"):
            write_atomically(path, lambda temporary: np.save(temporary, np.ones(1000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        write_atomically(tmp_path / "a", lambda _: (tmp_path / "missing.png").read_bytes())


def test_paths_stay_below(tmp_path: Path):
    assert below(tmp_path, "a/b") == tmp_path / "a/b"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "far").symlink_to("/")
    for relative, said in (
        ("../a", "leads outside"),
        ("far/etc", "leads outside.*a link: put the files themselves there"),
        ("loop", "loop.*in a circle"),
    ):
        with pytest.raises(ValueError, match=said):
            below(tmp_path, relative)
