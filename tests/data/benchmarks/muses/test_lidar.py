import numpy as np
import pytest

from robustseg.data.benchmarks.muses.lidar import read_lidar


def test_fields_in_their_order(tmp_path):
    path = tmp_path / "a.bin"
    np.arange(12.0).astype("<f8").tofile(path)
    scan = read_lidar(path)
    assert scan.points.tolist() == [[0, 1, 2], [6, 7, 8]]
    assert (scan.intensity.tolist(), scan.seconds.tolist()) == ([3, 9], [5, 11])


def test_an_empty_file_is_a_scan_without_echoes(tmp_path):
    path = tmp_path / "a.bin"
    path.touch()
    assert len(read_lidar(path).points) == 0


def test_points_that_are_nowhere_are_dropped_but_not_broken_echoes(tmp_path):
    path = tmp_path / "a.bin"
    values = np.ones((4, 6))
    values[1, 0], values[2, 2] = np.nan, np.inf
    values.tofile(path)
    assert len(read_lidar(path).points) == 2
    values[3, 3] = np.nan
    values.tofile(path)
    with pytest.raises(ValueError, match=r"a\.bin: 1 of 2 points have an intensity or a time that is not finite"):
        read_lidar(path)


@pytest.mark.parametrize("size", [1, 47, 49, 6 * 4 * 5])
def test_other_files_are_refused(tmp_path, size):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(size))
    with pytest.raises(ValueError, match=rf"a\.bin is no LiDAR scan: {size} bytes are no multiple of 48"):
        read_lidar(path)
    with pytest.raises(FileNotFoundError, match=r"b\.bin does not exist"):
        read_lidar(tmp_path / "b.bin")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.bin"
    with path.open("wb") as stream:
        stream.truncate(48 * 10**8)  # takes no room
    with pytest.raises(ValueError, match="too many"):
        read_lidar(path)
