"""The command on a tiny world: it is killed, goes on, skips what is done, and leaves tables."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from robustseg.cli import main

RECIPE = """
data: {kind: world, size: [32, 48], world: {train_frames: 12, val_frames: 6}}
model: {backbone: mit_nano, width: 8}
teacher: {epochs: 4, batch_size: 4}
student: {epochs: 1, batch_size: 4}
machine: {accelerator: cpu, checkpoint_every: 1}
"""
GRID = """
name: tiny
recipe: tiny.yaml
seeds: [1, 2]
methods:
  teacher: {stage: teacher, seeds: [1, 2]}
  dropout: {set: {distill.logit_kl: 0, distill.hpdm: 0, distill.rrm: 0}}
  alone: {like: dropout, teacher: none, seeds: [1]}
differences: [[dropout, teacher]]
"""


def wait_for(path: Path, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"no {path}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """A folder with a grid, whose first command was killed while its teachers were being trained."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "tiny.yaml").write_text(RECIPE)
    (folder / "grid.yaml").write_text(GRID)
    words = ["-m", "robustseg", "compare", str(folder / "grid.yaml"), f"--out={folder / 'out'}"]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    command = subprocess.Popen([sys.executable, *words], env=one_thread, start_new_session=True)
    wait_for(folder / "out" / "teacher" / "seed_1" / "teacher" / "checkpoint.pt")
    os.killpg(command.pid, signal.SIGKILL)  # its processes, too: they would go on to the end of an epoch
    command.wait()
    return folder


def compare(folder: Path, *words: str) -> int:
    return main(["compare", str(folder / "grid.yaml"), f"--out={folder / 'out'}", *words])


def test_it_goes_on_skips_and_leaves_tables(killed, capsys):
    assert compare(killed) == 0
    said = capsys.readouterr().out
    assert "tiny: 5 runs to do, 0 are there" in said
    assert "5 of 5 done" in said
    out, results = killed / "out", killed / "out" / "results"
    assert "going on after step" in (out / "teacher" / "seed_1.log").read_text()
    for path in ("table.md", "table.json", "differences.md", "differences.json", "subsets.md", "report.html"):
        assert (results / path).stat().st_size > 100
    about = json.loads((results / "dropout" / "seed_2.json").read_text())
    scored = json.loads((out / "dropout" / "seed_2" / "student" / "evaluation" / "val" / "evaluation.json").read_text())
    assert about["protocols"]["emm"]["mean"] == scored["mean"]["zero"]
    assert about["made"]["gmac"] > 0
    assert str(killed) not in json.dumps(about)

    before = (results / "dropout" / "seed_2.json").stat().st_mtime_ns
    assert compare(killed) == 0
    assert "0 runs to do, 5 are there" in capsys.readouterr().out
    assert (results / "dropout" / "seed_2.json").stat().st_mtime_ns == before


def test_other_wishes(killed, capsys):
    """Runs after the test above, whose results it needs; nothing is trained."""
    for shown in ("dropout", "alone"):  # with a teacher beside it, and with none
        assert compare(killed, "--table", f"--show={shown}") == 0
        page = (killed / "out" / "results" / "report.html").read_text()
        assert all(f'<section id="{key}"' in page for key in ("subsets", "methods", "sets", "learning")), shown
    assert compare(killed, "--table", "--show=x") == 1
    grid = killed / "grid.yaml"
    text = grid.read_text()
    grid.write_text(text.replace("distill.rrm: 0", "distill.rrm: 0, student.lr: 0.5"))
    assert compare(killed) == 1
    assert "student.lr: 0.001 -> 0.5" in " ".join(capsys.readouterr().err.split())
    grid.write_text(text)
    assert compare(killed, "--seeds=one") == 1
    assert compare(killed, "--processes=0") == 1
    assert compare(killed, "--table", f"--results={killed / 'nothing'}") == 1
    assert "holds no result" in capsys.readouterr().err
