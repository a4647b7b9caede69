import builtins

import cv2
import h5py
import numpy as np
import pytest

from robustseg.data.benchmarks.muses.calibration import read_calibration
from robustseg.data.benchmarks.muses.events import Events, event_homography, event_image, read_events
from robustseg.data.fake.muses import write_event_file

SIZE = (30, 40)


def events(columns, rows, microseconds=None, brighter=None):
    count = len(columns)
    return Events(
        np.array(columns, np.int64),
        np.array(rows, np.int64),
        np.zeros(count, np.int64) if microseconds is None else np.array(microseconds, np.int64),
        np.ones(count, bool) if brighter is None else np.array(brighter, bool),
    )


def image_of(found):
    return event_image(found, np.eye(3), SIZE).dense()


@pytest.mark.parametrize("size", [(1080, 1920), (540, 960)])
def test_the_homography_equals_the_chain_of_rectifications(tree, size):
    calibration = read_calibration(tree / "calib.json")
    pixels = np.random.default_rng(0).uniform(0, (1280, 720), (200, 2))
    rgb, event = calibration.camera_at(size), calibration.cameras["event"]
    back = np.linalg.inv(calibration.transforms["event2rgb"])
    rectified = cv2.stereoRectify(
        rgb, None, event, None, size[::-1], back[:3, :3], back[:3, 3:], flags=cv2.CALIB_ZERO_DISPARITY
    )
    r1, r2, p1, p2 = rectified[:4]
    common = cv2.undistortPoints(pixels[:, None], event, None, R=r2, P=p2)
    expected = cv2.undistortPoints(common, p1[:, :3], None, R=np.linalg.inv(r1), P=rgb)[:, 0]
    mapped = np.column_stack([pixels, np.ones(200)]) @ event_homography(calibration, size).T
    np.testing.assert_allclose(mapped[:, :2] / mapped[:, 2:], expected, atol=1e-6)


def test_counts_equal_a_loop():
    draw = np.random.default_rng(0)
    columns, rows, brighter = draw.integers(-5, 50, 3000), draw.integers(-5, 40, 3000), draw.integers(0, 2, 3000) > 0
    slow = np.zeros((3, *SIZE), np.float32)
    for column, row, up in zip(columns, rows, brighter, strict=True):
        if 0 <= column < SIZE[1] and 0 <= row < SIZE[0]:
            slow[0 if up else 1, row, column] += 1
    np.testing.assert_array_equal(image_of(events(columns, rows, brighter=brighter)), slow)


def test_events_outside_the_image_are_left_out():
    """A negative place would wrap around to the other side of an array, a large one stop the program."""
    assert not image_of(events([-1, 40, 5, 5, 10**9], [3, 3, -1, 30, 3])).any()
    turned = np.diag([1.0, 1, -1])  # all directions behind the camera
    assert len(event_image(events([5], [5]), turned, SIZE).pixels) == 0


def test_counts_stay_at_255():
    assert image_of(events([3] * 300, [4] * 300))[0, 4, 3] == 255


def test_the_last_30_ms_count_even_if_less_was_recorded():
    """With unsigned times the start of the window would be a huge number, and nothing would be left."""
    assert image_of(events([1, 2, 3], [0, 0, 0], [0, 100, 29_999]))[0, 0, 1:4].tolist() == [1, 1, 1]
    assert image_of(events([1, 2, 3], [0, 0, 0], [999, 1000, 31_000]))[0, 0, 1:4].tolist() == [0, 1, 1]
    assert not image_of(events([], [])).any()


def test_files_as_they_are_written(tmp_path):
    path = tmp_path / "a.h5"
    write_event_file(path, np.array([1, 65535]), np.array([3, 4]), np.array([5, 2**32 - 1]), np.array([0, 1]))
    found = read_events(path)
    assert (found.columns.tolist(), found.rows.tolist()) == ([1, 65535], [3, 4])
    assert (found.microseconds.tolist(), found.brighter.tolist()) == ([5, 2**32 - 1], [False, True])


def write(path, **lists):
    plain = {name: np.zeros(3, np.int32) for name in "xytp"}
    with h5py.File(path, "w") as file:
        group = file.create_group("events")
        for name, values in (plain | lists).items():
            if isinstance(values, np.ndarray):
                group[name] = values
            elif values is not None:
                values(group, name)
    return path


def elsewhere(group, name):
    group.create_dataset(name, (3,), "i4", external=[("/etc/hostname", 0, 12)])


def virtual(group, name):
    layout = h5py.VirtualLayout((3,), "i4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
    group.create_virtual_dataset(name, layout)


def external_link(group, name):
    group[name] = h5py.ExternalLink("other.h5", "/x")


def soft_link(group, name):
    group[name] = h5py.SoftLink("/events/x")


def huge(group, name):
    group.create_dataset(name, (10**12,), "i4", chunks=(2**20,))  # takes no room


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"t": None}, "there is no /events/t"),
        ({"t": lambda group, name: group.create_group(name)}, "/events/t is a group, not a dataset"),
        ({"y": external_link}, "/events/y is a link"),
        ({"y": soft_link}, "/events/y is a link"),
        ({"y": elsewhere}, "events/y lies in other files"),
        ({"y": virtual}, "events/y lies in other files"),
        ({"p": np.zeros(3, np.float32)}, "events/p must be a list of integers"),
        ({"p": np.zeros((3, 1), np.uint8)}, "events/p must be a list of integers"),
        ({"p": np.zeros(4, np.uint8)}, "the lists of events differ in length"),
        ({"p": np.full(3, 2, np.uint8)}, r"events/p must hold 0 and 1, got 2\.\.2"),
        (dict.fromkeys("xytp", huge), "1000000000000 events are more than"),
    ],
)
def test_other_files_are_refused(tmp_path, lists, message):
    with pytest.raises(ValueError, match=rf"a\.h5: .*{message}"):
        read_events(write(tmp_path / "a.h5", **lists))


def test_a_group_that_is_a_link_is_refused(tmp_path):
    write(tmp_path / "other.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["events"] = h5py.ExternalLink("other.h5", "/events")
    with pytest.raises(ValueError, match="/events is a link"):
        read_events(tmp_path / "a.h5")


@pytest.mark.parametrize("kept", [0, 50, 0.6, 0.95])
def test_a_truncated_file_is_named(tmp_path, tree, kept):
    whole = next((tree / "event_camera").rglob("*.h5")).read_bytes()
    path = tmp_path / "a.h5"
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(ValueError, match=r"a\.h5 cannot be read, it is damaged or cut off"):
        read_events(path)


def test_missing_packages_are_named(tmp_path, monkeypatch):
    path = write(tmp_path / "a.h5")
    real = builtins.__import__

    def without(name, *arguments, **others):
        if name == "hdf5plugin":
            raise ImportError(name)
        return real(name, *arguments, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"pip install 'robustseg\[muses\]'"):
        read_events(path)
