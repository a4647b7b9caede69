import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import RIG, SECOND, Ros, colour, drive

from robustseg.deploy.sources.bags import is_bag
from robustseg.deploy.sources.recording import Recording
from robustseg.deploy.sources.rig import Rig
from robustseg.modalities import Modality
from robustseg.strict import from_plain

MODALITIES = (
    Modality("rgb", photometric=True),
    Modality("depth", unit="m", missing=-1.0),
    Modality("lidar", unit="m", resample="nearest"),
)


def opened(path: Path, rig: dict[str, Any] = RIG, modalities: tuple[Modality, ...] = MODALITIES) -> Recording:
    plain = {key: value for key, value in rig.items() if value is not None}
    return Recording(path, from_plain(plain, Rig), modalities)


def test_a_recording_of_each_kind(ros, tmp_path: Path) -> None:
    source = opened(ros.write(tmp_path / "drive", drive(ros)))
    assert source.length == 4
    assert source.files == (source.path,)
    frames = list(source)
    assert [frame.name for frame in frames] == ["000000", "000001", "000002", "000003"]
    assert [frame.time for frame in frames] == [10.0, 10.1, 10.2, 10.3]
    for number, frame in enumerate(frames):
        assert not frame.error
        np.testing.assert_array_equal(frame.images["rgb"], colour(number))
        np.testing.assert_allclose(frame.images["depth"], (1000 + number) / 1000)
        image = frame.images["lidar"]
        assert np.argwhere(image.any(2)).tolist() == [[19, 22]]  # by hand, see test_clouds
        np.testing.assert_allclose(image[19, 22], [101.25**0.5, 7, 0.5], rtol=1e-6)
    assert len(list(source)) == 4, "a second look starts over"


def test_a_storage_file_alone(tmp_path: Path, ros) -> None:
    path = ros.write(tmp_path / "drive", drive(ros))
    if path.is_dir():
        path = next(entry for entry in path.iterdir() if entry.suffix in (".db3", ".mcap"))
    assert len(list(opened(path))) == 4


def test_sensors_that_lack_are_absent(ros2, tmp_path: Path) -> None:
    messages = [entry for entry in drive(ros2) if entry[0] != "/depth" or entry[1] < 10.7 * SECOND]
    frames = list(opened(ros2.write(tmp_path / "a", messages)))
    assert ["depth" in frame.images for frame in frames] == [True, True, False, False]
    frames = list(opened(tmp_path / "a", RIG | {"tolerance": 0.03}))
    assert [sorted(frame.images) for frame in frames] == [["depth", "rgb"]] * 2 + [["rgb"]] * 2
    (first, *_) = opened(tmp_path / "a", RIG | {"leading": "lidar"})
    assert first.time == pytest.approx(10.04)


def test_a_damaged_message_is_one_frame(ros2, tmp_path: Path) -> None:
    messages = drive(ros2)
    messages[5][2].encoding = "yuv422"  # the second frame's image
    frames = list(opened(ros2.write(tmp_path / "a", messages)))
    assert [bool(frame.error) for frame in frames] == [False, True, False, False]
    assert frames[1].error.startswith("rgb from /camera/image: images of encoding 'yuv422'")
    assert frames[1].time == pytest.approx(10.1)


def test_sizes_that_differ(ros2, tmp_path: Path) -> None:
    image = ros2.image(colour(5, (24, 32)), "rgb8", 10 * SECOND)
    messages = [("/camera/image", SECOND, image), *drive(ros2, 1)[:2], *drive(ros2, 1)[3:]]
    ros2.write(tmp_path / "a", sorted(messages, key=lambda entry: entry[1]))
    (frame,) = opened(tmp_path / "a")
    assert "sizes differ: rgb 24x32" in frame.error
    assert "`resize: true`" in frame.error
    (frame,) = opened(tmp_path / "a", RIG | {"resize": True})
    assert {image.shape for image in frame.images.values()} == {(24, 32, 3)}


