"""The command line on a tiny world and tiny folders, and what it answers to bad input."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from robustseg.cli import COMMANDS, main
from robustseg.deploy.health import Monitor

TINY = [
    "--data.size=[32,64]",
    "--data.world.train_frames=10",
    "--data.world.val_frames=5",
    "--model.width=16",
    "--teacher.epochs=1",
    "--student.epochs=1",
    "--teacher.batch_size=4",
    "--student.batch_size=4",
    "--machine.accelerator=cpu",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained tiny world: the folder of its run."""
    out = tmp_path_factory.mktemp("runs")
    recipe = out / "tiny.yaml"
    recipe.write_text("name: tiny\n")
    assert main(["train", str(recipe), *TINY, f"--out={out}"]) == 0
    return out / "tiny"


@pytest.mark.parametrize("words", [[], ["--help"], *([*name.split(), "--help"] for name in COMMANDS)])
def test_help_teaches(words, capsys):
    try:
        status = main(words)
    except SystemExit as stop:
        status = stop.code
    assert status == 0
    assert "usage: robustseg" in capsys.readouterr().out


def test_a_reader_may_leave_early():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "robustseg.cli", "--help"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.stderr == b""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory"),
    ],
)
def test_no_memory_is_one_line(monkeypatch, capsys, error):
    def fail(**_):
        raise error

    monkeypatch.setitem(COMMANDS, "convert", fail)
    assert main(["convert"]) == 1
    assert "out of memory: lower" in capsys.readouterr().err


def test_a_stopped_command_says_what_goes_on(monkeypatch, capsys):
    def stop(**_):
        raise KeyboardInterrupt

    for name, goes_on in (("train", True), ("evaluate", False)):
        monkeypatch.setitem(COMMANDS, name, stop)
        assert main([name]) == 130
        assert ("goes on from the last checkpoint" in capsys.readouterr().err) == goes_on


