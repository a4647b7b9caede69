import json

import numpy as np
import pytest

from robustseg.data.benchmarks.muses.calibration import read_calibration


@pytest.fixture
def values(tree):
    return json.loads((tree / "calib.json").read_text())


def saved(tmp_path, values):
    path = tmp_path / "calib.json"
    path.write_text(json.dumps(values))
    return path


def test_matrices_by_hand(tmp_path, values):
    values["extrinsics"]["somebody2else"] = "unread"
    calibration = read_calibration(saved(tmp_path, values))
    assert calibration.cameras["rgb"].tolist() == [[1430, 0, 960], [0, 1430, 540], [0, 0, 1]]
    assert calibration.camera_at((540, 480)).tolist() == [[357.5, 0, 240], [0, 715, 270], [0, 0, 1]]
    assert calibration.transforms["lidar2rgb"][0].tolist() == [0, -1, 0, 0]


def test_the_digest_follows_every_number(tmp_path, values):
    before = read_calibration(saved(tmp_path, values)).digest
    assert read_calibration(saved(tmp_path, values)).digest == before
    values["extrinsics"]["radar2gnss"][0][3] += 1e-9
    assert read_calibration(saved(tmp_path, values)).digest != before


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("intrinsics", "rgb", "K"), [[1, 0], [0, 1]], "intrinsics.rgb.K must have 3 rows"),
        (("intrinsics", "event", "K"), [[1, 0, 2], [0, -1, 2], [0, 0, 1]], "intrinsics.event.K is no camera matrix"),
        (("intrinsics", "rgb", "K"), [[1, 0, "2"], [0, 1, 2], [0, 0, 1]], r"K\[0\]\[2\] must be a finite number"),
        (("extrinsics", "lidar2rgb"), (2 * np.eye(4)).tolist(), "last row is not 0 0 0 1"),
        (("extrinsics", "lidar2rgb"), np.diag([1, 1, 1.1, 1]).tolist(), "are no rotation"),
        (("extrinsics", "event2rgb"), np.diag([1, 1, -1, 1]).tolist(), "are no rotation"),
    ],
)
def test_matrices_that_can_be_none(tmp_path, values, keys, value, message):
    place = values
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    with pytest.raises(ValueError, match=rf"calib\.json: .*{message}"):
        read_calibration(saved(tmp_path, values))


def test_what_is_missing_is_named(tmp_path, values):
    del values["extrinsics"]["radar2rgb"]
    with pytest.raises(ValueError, match=r"extrinsics\.radar2rgb is missing"):
        read_calibration(saved(tmp_path, values))
    with pytest.raises(FileNotFoundError, match=r"nowhere.*is missing: copy it from the release"):
        read_calibration(tmp_path / "nowhere")