def test_headers_without_stamps(ros2, tmp_path: Path) -> None:
    messages = [("/camera/image", SECOND + 5, ros2.image(colour(1), "rgb8", 0))]
    rig = {"images": {"rgb": {"topic": "/camera/image"}}}
    (frame,) = opened(ros2.write(tmp_path / "a", messages), rig)
    assert "no time stamp: say `stamps: arrival`" in frame.error
    (frame,) = opened(tmp_path / "a", rig | {"stamps": "arrival"})
    assert frame.time == pytest.approx(1.000000005)


def test_recordings_that_do_not_fit(ros, tmp_path: Path) -> None:
    messages = drive(ros, 1)
    path = ros.write(tmp_path / "a", messages)
    for images, said in (
        ({"rgb": {"topic": "/cam"}}, r"no topic '/cam'; it has /camera/image, /depth, /info, /points, /tf_static"),
        ({"rgb": {"topic": "/points"}}, "holds sensor_msgs/msg/PointCloud2, not sensor_msgs/msg/Image or"),
    ):
        with pytest.raises(ValueError, match=said):
            opened(path, RIG | {"images": images})
    path = ros.write(tmp_path / "b", [entry for entry in messages if entry[0] != "/tf_static"])
    with pytest.raises(ValueError, match="no topic '/tf_static'"):
        opened(path)
    lidar = RIG["clouds"]["lidar"] | {"camera_frame": "radar"}
    (frame,) = opened(tmp_path / path.with_name("a" + path.suffix), RIG | {"clouds": {"lidar": lidar}})
    assert "does not connect 'lidar' with 'radar'" in frame.error


def test_files_that_are_no_recordings(tmp_path: Path) -> None:
    for name in ("a.bag", "a.mcap", "a.db3"):
        with pytest.raises(FileNotFoundError, match="no recording"):
            opened(tmp_path / name)
        (tmp_path / name).write_bytes(b"#ROSBAG V2.0\n" + bytes(100))
        with pytest.raises(ValueError, match="cannot be opened as a recording"):
            opened(tmp_path / name)
    (tmp_path / "metadata.yaml").write_text("a: 1")
    with pytest.raises(ValueError, match="cannot be opened as a recording"):
        opened(tmp_path)


@pytest.mark.parametrize("ros", ["bag", "mcap"], indirect=True)  # of a damaged .db3 file nothing can be read
def test_a_recording_that_is_damaged_gives_what_it_has(tmp_path: Path, ros) -> None:
    path = ros.write(tmp_path / "a", drive(ros, 40))
    file = path if path.is_file() else next(path.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    file.write_bytes(data)
    frames = list(opened(path))
    assert 10 < len(frames) <= 41
    assert re.search(r"damaged|only \d+ of 40", frames[-1].error), frames[-1].error


def test_a_type_that_is_not_the_standard_one(ros2, tmp_path: Path) -> None:
    path = ros2.write(tmp_path / "a", drive(ros2, 1))
    text = (path / "metadata.yaml").read_text()
    assert "RIHS01_" in text
    (path / "metadata.yaml").write_text(text.replace("RIHS01_", "RIHS01_0"))
    with pytest.raises(ValueError, match="is not the standard sensor_msgs"):
        opened(path)


def test_a_topic_of_two_types(tmp_path: Path) -> None:
    ros = Ros("mcap")
    messages = drive(ros, 1)
    path = ros.write(tmp_path / "a", [*messages, ("/camera/image", 20 * SECOND, ros.compressed(b"", "png"))])
    with pytest.raises(ValueError, match=r"that is not the standard sensor_msgs/msg/"):
        opened(path)


def test_only_folders_of_ros_are_recordings(tmp_path: Path) -> None:
    assert is_bag(tmp_path / "a.MCAP")
    assert not is_bag(tmp_path)
    (tmp_path / "metadata.yaml").write_text("author: me")
    assert not is_bag(tmp_path)
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: {}")
    assert is_bag(tmp_path)


def test_the_package_is_named_when_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.bag").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "rosbags", None)
    with pytest.raises(ValueError, match=r"pip install 'robustseg\[ros\]'"):
        opened(tmp_path / "a.bag")
