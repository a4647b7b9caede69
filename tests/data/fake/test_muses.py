"""The made-up MUSES: real names and codings, every class, weather and time of day, the same for one seed."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from robustseg.data.benchmarks import open_benchmark
from robustseg.data.fake import write_muses
from robustseg.recipe import Data

SIZE = (54, 96)


def contents(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_everything_is_there(tmp_path):
    calls = []
    write_muses(tmp_path / "m", frames=8, size=SIZE, progress=lambda *done: calls.append(done))
    assert calls[-1] == (24, 24)
    meta = json.loads((tmp_path / "m/meta.json").read_text())
    stem = "train/rain/day/REC0002_frame_001000"
    entry = meta["REC0002_frame_001000"]
    assert entry["path_to_event_camera"] == f"event_camera/{stem}_event_camera.h5"
    assert (tmp_path / f"m/lidar/{stem}_lidar.bin").stat().st_size % 48 == 0
    assert len((tmp_path / f"m/gnss/{stem}_gnss.txt").read_text().split()) == 28
    radar = cv2.imread(str(tmp_path / f"m/radar/{stem}_radar.png"), cv2.IMREAD_UNCHANGED)
    assert (radar.shape, radar.dtype) == ((7547, 400), np.uint8)
    assert not (tmp_path / "m/gt_semantic/test").exists()
    frames = open_benchmark(Data(kind="muses", root=str(tmp_path / "m"), use=("camera",)), "train", training=True)
    kinds = {(scene.tags["weather"], scene.tags["time_of_day"]) for scene in frames.scenes}
    assert kinds == {(weather, time) for weather in ("clear", "fog", "rain", "snow") for time in ("day", "night")}
    seen = torch.cat([frames[index].labels.unique() for index in range(8)]).unique()
    assert seen.tolist() == [*range(19), 255]


def test_a_seed_is_a_tree(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_muses(tmp_path / name, frames=1, seed=seed, size=SIZE)
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    assert a != c


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "precious").touch()
    with pytest.raises(FileExistsError, match="is not empty"):
        write_muses(tmp_path, frames=1, size=SIZE)
    with pytest.raises(ValueError, match="frames must be 1 or more"):
        write_muses(tmp_path / "m", frames=0, size=SIZE)
    with pytest.raises(ValueError, match="size must lie in"):
        write_muses(tmp_path / "m", frames=1, size=(1, 1))
    assert not (tmp_path / "m").exists()
