import pytest
from rich.console import Console

from robustseg.demo import run_demo


@pytest.mark.slow
def test_demo_leaves_everything_and_fails_loudly_when_the_student_is_no_better(tmp_path):
    """A demo far too short to teach anything."""
    with pytest.raises(ValueError, match=r"the demo failed.*at least \+5"):
        run_demo(tmp_path, train_frames=16, epochs=1, console=Console(quiet=True))
    assert (tmp_path / "table.md").read_text().count("|") > 60
    assert (tmp_path / "picture.png").stat().st_size > 50_000
    assert (tmp_path / "run" / "student" / "model.safetensors").is_file()
    assert (tmp_path / "evaluation_student" / "evaluation.json").is_file()
