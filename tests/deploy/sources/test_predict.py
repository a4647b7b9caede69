"""From a file to predictions, through the command line."""

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from recordings import RIG, drive, grey, write_video

from robustseg.cli import main
from robustseg.deploy import Predictor
from robustseg.models.weights import save_model


@pytest.fixture(scope="module")
def folder(toy_model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    save_model(path, toy_model, toy_model.card)
    return path


def listed(out: Path) -> list[dict[str, Any]]:
    return json.loads((out / "predictions.json").read_text())["frames"]


def test_a_recording(ros, folder: Path, toy_model, tmp_path: Path) -> None:
    bag = ros.write(tmp_path / "drive", drive(ros))
    rig = tmp_path / "rig.yaml"
    rig.write_text(json.dumps(RIG))  # JSON is YAML
    out = tmp_path / "out"
    assert main(["predict", str(folder), str(bag), f"--rig={rig}", f"--out={out}", "--without=lidar"]) == 0
    records = listed(out)
    assert [record["time"] for record in records] == [10.0, 10.1, 10.2, 10.3]
    assert records[0]["used"] == ["rgb", "depth"]
    rows = list(csv.DictReader((out / "predictions.csv").read_text().splitlines()))
    assert [row["time"] for row in rows] == ["10.0", "10.1", "10.2", "10.3"]
    rgb = np.full((48, 64, 3), (2, 100, 200), np.uint8)
    expected = Predictor(toy_model)({"rgb": rgb, "depth": np.full((48, 64), 1.002)})
    labels = np.asarray(Image.open(out / "labels" / "000002.png"))
    np.testing.assert_array_equal(labels, np.array([7, 26, 300, 9])[expected.labels])


def test_lists_and_a_video_of_the_overlays(folder: Path, tmp_path: Path, capsys) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "cam").mkdir()
    for name in ("a", "b", "c"):
        Image.fromarray(random.integers(0, 256, (32, 48, 3), np.uint8)).save(tmp_path / "cam" / f"{name}.png")
    for name in ("a", "c"):
        np.save(tmp_path / f"{name}.npy", random.random((32, 48)))
    out, film = tmp_path / "out", tmp_path / "films" / "overlay.mp4"
    command = ["predict", str(folder), str(tmp_path), "--inputs=rgb=cam/*.png,depth=*.npy", f"--out={out}"]
    assert main([*command, f"--video={film}"]) == 0
    said = capsys.readouterr().out
    assert "note: depth is missing in 1 of 3 frames: b" in said
    assert "3 of 3 frames segmented" in said
    assert [record["used"] for record in listed(out)] == [["rgb", "depth"], ["rgb"], ["rgb", "depth"]]
    assert "time" not in listed(out)[0]
    video = cv2.VideoCapture(str(film))
    assert (video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)) == (3, 10)
    painted = np.asarray(Image.open(out / "overlay" / "a.png")).astype(float)
    assert np.abs(video.read()[1][..., ::-1] - painted).mean() < 12
    assert main(command) == 0, "the same folder may be written again"


def test_a_video_and_arrays(folder: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "drive.mp4", 5, [grey(40), grey(90)])
    assert main(["predict", str(folder), str(path), f"--out={tmp_path / 'one'}"]) == 0
    assert [record["time"] for record in listed(tmp_path / "one")] == [0, 0.2]
    np.savez(tmp_path / "run.npz", lidar=np.random.default_rng(0).random((2, 32, 48, 3)))
    assert main(["predict", str(folder), str(tmp_path / "run.npz"), f"--out={tmp_path / 'two'}"]) == 0
    assert [record["name"] for record in listed(tmp_path / "two")] == ["run/000000", "run/000001"]
    assert (tmp_path / "two" / "labels" / "run" / "000001.png").is_file()


@pytest.mark.parametrize("name", ["drive.mp4", "thermal.mp4", "link.mp4", "twin.mp4"])
def test_a_film_replaces_no_input(folder: Path, tmp_path: Path, capsys, name: str) -> None:
    for stem in ("drive", "thermal"):
        write_video(tmp_path / f"{stem}.mp4", 5, [grey(40), grey(90)])
    (tmp_path / "link.mp4").symlink_to("drive.mp4")
    (tmp_path / "twin.mp4").hardlink_to(tmp_path / "drive.mp4")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    command = ["predict", str(folder), str(tmp_path), "--inputs=rgb=drive.mp4,depth=thermal.mp4"]
    assert main([*command, f"--out={tmp_path / 'out'}", f"--video={tmp_path / name}"]) == 1
    assert "is one of the inputs" in " ".join(capsys.readouterr().err.split())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_frame_that_cannot_be_decoded_is_listed(folder: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "cam").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (48, 32)).save(tmp_path / "cam" / f"{name}.png")
    (tmp_path / "cam" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    command = ["predict", str(folder), str(tmp_path), "--inputs=rgb=cam/*", f"--out={tmp_path / 'out'}"]
    assert main(command) == 1
    assert "1 of 2 frames could not be read, the first is a: rgb: " in capsys.readouterr().err
    assert [record["skipped"] for record in listed(tmp_path / "out")] == [True, False]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.bag"], "say with --rig"),
        ([".", "--rig=none.yaml"], "no rig file"),
        ([".", "--inputs=rgb=*.png", "--split=val"], "--split is for folders laid out as the training data"),
        ([".", "--inputs=sonar=*.png"], "no input 'sonar'"),
        ([".", "--inputs=rgb=*.gif"], "matches"),
        ([".", "--inputs=rgb=*.png", "--video=a.avi"], r".mp4 files"),
    ],
)
def test_bad_commands_get_one_line(folder: Path, tmp_path: Path, capsys, monkeypatch, words, said) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (48, 32)).save(tmp_path / "a.png")
    assert main(["predict", str(folder), *words]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
