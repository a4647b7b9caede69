"""What a bag says of its cameras and of where its sensors are.

Axes of a camera: x right, y down, z front; metres.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from robustseg.deploy.sources.rig import check_camera, check_motion

Motion = Float64[np.ndarray, "4 4"]


class FrameTree:
    """The motions of /tf_static, between any two frames that are connected."""

    def __init__(self) -> None:
        self._neighbours: dict[str, dict[str, Motion]] = {}

    def add(self, message: Any) -> None:
        """Takes the transforms of a tf2_msgs/TFMessage.

        Raises:
            ValueError: One has no rotation.
        """
        for entry in message.transforms:
            parent, child = plain_frame(entry.header.frame_id), plain_frame(entry.child_frame_id)
            motion = motion_of(entry.transform, f"/tf_static from {child} to {parent}")
            self._neighbours.setdefault(child, {})[parent] = motion
            self._neighbours.setdefault(parent, {})[child] = np.linalg.inv(motion)

    def motion(self, source: str, target: str) -> Motion:
        """What brings points in the axes of `source` into those of `target`.

        Raises:
            ValueError: The two are not connected.
        """
        source, target = plain_frame(source), plain_frame(target)
        found = {source: np.eye(4)}
        queue = deque([source])
        while queue and target not in found:
            frame = queue.popleft()
            for neighbour, step in self._neighbours.get(frame, {}).items():
                if neighbour not in found:
                    found[neighbour] = step @ found[frame]
                    queue.append(neighbour)
        if target not in found:
            known = ", ".join(sorted(self._neighbours)) or "nothing"
            raise ValueError(
                f"/tf_static does not connect {source!r} with {target!r}, it knows {known}: give `transform` in the rig"
            )
        return found[target]


def plain_frame(name: str) -> str:
    """A frame's name as ROS 2 writes it, without the slash that ROS 1 allows."""
    return name.removeprefix("/")


def motion_of(transform: Any, where: str) -> Motion:
    """The matrix of a geometry_msgs/Transform.

    Raises:
        ValueError: Its quaternion is none, or a number is not finite.
    """
    turn = np.array([getattr(transform.rotation, key) for key in "xyzw"], np.float64)
    shift = np.array([getattr(transform.translation, key) for key in "xyz"], np.float64)
    length = np.linalg.norm(turn)
    if not (np.isfinite(shift).all() and 0.9 < length < 1.1):
        raise ValueError(f"{where}: the quaternion {turn.tolist()} or the shift {shift.tolist()} is none")
    x, y, z, w = turn / length
    motion = np.eye(4)
    motion[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    motion[:3, 3] = shift
    return motion


@dataclass(frozen=True, eq=False)
class Pinhole:
    """A camera without distortion.

    Attributes:
        matrix: Directions to pixels.
        size: Height and width in pixels.
        motion: From the axes of `frame` to those that the matrix is for.
        frame: The camera's in /tf_static; empty = unknown.
    """

    matrix: Float64[np.ndarray, "3 3"]
    size: tuple[int, int]
    motion: Motion
    frame: str


def pinhole(message: Any, *, rectified: bool) -> Pinhole:
    """A camera as its sensor_msgs/CameraInfo states it.

    Args:
        message: Of ROS 1 or 2.
        rectified: For rectified images: P and R hold. Else K, which knows no distortion.

    Raises:
        ValueError: The lens distorts and images are not rectified, or the numbers can be no camera's.
    """
    size, motion = (int(message.height), int(message.width)), np.eye(4)
    if rectified:
        projection = _numbers(message, "p").reshape(3, 4)
        matrix = projection[:, :3]
        check_camera(matrix, size)
        motion[:3, :3] = _numbers(message, "r").reshape(3, 3)
        check_motion(motion, "R of the camera_info")
        motion[:3, 3] = np.linalg.solve(matrix, projection[:, 3])  # of the second camera of a stereo pair
    else:
        if np.any(_numbers(message, "d")):
            raise ValueError(
                "the camera_info has distortion: rectify the images and say `rectified: true`, or give `matrix` and "
                "`size` of images without it"
            )
        matrix = _numbers(message, "k").reshape(3, 3)
        check_camera(matrix, size)
    return Pinhole(matrix, size, motion, message.header.frame_id)


def _numbers(message: Any, name: str) -> Float64[np.ndarray, " n"]:
    """ROS 1 writes D, K, R, P, ROS 2 d, k, r, p."""
    return np.array(getattr(message, name, getattr(message, name.upper(), ())), np.float64)
