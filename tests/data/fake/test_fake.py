"""Made-up benchmark folders: the real names and encodings, every class, weather and failure, the same for one seed."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from robustseg.data.benchmarks import open_benchmark
from robustseg.data.fake import write_deliver, write_mcubes
from robustseg.recipe import Data


def contents(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_deliver_has_everything(tmp_path):
    calls = []
    write_deliver(tmp_path / "d", frames=8, size=(104, 104), progress=lambda *done: calls.append(done))
    assert calls[-1] == (24, 24)
    frames = open_benchmark(Data(kind="deliver", root=str(tmp_path / "d")), "train", training=True)
    assert {scene.tags["weather"] for scene in frames.scenes} == {"cloud", "fog", "night", "rain", "sun"}
    failures = {"normal", "motionblur", "overexposure", "underexposure", "lidarjitter", "eventlowres"}
    assert {scene.tags["failure"] for scene in frames.scenes} == failures
    seen = torch.cat([frames[index].labels.unique() for index in range(8)]).unique()
    assert seen.tolist() == [*range(25), 255]
    name = "cloud/train/MAP_1_point100/045050_{}_front.png"
    for folder, word, channels in (
        ("img", "rgb", 4),
        ("hha", "depth", 3),
        ("event", "event", 4),
        ("lidar", "lidar", 4),
    ):
        image = cv2.imread(str(tmp_path / "d" / folder / name.format(word)), cv2.IMREAD_UNCHANGED)
        assert (image.shape, image.dtype) == ((104, 104, channels), np.uint8)
    events = cv2.imread(str(tmp_path / "d/event" / name.format("event")), cv2.IMREAD_UNCHANGED)
    assert events[..., 1].max() == 0  # polarities sit in channels 0 and 2
    assert events[..., 0].max() == events[..., 2].max() == 255
    low = next((tmp_path / "d/event").glob("*/train/*_eventlowres/*.png"))
    assert cv2.imread(str(low)).shape == (51, 51, 3)  # 104 * 512 / 1042


def test_mcubes_has_everything(tmp_path):
    write_mcubes(tmp_path / "m", frames=4, size=(64, 320))
    colour = {cv2.imread(str(path), cv2.IMREAD_UNCHANGED).dtype.name for path in (tmp_path / "m/polL_color").iterdir()}
    assert colour == {"uint8", "uint16"}
    sin = np.stack([np.load(path) for path in (tmp_path / "m/polL_aolp_sin").iterdir()])
    cos = np.stack([np.load(path) for path in (tmp_path / "m/polL_aolp_cos").iterdir()])
    assert 0.3 < (sin < 0).mean() < 0.7  # angles of -90..90 degrees, as in the real files
    assert (cos < 0).mean() < 0.1
    assert abs(sin).max() > 1
    lists = {path.stem: path.read_text().split() for path in (tmp_path / "m/list_folder").iterdir()}
    assert lists["all"] == lists["train"] + lists["val"] + lists["test"]
    assert len(set(lists["all"])) == 12


@pytest.mark.parametrize(("write", "size"), [(write_deliver, (40, 40)), (write_mcubes, (40, 240))])
def test_a_seed_decides_everything(tmp_path, write, size):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write(tmp_path / name, frames=2, seed=seed, size=size)
    one, same, other = (contents(tmp_path / name) for name in "abc")
    assert one == same
    assert one.keys() == other.keys()
    assert sum(one[name] != other[name] for name in one) > 0.7 * len(one)


@pytest.mark.parametrize(("write", "size"), [(write_deliver, (40, 40)), (write_mcubes, (40, 240))])
def test_nothing_is_overwritten_and_nothing_useless_written(tmp_path, write, size):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(FileExistsError, match="not empty"):
        write(tmp_path, size=size)
    with pytest.raises(ValueError, match="frames"):
        write(tmp_path / "new", frames=0, size=size)
    with pytest.raises(ValueError, match="size"):
        write(tmp_path / "new", size=(40, 31))
    assert not (tmp_path / "new").exists()


def test_classes_differ_in_every_modality(tmp_path):
    """Each class that is large enough has its own mean over the pixels that a sensor sees at all."""
    write_deliver(tmp_path / "d", frames=1, size=(300, 300))
    frames = open_benchmark(Data(kind="deliver", root=str(tmp_path / "d")), "train", training=True)
    sample = frames[0]
    large = [value for value in range(25) if int((sample.labels == value).sum()) > 900]
    assert len(large) > 8
    for place, name in enumerate(("rgb", "depth", "event", "lidar")):
        seen = sample.images[place].amax(dim=0) > 0 if name == "lidar" else torch.ones(300, 300, dtype=torch.bool)
        means = [sample.images[place][:, seen & (sample.labels == value)].mean(dim=1) for value in large]
        distances = torch.cdist(torch.stack(means), torch.stack(means)) + 1e9 * torch.eye(len(means))
        assert distances.min() > 1, name
