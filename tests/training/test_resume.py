"""An interrupted run ends with the very weights of an uninterrupted one."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from robustseg.recipe import Data, Machine, Schedule, World
from robustseg.recipe_file import write_recipe
from robustseg.training.checkpoint import CURRENT, PREVIOUS, load_checkpoint, save_checkpoint
from robustseg.training.run import train


@pytest.fixture
def small_recipe(recipe):
    """Two epochs of three steps in each stage, a checkpoint after every step."""
    schedule = Schedule(epochs=2, batch_size=4, warmup_epochs=0.5, ema=0.9)
    data = Data(size=(32, 64), world=World(train_frames=14, val_frames=4))
    machine = Machine(accelerator="cpu", log_every=1, checkpoint_every=1)
    return partial(recipe, data=data, teacher=schedule, student=schedule, machine=machine, holdout=0.15)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def stop_after(monkeypatch: pytest.MonkeyPatch, saves: int) -> None:
    """Dies like a process that is killed, right after so many checkpoints."""
    from robustseg.training import fit

    count = 0

    def save_and_die(folder: Path, state: dict) -> None:
        nonlocal count
        save_checkpoint(folder, state)
        count += 1
        if count == saves:
            raise SystemExit("killed")

    monkeypatch.setattr(fit, "save_checkpoint", save_and_die)


@pytest.mark.parametrize("saves", [2, 3, 7])  # in the middle of an epoch, at its end, in the student's first epoch
def test_interrupted_run_is_bit_equal(small_recipe, tmp_path, monkeypatch, saves):
    whole = train(small_recipe(tmp_path / "whole"))
    with monkeypatch.context() as patch:
        stop_after(patch, saves)
        with pytest.raises(SystemExit):
            train(small_recipe(tmp_path / "broken"))
    resumed = train(small_recipe(tmp_path / "broken"))
    for stage in ("teacher", "student"):
        assert_equal(weights(whole.parent / stage), weights(resumed.parent / stage))
        logs = [(run.parent / stage / "log.csv").read_text() for run in (whole, resumed)]
        assert logs[0] == logs[1]


@pytest.mark.slow
def test_kill_minus_nine_loses_nothing(small_recipe, tmp_path):
    """A real process, killed at three arbitrary moments."""
    whole = train(small_recipe(tmp_path / "whole", name="run"))
    recipe = tmp_path / "recipe.yaml"
    write_recipe(recipe, small_recipe(tmp_path / "killed", name="run"))
    command = [sys.executable, "-m", "robustseg.cli", "train", str(recipe)]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    student = tmp_path / "killed" / "run" / "student"
    for number in range(3):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        watched = student if number == 2 else student.with_name("teacher")
        deadline = time.monotonic() + 60
        while not (watched / CURRENT).exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.15 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert_equal(weights(whole), weights(student))


def test_interrupt_writes_a_checkpoint_and_goes_on(small_recipe, tmp_path, monkeypatch):
    from robustseg.training import fit

    real = fit._optimise

    def press_ctrl_c(fabric, stage, module, running, parts):
        row = real(fabric, stage, module, running, parts)
        if running.step == 1 and stage.name == "teacher":
            signal.raise_signal(signal.SIGINT)
        return row

    whole = train(small_recipe(tmp_path / "whole"))
    recipe = small_recipe(tmp_path, machine=Machine(accelerator="cpu"))
    with monkeypatch.context() as patch:
        patch.setattr(fit, "_optimise", press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            train(recipe)
    state = load_checkpoint(tmp_path / "small" / "teacher")
    assert state is not None
    assert state["step"] == 2
    assert_equal(weights(whole), weights(train(recipe)))


def test_truncated_checkpoint_falls_back_to_the_previous(tmp_path):
    for step in (1, 2):
        save_checkpoint(tmp_path, {"step": step, "weights": torch.ones(1000)})
    current = tmp_path / CURRENT
    current.write_bytes(current.read_bytes()[:500])
    state = load_checkpoint(tmp_path)
    assert state is not None
    assert state["step"] == 1
    (tmp_path / PREVIOUS).write_bytes(b"")
    with pytest.raises(ValueError, match="--restart true"):
        load_checkpoint(tmp_path)


def test_no_checkpoint_is_no_error(tmp_path):
    assert load_checkpoint(tmp_path) is None


def test_checkpoint_with_code_in_it_is_refused(tmp_path):
    torch.save({"step": print}, tmp_path / CURRENT)
    with pytest.raises(ValueError, match="cannot read"):
        load_checkpoint(tmp_path)


def test_full_disk_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, {"step": 1})

    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc:603] . PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(tmp_path, {"step": 2})
    state = load_checkpoint(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [CURRENT]
