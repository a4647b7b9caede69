import cv2
import numpy as np
import pytest

from robustseg.data.benchmarks.muses.motion import Motion, moved, read_motion


def test_a_record_by_hand(tmp_path):
    path = tmp_path / "a.txt"
    values = list(range(28))
    values[17:20], values[23] = [9_000_000, -100_000, 0], 12_500
    path.write_text(" ".join(map(str, values)) + "\nanother line\n")
    motion = read_motion(path)
    assert motion.speed == 12.5  # 12,500 mm/s
    np.testing.assert_allclose(motion.rates, (np.pi / 2, -np.pi / 180, 0))  # 90 and -1 degrees/s


@pytest.mark.parametrize("text", ["", "1 2 3", " ".join(["1"] * 27 + ["x"]), " ".join(["1"] * 29), "\x00\xff"])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"a\.txt is no GNSS record"):
        read_motion(path)


def test_points_by_hand():
    points = np.array([[10.0, 2.0, 0.0]])
    ahead = moved(points, np.array([0.1]), Motion(20, (0, 0, 0)), np.eye(4))
    np.testing.assert_allclose(ahead, [[12, 2, 0]])
    turned = moved(points, np.array([0.5]), Motion(0, (0, 0, np.pi)), np.eye(4))
    np.testing.assert_allclose(turned, [[-2, 10, 0]], atol=1e-12)


def test_equals_rotation_matrices_one_by_one():
    draw = np.random.default_rng(0)
    points, seconds = draw.normal(0, 20, (30, 3)), draw.normal(0, 0.1, 30)
    motion = Motion(14.0, (0.3, -0.2, 0.7))
    mount = np.eye(4)
    mount[:3, :3], mount[:3, 3] = cv2.Rodrigues(np.array([2.0, 1.0, -0.5]))[0], (1, 2, 3)
    expected = []
    for point, second in zip(points, seconds, strict=True):
        there = mount @ np.append(point, 1)
        there[0] += motion.speed * second
        for axis, rate in enumerate(motion.rates):  # roll, then pitch, then heading
            there[:3] = cv2.Rodrigues(np.eye(3)[axis] * rate * second)[0] @ there[:3]
        expected.append((np.linalg.inv(mount) @ there)[:3])
    np.testing.assert_allclose(moved(points, seconds, motion, mount), expected)
