import inspect

import pytest
from rich.console import Console

from robustseg import commands, demo
from robustseg.demo import run_demo


def test_the_command_is_as_long_as_the_promise():
    defaults = inspect.signature(commands.demo).parameters
    assert (defaults["train_frames"].default, defaults["epochs"].default) == (demo.TRAIN_FRAMES, demo.EPOCHS)


@pytest.mark.slow
def test_demo_leaves_everything_and_fails_loudly_when_robust_is_no_better(tmp_path, monkeypatch):
    """A demo far too short to teach anything: allowed on request, a failure where five points are promised."""
    size = {"train_frames": 16, "epochs": 1, "console": Console(quiet=True)}
    run_demo(tmp_path, restart=False, **size)
    monkeypatch.setattr(demo, "TRAIN_FRAMES", 16)
    monkeypatch.setattr(demo, "EPOCHS", 1)
    with pytest.raises(ValueError, match=r"the demo failed.*at least \+5"):
        run_demo(tmp_path, restart=True, **size)
    assert (tmp_path / "table.md").read_text().count("|") > 60
    assert (tmp_path / "picture.png").stat().st_size > 50_000
    assert (tmp_path / "robust" / "student" / "model.safetensors").is_file()
    assert (tmp_path / "robust" / "student" / "evaluation" / "val" / "evaluation.json").is_file()
    assert "switch" in (tmp_path / "report.html").read_text()