def test_version_and_the_overview(capsys):
    for words, said in ((["--version"], "robustseg 0"), (["data", "--help"], "data stats"), (["help"], "demo")):
        assert main(words) == 0
        assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--teacher.lr", "fast"], "teacher.lr"),
        (["--bogus", "3"], "--bogus"),
        (["--teacher.lr"], "--teacher.lr"),
        (["--restart", "--data.modalities", "3"], "data.modalities"),
    ],
)
def test_wrong_flags_are_one_line(run, capsys, flags, said):
    assert main(["train", str(run.parent / "tiny.yaml"), *flags]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error


def test_train_leaves_two_model_folders(run):
    for stage in ("teacher", "student"):
        names = {path.name for path in (run / stage).iterdir()}
        assert {"model.safetensors", "model.json", "recipe.yaml", "log.csv", "training.json"} <= names
        assert not any(name.startswith("checkpoint") for name in names)


def test_students_of_one_teacher(tmp_path, capsys):
    recipe = tmp_path / "one.yaml"
    recipe.write_text("name: one\n")
    assert main(["train", str(recipe), *TINY, f"--out={tmp_path}", "--teacher-only"]) == 0
    assert not (tmp_path / "one" / "student").exists()
    teacher = tmp_path / "one" / "teacher"
    other = ["--name=two", f"--distill.teacher={teacher}"]
    assert main(["train", str(recipe), *TINY, f"--out={tmp_path}", *other]) == 0
    assert f"--against {teacher}" in capsys.readouterr().out


def test_evaluate_counts_every_subset(run, capsys):
    assert main(["evaluate", str(run / "student"), "--against", str(run / "teacher")]) == 0
    assert "rgb+depth+event+lidar" in capsys.readouterr().out
    folder = run / "student" / "evaluation" / "val"
    assert json.loads((folder / "evaluation.json").read_text())
    assert len((folder / "evaluation.csv").read_text().splitlines()) > 15
    assert np.load(folder / "counts.npy", allow_pickle=False).shape[:2] == (5, 15)
    assert not (folder / "unfinished").exists()


def test_report_on_runs_and_models(run, tmp_path, capsys):
    assert main(["evaluate", str(run / "student"), "--against", str(run / "teacher")]) == 0
    (run / "teacher" / "evaluation").mkdir(exist_ok=True)
    assert main(["evaluate", str(run / "teacher")]) == 0
    out = tmp_path / "r.html"
    assert main(["report", str(run), f"--out={out}", "--frames=2"]) == 0
    assert f"tables: {tmp_path / 'r_data'}" in capsys.readouterr().out
    assert 'id="viewer"' in out.read_text()
    both = ["report", str(run / "student"), str(run / "teacher"), "--no-frames", "--out", str(out)]
    assert main(both) == 0
    assert 'id="viewer"' not in out.read_text()
    assert "Student against teacher" not in out.read_text()
    assert "Teacher against student" in out.read_text()


def test_predict_on_written_frames(run, tmp_path, capsys):
    world = tmp_path / "world"
    assert main(["data", "make-world", str(world), "--train=2", "--val=3", "--size=[32,64]"]) == 0
    next((world / "lidar" / "val").iterdir()).unlink()
    out = tmp_path / "out"
    command = ["predict", str(run / "student"), str(world), "--split=val", "--without=rgb", f"--out={out}"]
    assert main(command) == 0
    assert "without" in capsys.readouterr().out
    assert len(list((out / "labels").glob("*.png"))) == 3


def test_health_is_learned_and_lies_beside_the_weights(run, capsys):
    assert main(["health", str(run / "student"), "--limit=2"]) == 0
    assert "learned from 2 frames of train" in capsys.readouterr().out
    monitor = Monitor.of(run / "student")
    assert list(monitor.profiles) == ["rgb", "depth", "event", "lidar"]
    assert main(["health", str(run / "student"), "--limit=0"]) == 1
    assert "--limit is a number of frames" in capsys.readouterr().err


def test_predict_goes_on_after_a_bad_frame(run, tmp_path, capsys):
    world, out = tmp_path / "world", tmp_path / "out"
    assert main(["data", "make-world", str(world), "--train=1", "--val=2", "--size=[32,64]"]) == 0
    bad = min((world / "event" / "val").rglob("*.png"))
    bad.write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    assert main(["predict", str(run / "student"), str(world), "--split=val", f"--out={out}"]) == 1
    assert f"1 of 2 frames could not be read, the first is {bad.stem}: " in capsys.readouterr().err
    records = json.loads((out / "predictions.json").read_text())["frames"]
    assert ["error" in record for record in records] == [True, False]
    assert len(list((out / "labels").rglob("*.png"))) == 1


def test_written_world_trains_as_folders(tmp_path):
    world = tmp_path / "world"
    assert main(["data", "make-world", str(world), "--train=8", "--val=2", "--size=[32,64]"]) == 0
    assert main(["data", "check", str(world / "recipe.yaml")]) == 0
    assert main(["data", "stats", str(world / "recipe.yaml")]) == 0
    assert main(["train", str(world / "recipe.yaml"), *TINY, f"--out={tmp_path}", "--data.root", str(world)]) == 0


def test_a_finished_teacher_is_used_again(run, capsys):
    recipe = run.parent / "tiny.yaml"
    stamp = (run / "teacher" / "model.safetensors").stat().st_mtime_ns
    assert main(["train", str(recipe), *TINY, f"--out={run.parent}"]) == 0
    assert (run / "teacher" / "model.safetensors").stat().st_mtime_ns == stamp
    assert main(["train", str(recipe), *TINY, f"--out={run.parent}", "--teacher.lr=0.5"]) == 1
    assert "teacher.lr: 0.001 -> 0.5" in capsys.readouterr().err


def bad_commands(run, tmp_path):
    """Ten and more kinds of bad input."""
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"PK\x03\x04 not a checkpoint")
    torch.save({"encoder.bogus": torch.zeros(3)}, tmp_path / "other.pth")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_text("teacher: {epochz: 3}\n")
    folders = "data: {kind: folders, modalities: [{name: rgb}], classes: [{name: a, color: [1, 2, 3]}]}\n"
    (tmp_path / "folders.yaml").write_text(folders)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in ("model.json", "recipe.yaml"):
        (damaged / name).write_bytes((run / "student" / name).read_bytes())
    (damaged / "model.safetensors").write_bytes((run / "student" / "model.safetensors").read_bytes()[:1000])
    for split in ("train", "val"):
        for modality in ("rgb", "labels"):
            (tmp_path / "data" / modality / split).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "data" / "rgb" / split / "a.png"), np.zeros((40, 40, 3), np.uint8))
        cv2.imwrite(str(tmp_path / "data" / "labels" / split / "a.png"), np.full((40, 50), 7, np.uint8))
    convert = ["--backbone=mit_b0", "--classes=25", "--sensors=rgb,depth"]
    student = str(run / "student")
    return {
        "there is no command": ["fly"],
        "there is no recipe": ["train", str(tmp_path / "none.yaml")],
        "epochz": ["train", str(tmp_path / "bad.yaml")],
        "--data.root": ["train", str(tmp_path / "folders.yaml"), f"--out={tmp_path}"],
        "is no folder": ["train", str(tmp_path / "folders.yaml"), "--data.root=/no/such", f"--out={tmp_path}"],
        "is no model folder": ["evaluate", str(tmp_path / "empty"), f"--recipe_file={run / 'student' / 'recipe.yaml'}"],
        "kind: folders": ["train", str(run.parent / "tiny.yaml"), f"--data.root={tmp_path}"],
        "cannot write to": ["evaluate", student, f"--out={broken}"],
        "is neither a model folder": ["report", str(tmp_path / "empty"), f"--out={tmp_path / 'r.html'}"],
        "was not evaluated yet": ["report", str(damaged), f"--out={tmp_path / 'r.html'}"],
        "no device": ["evaluate", student, "--device=warp:3"],
        "SHA-256": ["evaluate", str(damaged)],
        "sonar": ["predict", student, str(tmp_path / "data"), "--only=sonar", "--split=val"],
        "no file": ["predict", student, str(tmp_path / "empty")],
        "broken.pth": ["convert", str(broken), str(tmp_path / "out"), *convert],
        "encoder.bogus": ["convert", str(tmp_path / "other.pth"), str(tmp_path / "out"), *convert],
        "none.pth": ["convert", str(tmp_path / "none.pth"), str(tmp_path / "out"), *convert],
        "not empty": ["data", "make-world", str(tmp_path / "data")],
        "problems": ["data", "check", str(tmp_path / "folders.yaml"), f"--data.root={tmp_path / 'data'}"],
        "splits": ["evaluate", student, "--split=test"],
        "comes first": ["train", "--name=x", str(tmp_path / "bad.yaml")],
        "lower batch_size": ["train", str(run.parent / "tiny.yaml"), *TINY, "--teacher.batch_size=64", "--name=x"],
    }


def test_bad_input_gets_one_clear_line(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for said, words in bad_commands(run, tmp_path).items():
        assert main(words) != 0, words
        error = capsys.readouterr().err
        assert "Traceback" not in error, words
        error = error[error.index("error: ") :].strip()
        assert said in error, (words, error)
        assert words[0] == "convert" or "\n" not in error, error  # every tensor of a wrong checkpoint has its line
