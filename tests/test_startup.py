"""What is imported when: nothing heavy before it is needed. Each test asks a fresh interpreter."""

import json
import subprocess
import sys

import pytest

import robustseg

HEAVY = ("torch", "cv2", "lightning", "matplotlib", "jinja2", "PIL", "safetensors", "huggingface_hub")


def loaded_after(code: str) -> set[str]:
    """Which heavy packages a fresh interpreter has in memory after running `code`."""
    told = f"import json, sys\n{code}\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_package_alone_loads_nothing_heavy():
    assert loaded_after("import robustseg; dir(robustseg); robustseg.__version__") == set()


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["nonsense"]])
def test_the_overview_needs_no_torch(words):
    assert loaded_after(f"from robustseg.cli import main; main({words})") == set()


def test_no_commands_help_needs_torch():
    code = """
from robustseg.cli import COMMANDS, main
for name in COMMANDS:
    try:
        main([*name.split(), "--help"])
    except SystemExit:
        pass
    assert "torch" not in sys.modules, name"""
    assert loaded_after(code) == set()


def test_only_training_loads_lightning_and_only_pictures_matplotlib():
    code = "from robustseg import *; import robustseg.scoring, robustseg.report.page, robustseg.report.overview"
    assert {"torch", "cv2"} <= loaded_after(code)
    assert not {"lightning", "matplotlib"} & loaded_after(code)


def test_every_public_name_is_found():
    assert dir(robustseg) == robustseg.__all__
    for name in robustseg.__all__:
        assert getattr(robustseg, name) is not None
    with pytest.raises(AttributeError, match="module 'robustseg' has no attribute 'lod'"):
        robustseg.lod  # noqa: B018  # pyright: ignore
