"""Recordings of ROS, written with the package that reads them, and videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags import rosbag1, rosbag2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

SECOND = 1_000_000_000
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CLOUD, CAMERA_INFO, TRANSFORMS = (
    "sensor_msgs/msg/PointCloud2",
    "sensor_msgs/msg/CameraInfo",
    "tf2_msgs/msg/TFMessage",
)
STORAGES = {"db3": rosbag2.StoragePlugin.SQLITE3, "mcap": rosbag2.StoragePlugin.MCAP}


class Ros:
    """Messages of one version of ROS."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.is_ros1 = kind == "bag"
        self.store = get_typestore(Stores.ROS1_NOETIC if self.is_ros1 else Stores.ROS2_HUMBLE)
        if self.is_ros1:
            self.store.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms", TRANSFORMS))

    def make(self, kind: str, /, **fields: Any) -> Any:
        return self.store.types[kind](**fields)

    def header(self, stamp: int, frame: str) -> Any:
        time = self.make("builtin_interfaces/msg/Time", sec=stamp // SECOND, nanosec=stamp % SECOND)
        return self.make("std_msgs/msg/Header", stamp=time, frame_id=frame, **({"seq": 0} if self.is_ros1 else {}))

    def image(self, pixels: np.ndarray, encoding: str, stamp: int = SECOND, *, big: bool = False, pad: int = 0) -> Any:
        rows = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")))
        rows = rows.view(np.uint8).reshape(len(pixels), -1)
        data = np.pad(rows, ((0, 0), (0, pad)))
        return self.make(
            IMAGE,
            header=self.header(stamp, "camera"),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            is_bigendian=int(big),
            step=data.shape[1],
            data=data.reshape(-1),
        )

    def compressed(self, data: bytes, format: str, stamp: int = SECOND) -> Any:
        return self.make(
            COMPRESSED, header=self.header(stamp, "camera"), format=format, data=np.frombuffer(data, np.uint8)
        )

    def cloud(self, points: np.ndarray, stamp: int = SECOND, frame: str = "lidar") -> Any:
        """Points of a structured array, whose fields are float32 or uint16."""
        numbers = {np.dtype("f4"): 7, np.dtype("u2"): 4}
        fields = [
            self.make("sensor_msgs/msg/PointField", name=name, offset=offset, datatype=numbers[kind], count=1)
            for name, (kind, offset) in points.dtype.fields.items()
        ]
        return self.make(
            CLOUD,
            header=self.header(stamp, frame),
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=False,
            point_step=points.dtype.itemsize,
            row_step=points.nbytes,
            data=np.frombuffer(points.tobytes(), np.uint8),
            is_dense=True,
        )

    def camera(self, k: list[float], size: tuple[int, int], **others: Any) -> Any:
        plain = {"d": [], "r": np.eye(3).ravel(), "p": np.column_stack([np.reshape(k, (3, 3)), np.zeros(3)]).ravel()}
        values = {name: np.array(value, np.float64) for name, value in (plain | {"k": k} | others).items()}
        region = self.make(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        return self.make(
            CAMERA_INFO,
            header=self.header(SECOND, "camera"),
            height=size[0],
            width=size[1],
            distortion_model="plumb_bob",
            binning_x=0,
            binning_y=0,
            roi=region,
            **{name.upper() if self.is_ros1 else name: value for name, value in values.items()},
        )

    def transforms(self, *edges: tuple[str, str, list[float], list[float]]) -> Any:
        """Edges are parent, child, shift, quaternion x y z w."""
        return self.make(TRANSFORMS, transforms=[self._edge(*edge) for edge in edges])

    def _edge(self, parent: str, child: str, shift: list[float], turn: list[float]) -> Any:
        return self.make(
            "geometry_msgs/msg/TransformStamped",
            header=self.header(SECOND, parent),
            child_frame_id=child,
            transform=self.make(
                "geometry_msgs/msg/Transform",
                translation=self.make("geometry_msgs/msg/Vector3", **dict(zip("xyz", shift, strict=True))),
                rotation=self.make("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", turn, strict=True))),
            ),
        )

    def write(self, path: Path, messages: Iterable[tuple[str, int, Any]]) -> Path:
        """Topic, time of recording in ns and message, each; gives the path to open."""
        if self.is_ros1:
            path = path.with_suffix(".bag")
            writer: Any = rosbag1.Writer(path)
        else:
            writer = rosbag2.Writer(path, version=9, storage_plugin=STORAGES[self.kind])
        serialize: Callable[[Any, str], Any] = self.store.serialize_ros1 if self.is_ros1 else self.store.serialize_cdr
        known: dict[tuple[str, str], Any] = {}
        with writer:
            for topic, arrival, message in messages:
                kind = message.__msgtype__
                if (topic, kind) not in known:
                    known[topic, kind] = writer.add_connection(topic, kind, typestore=self.store)
                writer.write(known[topic, kind], arrival, serialize(message, kind))
        return path


K = [100.0, 0, 32, 0, 100, 24, 0, 0, 1]
POINT = np.dtype({"names": ["x", "y", "z", "intensity"], "formats": ["f4"] * 4})
POINTS = np.array([(10, 1, 0.5, 7), (20, 2, 1, 9)], POINT)  # the second one right behind the first
RIG: dict[str, Any] = {
    "images": {"rgb": {"topic": "/camera/image"}, "depth": {"topic": "/depth", "scale": 0.001}},
    "clouds": {
        "lidar": {"topic": "/points", "camera": {"topic": "/info"}, "channels": ["range", "intensity", "height"]}
    },
}


def colour(number: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), (number, 100, 200), np.uint8)


def drive(ros: Any, frames: int = 4) -> list[tuple[str, int, Any]]:
    """Ten frames a second; depth 20 ms later, and lidar 40 ms, but all are recorded half a second late."""
    edge = ("lidar", "camera", [0, 0, 0], [-0.5, 0.5, -0.5, 0.5])
    messages = [
        ("/tf_static", SECOND, ros.transforms(edge)),
        ("/info", SECOND, ros.camera(K, (48, 64))),
    ]
    for number in range(frames):
        stamp = 10 * SECOND + number * SECOND // 10
        depth = np.full((48, 64), 1000 + number, np.uint16)
        messages += [
            ("/camera/image", stamp, ros.image(colour(number), "rgb8", stamp)),
            ("/depth", stamp, ros.image(depth, "16UC1", stamp + SECOND // 50)),
            ("/points", stamp, ros.cloud(POINTS, stamp + SECOND // 25)),
        ]
    return [(topic, arrival + SECOND // 2, message) for topic, arrival, message in messages]


def write_video(path: Path, rate: float, colours: list[tuple[int, int, int]], size: tuple[int, int] = (32, 48)) -> Path:
    """Frames of one colour, red, green, blue."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (size[1], size[0]))
    for colour in colours:
        writer.write(np.full((*size, 3), colour[::-1], np.uint8))
    writer.release()
    return path


def grey(level: int) -> tuple[int, int, int]:
    return level, level, level
