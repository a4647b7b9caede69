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
