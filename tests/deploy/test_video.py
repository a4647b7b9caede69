import resource
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest

from robustseg.deploy.video import video_out


def test_pictures_become_a_video(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.mp4"
    colours = [(200, 40, 90), (20, 160, 50)]
    with video_out(path, 4.0) as film:
        for colour, size in zip(colours, ((31, 47), (62, 94)), strict=True):
            film(np.full((*size, 3), colour, np.uint8))
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FPS) == 4
    for colour in colours:
        here, picture = video.read()
        assert here
        assert abs(picture.shape[0] - 31) <= 1
        np.testing.assert_allclose(picture[..., ::-1].mean((0, 1)), colour, atol=4)
    assert not video.read()[0]


@pytest.mark.parametrize(("rate", "written"), [(9.876543, 9.88), (123.456789, 123.46), (1e-9, 0.1), (None, 10)])
def test_odd_rates(tmp_path: Path, rate: float | None, written: float) -> None:
    with video_out(tmp_path / "a.mp4", rate) as film:
        for _ in range(2):
            film(np.zeros((32, 48, 3), np.uint8))
    assert cv2.VideoCapture(str(tmp_path / "a.mp4")).get(cv2.CAP_PROP_FPS) == pytest.approx(written, abs=0.002)


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    with video_out(None, None) as film:
        film(np.zeros((4, 4, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"writes \.mp4 files, not a\.gif"), video_out(tmp_path / "a.gif", 1):
        pass


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError, None])
def test_an_earlier_film_stays_until_the_new_one_is_complete(tmp_path: Path, stop: type[BaseException] | None) -> None:
    path = tmp_path / "a.mp4"
    with video_out(path, 10) as film:
        film(np.zeros((32, 48, 3), np.uint8))
    before = path.read_bytes()
    with pytest.raises(stop) if stop else nullcontext(), video_out(path, 10) as film:
        for _ in range(3 if stop else 0):  # without a picture there is no film
            film(np.full((64, 96, 3), 200, np.uint8))
        assert path.read_bytes() == before
        if stop:
            raise stop
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("a.mp4", before)]
    with video_out(path, 10) as film:
        film(np.full((64, 96, 3), 200, np.uint8))
    assert cv2.VideoCapture(str(path)).read()[1].shape == (64, 96, 3)


def noise(path: Path) -> None:
    random = np.random.default_rng(0)
    with video_out(path, 10) as film:
        for _ in range(40):
            film(random.integers(0, 256, (96, 128, 3), np.uint8))


def test_a_full_disk_is_told_and_leaves_the_earlier_film(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"earlier")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))  # as on a full disk, of which OpenCV says nothing
    try:
        with pytest.raises(OSError, match=rf"cannot write {path} .*make room"):
            noise(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("a.mp4", b"earlier")]


def test_inputs_and_folders_are_never_replaced(tmp_path: Path) -> None:
    source = tmp_path / "drive.mp4"
    source.write_bytes(b"precious")
    (tmp_path / "link.mp4").symlink_to(source)
    (tmp_path / "folder.mp4").mkdir()
    for name, said in (("drive", "one of the inputs"), ("link", "one of the inputs"), ("folder", "no ordinary file")):
        with (
            pytest.raises(ValueError, match=rf"{name}\.mp4 is {said}"),
            video_out(tmp_path / f"{name}.mp4", 10, keep=[source]),
        ):
            pass
    assert source.read_bytes() == b"precious"
