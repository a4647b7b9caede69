"""Projections on disk are never those of other settings, never half a file, and nothing but a cache."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from robustseg.data.benchmarks.muses import cache, open_muses, project_muses
from robustseg.data.benchmarks.muses.cache import load_projection, save_projection
from robustseg.data.benchmarks.muses.raw import RawSensors
from robustseg.data.benchmarks.muses.scenes import read_scenes
from robustseg.data.benchmarks.muses.sparse import SparseImage
from robustseg.recipe import Muses

SIZE = (108, 192)
IMAGE = SparseImage((4, 5), np.array([3, 19], np.int32), np.array([[1, 2], [3, 4]], np.float32))


@pytest.fixture
def entry(copy):
    return read_scenes(copy)[0]


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_there_and_back(tmp_path):
    path = tmp_path / "a" / "b.npz"
    save_projection(path, IMAGE, 77)
    found = load_projection(path, (4, 5), 77)
    assert found is not None
    np.testing.assert_array_equal(found.dense(), IMAGE.dense())
    assert load_projection(path, (4, 5), 78) is None  # of another source file
    assert load_projection(path, (4, 4), 77) is None  # pixel 19 lies outside
    assert load_projection(tmp_path / "none", (4, 5), 77) is None


def test_what_is_read_is_what_was_projected(copy, entry, monkeypatch):
    sensors = RawSensors(copy, Muses(), SIZE)
    for modality in ("event", "lidar", "radar"):
        fresh = sensors.image(modality, entry)
        with monkeypatch.context() as patched:
            patched.setattr(RawSensors, "project", None)  # may not be asked again
            np.testing.assert_array_equal(RawSensors(copy, Muses(), SIZE).image(modality, entry), fresh)
        assert fresh.any()


@pytest.mark.parametrize("change", ["motion", "size", "calibration", "version"])
def test_other_settings_never_read_what_is_there(copy, entry, monkeypatch, change):
    before = RawSensors(copy, Muses(), SIZE)
    old = before.image("lidar", entry)
    after = RawSensors(copy, Muses(motion=change == "motion"), (54, 96) if change == "size" else SIZE)
    if change == "calibration":
        values = json.loads((copy / "calib.json").read_text())
        values["extrinsics"]["lidar2rgb"][0][3] += 0.5
        (copy / "calib.json").write_text(json.dumps(values))
    if change == "version":
        kept = before.cached_path("lidar", entry)
        monkeypatch.setattr(cache, "PROJECTION_VERSION", cache.PROJECTION_VERSION + 1)
        assert after.cached_path("lidar", entry) != kept
        return
    new = after.image("lidar", entry)
    np.testing.assert_array_equal(new, after.project("lidar", entry).dense())
    assert new.shape != old.shape or (new != old).any()
    np.testing.assert_array_equal(before.image("lidar", entry), old)


def test_dilation_is_no_part_of_what_is_kept(copy, entry):
    thin = RawSensors(copy, Muses(), SIZE).image("lidar", entry)
    count = len(files(copy / "projected_robustseg"))
    thick = RawSensors(copy, Muses(lidar_dilation=2, radar_dilation=9), SIZE).image("lidar", entry)
    assert (thick[0] > 0).sum() > 2 * (thin[0] > 0).sum()
    assert len(files(copy / "projected_robustseg")) == count


def test_a_file_of_another_length_is_projected_anew(copy, entry):
    sensors = RawSensors(copy, Muses(), SIZE)
    full = sensors.image("lidar", entry)
    path = copy / entry.paths["lidar"]
    path.write_bytes(path.read_bytes()[: 48 * 2000])
    assert (sensors.image("lidar", entry) != full).any()


@pytest.mark.parametrize("damage", [b"", b"PK\3\4 nonsense", None])
def test_a_damaged_projection_is_made_again(copy, entry, damage):
    sensors = RawSensors(copy, Muses(), SIZE)
    good = sensors.image("lidar", entry)
    path = sensors.cached_path("lidar", entry)
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    np.testing.assert_array_equal(sensors.image("lidar", entry), good)
    assert sensors.sparse("lidar", entry)[1] is False


def test_no_damaged_byte_is_an_error_or_another_image(tmp_path):
    path = tmp_path / "a.npz"
    save_projection(path, IMAGE, 7)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        found = load_projection(path, IMAGE.size, 7)
        assert found is None or (found.dense() == IMAGE.dense()).all()


def test_arrays_that_cannot_be_are_not_believed(tmp_path):
    path = tmp_path / "a.npz"
    for pixels, values in (
        (np.array([3, 3], np.int32), np.ones((2, 3), np.float32)),
        (np.array([-1, 3], np.int32), np.ones((2, 3), np.float32)),
        (np.array([1, 20], np.int32), np.ones((2, 3), np.float32)),
        (np.array([1, 3], np.int64), np.ones((2, 3), np.float32)),
        (np.array([1, 3], np.int32), np.ones((2, 4), np.float32)),
        (np.array([1, 3], np.int32), np.ones((2, 3), np.float64)),
        (np.array([1, 3], np.int32), np.array([[{}] * 3] * 2)),
    ):
        np.savez(path, source_bytes=np.int64(7), pixels=pixels, values=values)
        assert load_projection(path, (4, 5), 7) is None


def test_nothing_is_left_of_a_write_that_fails(copy, entry, monkeypatch):
    sensors = RawSensors(copy, Muses(), SIZE)

    def half(path, **arrays):
        Path(path).write_bytes(b"PK\3\4 half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", half)
    with pytest.raises(OSError, match=r"^projections cannot be written .*No space left.*data\.muses\.cache"):
        sensors.sparse("lidar", entry)
    with pytest.warns(UserWarning, match=r"cannot be written .*No space left.*data\.muses\.cache"):
        assert sensors.image("lidar", entry).any()
    assert files(copy / "projected_robustseg") == []


def test_another_folder_and_a_root_that_stays_as_it_is(copy, data, tmp_path):
    here = replace(data, muses=Muses(cache=str(tmp_path / "fast disk")))
    open_muses(here, "val", training=True)[0]
    assert len(files(tmp_path / "fast disk")) == 3
    assert not (copy / "projected_robustseg").exists()
    shutil.rmtree(tmp_path / "fast disk")
    (tmp_path / "fast disk").write_text("a file")
    with pytest.warns(UserWarning, match=r"cannot be written to .*fast disk \(Not a directory\)") as shown:
        sample = open_muses(here, "val", training=True)[0]  # it costs time, and nothing else
    assert len(shown) == 1
    assert torch.equal(sample.images, open_muses(data, "val", training=True)[0].images)
    with pytest.raises(OSError, match="name another folder"):
        project_muses(here, "val")
