import numpy as np
import pytest

from robustseg.deploy.sources.transforms import FrameTree, pinhole

MATRIX = np.array([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]])
SIZE = (48, 64)


def test_the_frames_of_tf_static(ros) -> None:
    """Base -> mast 1 m up -> camera, turned as cameras are; base -> lidar 2 m in front."""
    tree = FrameTree()
    tree.add(
        ros.transforms(
            ("/base", "mast", [0, 0, 1], [0, 0, 0, 1]),
            ("mast", "camera", [0, 0, 0], [-0.5, 0.5, -0.5, 0.5]),
            ("base", "/lidar", [2, 0, 0], [0, 0, 0, 1]),
        )
    )
    motion = tree.motion("lidar", "camera")
    np.testing.assert_allclose(motion @ [10, 1, 0.5, 1], [-1, 0.5, 12, 1], atol=1e-12)
    np.testing.assert_allclose(tree.motion("/camera", "lidar") @ motion, np.eye(4), atol=1e-12)
    with pytest.raises(ValueError, match="does not connect 'lidar' with 'radar', it knows base, camera, lidar, mast"):
        tree.motion("lidar", "radar")
    with pytest.raises(ValueError, match="the quaternion"):
        tree.add(ros.transforms(("base", "radar", [0, 0, 0], [0, 0, 0, 0])))


def test_cameras(ros) -> None:
    found = pinhole(ros.camera(MATRIX.ravel().tolist(), SIZE), rectified=False)
    np.testing.assert_array_equal(found.matrix, MATRIX)
    assert (found.size, found.frame) == (SIZE, "camera")
    distorted = ros.camera(MATRIX.ravel().tolist(), SIZE, d=[0.1, 0, 0, 0, 0])
    with pytest.raises(ValueError, match="has distortion: rectify"):
        pinhole(distorted, rectified=False)
    with pytest.raises(ValueError, match="fx and fy above 0"):
        pinhole(ros.camera([0.0] * 9, SIZE), rectified=False)


def test_the_right_camera_of_a_stereo_pair(ros) -> None:
    """It stands 0.2 m to the right, so P says -100 * 0.2; a point at 10 m moves by 2 pixels."""
    p = np.column_stack([MATRIX, [-20.0, 0, 0]])
    found = pinhole(ros.camera(MATRIX.ravel().tolist(), SIZE, p=p.ravel(), d=[0.1] * 5), rectified=True)
    place = found.matrix @ (found.motion @ [0, 0, 10, 1])[:3]
    np.testing.assert_allclose(place / place[2], [30, 24, 1])
