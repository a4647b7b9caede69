from pathlib import Path

import cv2
import numpy as np
import pytest
from recordings import grey, write_video

from robustseg.deploy.sources.videos import VideoFiles, is_video
from robustseg.modalities import Modality

MODALITIES = (Modality("rgb", photometric=True), Modality("thermal", scale=0.5))


def test_colours_times_and_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "drive.mp4", 8, [(200, 40, 90), (20, 160, 50)])
    source = VideoFiles({"rgb": path}, MODALITIES, resize=False)
    assert (source.length, source.rate) == (2, 8)
    first, second = source
    assert (first.name, first.time, second.time) == ("000000", 0, 0.125)
    assert first.images["rgb"].shape == (32, 48, 3)
    np.testing.assert_allclose(first.images["rgb"].mean((0, 1)), (200, 40, 90), atol=4)
    np.testing.assert_allclose(second.images["rgb"].mean((0, 1)), (20, 160, 50), atol=4)
    assert [frame.name for frame in source] == ["000000", "000001"], "a second look starts over"


def test_two_rates_are_matched_by_time(tmp_path: Path) -> None:
    """At 20 and 5 frames a second, within 50 ms: of four frames the first has its own, the second and the last too."""
    rgb = write_video(tmp_path / "rgb.mp4", 20, [grey(level) for level in range(20, 100, 10)])
    thermal = write_video(tmp_path / "thermal.avi", 5, [grey(100), grey(200)])
    frames = list(VideoFiles({"rgb": rgb, "thermal": thermal}, MODALITIES, resize=False))
    levels = [round(float(frame.images["thermal"].mean()) / 50) if "thermal" in frame.images else 0 for frame in frames]
    assert levels == [1, 1, 0, 2, 2, 2, 0, 0]
    assert [round(float(frame.images["rgb"].mean()), -1) for frame in frames] == list(range(20, 100, 10))


def test_another_size_needs_resizing(tmp_path: Path) -> None:
    rgb = write_video(tmp_path / "rgb.mp4", 10, [grey(50)])
    paths = {"rgb": rgb, "thermal": write_video(tmp_path / "t.mp4", 10, [grey(90)], (64, 96))}
    (frame,) = VideoFiles(paths, MODALITIES, resize=False)
    assert "sizes differ: rgb 32x48, thermal 64x96" in frame.error
    (frame,) = VideoFiles(paths, MODALITIES, resize=True)
    assert frame.images["thermal"].shape == (32, 48, 3)


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no video"):
        VideoFiles({"rgb": tmp_path / "none.mp4"}, MODALITIES, resize=False)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video at all")
    with pytest.raises(ValueError, match=r"bad\.mp4 cannot be read"):
        VideoFiles({"rgb": bad}, MODALITIES, resize=False)
    assert is_video("A.MP4")
    assert not is_video("a.png")


def test_a_video_that_is_cut_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (48, 32))
    for noise in np.random.default_rng(0).integers(0, 256, (20, 32, 48, 3), np.uint8):
        writer.write(noise)
    writer.release()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    *_, last = VideoFiles({"rgb": path}, MODALITIES, resize=False)
    assert "ends after" in last.error
