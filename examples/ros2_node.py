"""A ROS 2 node: images of any sensors in, a label image and what it was made from out.

    python examples/ros2_node.py SETTINGS.json

in a shell in which ROS 2 (rclpy, sensor_msgs, std_msgs) is set up. The settings name a model folder and, by modality,
the topics of registered images of one size:

    {"model": "runs/rig/student", "rate": 10,
     "sensors": {"rgb": {"topic": "/camera/image", "max_age": 0.1},
                 "depth": {"topic": "/depth/image", "max_age": 0.2, "scale": 0.001}}}

It publishes `segmentation/labels` (sensor_msgs/Image, mono8 train ids, with stamp and frame of the first modality that
was used) and `segmentation/status` (std_msgs/String, JSON).
"""

import json
import sys
from array import array
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import robustseg as rs
from robustseg.deploy import StreamAnswer
from robustseg.strict import read_json

ENCODINGS = {
    "mono8": ("u1", 1),
    "8UC1": ("u1", 1),
    "8UC3": ("u1", 3),
    "rgb8": ("u1", 3),
    "bgr8": ("u1", 3),
    "mono16": ("u2", 1),
    "16UC1": ("u2", 1),
    "32FC1": ("f4", 1),
    "32FC3": ("f4", 3),
}
"""Encoding of a sensor_msgs/Image -> type of a value, values per pixel."""
WARNING_PERIOD = 5.0


@dataclass(frozen=True)
class Sensor:
    """Where a modality's images come from.

    Attributes:
        topic: Of sensor_msgs/Image.
        max_age: Seconds after which an image counts as absent.
        scale: Value in the modality's unit = `scale` * value in the message.
    """

    topic: str
    max_age: float
    scale: float = 1.0


@dataclass(frozen=True)
class Settings:
    """What the node does.

    Attributes:
        model: The model folder.
        sensors: By modality.
        rate: Answers per second.
        shared_clock: Whether all messages are stamped by one clock.
        labels: Topic of the label images.
        status: Topic of what they were made from.
    """

    model: str
    sensors: dict[str, Sensor]
    rate: float = 10.0
    shared_clock: bool = True
    labels: str = "segmentation/labels"
    status: str = "segmentation/status"


def pixels_of(message: Any) -> np.ndarray:
    """The image "H W C" in a sensor_msgs/Image.

    Raises:
        ValueError: Its encoding is unknown, or it has fewer bytes than it says.
    """
    if message.encoding not in ENCODINGS:
        raise ValueError(f"encoding {message.encoding!r} is none of {', '.join(ENCODINGS)}: convert it before")
    kind, channels = ENCODINGS[message.encoding]
    value = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    row, needed = message.width * channels * value.itemsize, message.height * message.step
    if message.step < row or len(message.data) < needed:
        raise ValueError(
            f"{message.height} rows of {message.step} bytes, {row} of them pixels, cannot lie in {len(message.data)}"
        )
    rows = np.frombuffer(message.data, np.uint8, count=needed).reshape(message.height, message.step)[:, :row]
    pixels = np.ascontiguousarray(rows).view(value).reshape(message.height, message.width, channels)
    return (pixels[..., ::-1] if message.encoding == "bgr8" else pixels).astype(value.newbyteorder("="))


class SegmentationNode:
    """Feeds a stream from topics, and publishes its answers.

    Args:
        node: An `rclpy.node.Node`.
        stream: Of the settings' modalities.
        settings: Topics.
    """

    def __init__(self, node: Any, stream: rs.Stream, settings: Settings) -> None:
        from rclpy.qos import qos_profile_sensor_data  # pyright: ignore[reportMissingImports]
        from sensor_msgs.msg import Image  # pyright: ignore[reportMissingImports]
        from std_msgs.msg import String  # pyright: ignore[reportMissingImports]

        self._node, self._stream, self._image, self._string = node, stream, Image, String
        self._epoch: int | None = None  # whole seconds of the first stamp: the rest fits a float to the nanosecond
        self._labels = node.create_publisher(Image, settings.labels, 1)
        self._status = node.create_publisher(String, settings.status, 1)
        self._frame_ids: dict[str, str] = {}
        self._missing = {modality.name: modality.missing for modality in stream.predictor.modalities}
        for name, sensor in settings.sensors.items():
            take = partial(self.take, name, sensor.scale)
            node.create_subscription(Image, sensor.topic, take, qos_profile_sensor_data)

    def take(self, name: str, scale: float, message: Any) -> None:
        """Pushes a message's image; one that is no image is logged.

        Floats that are not finite, no measurement (REP 118), become the modality's `missing`.
        """
        stamp = message.header.stamp
        self._epoch = stamp.sec if self._epoch is None else self._epoch
        self._frame_ids[name] = message.header.frame_id  # before an answer can be made from the image
        try:
            pixels = pixels_of(message)
            pixels = pixels if scale == 1 else pixels * np.float32(scale)
            pixels = np.where(np.isfinite(pixels), pixels, pixels.dtype.type(self._missing[name]))
            seconds = (stamp.sec - self._epoch) + stamp.nanosec * 1e-9
            self._stream.push(name, pixels, seconds)
        except ValueError as error:
            text = f"{name}: {error}"
            self._node.get_logger().warning(text, throttle_duration_sec=WARNING_PERIOD)

    def publish(self, answer: StreamAnswer) -> None:
        """Publishes an answer; one without a prediction has a status alone."""
        told = {
            "status": answer.status,
            "ages": {name: round(age, 4) for name, age in answer.ages.items()},
            "unused": {name: unused.words for name, unused in answer.unused.items()},
        }
        if answer.prediction is not None:
            told["confidence"] = round(float(answer.prediction.confidence.mean()), 4)
            self._labels.publish(self._label_image(answer, answer.prediction.labels))
        self._status.publish(self._string(data=json.dumps(told)))

    def _label_image(self, answer: StreamAnswer, labels: np.ndarray) -> Any:
        name, seconds = next(iter(answer.stamps.items()))
        height, width = labels.shape
        image = self._image(height=height, width=width, encoding="mono8", step=width)
        image.data = array("B", labels.tobytes())  # bytes would be checked one by one
        whole, image.header.stamp.nanosec = divmod(round(seconds * 1e9), 1_000_000_000)
        image.header.stamp.sec = (self._epoch or 0) + whole
        image.header.frame_id = self._frame_ids[name]
        return image


def main(path: Path) -> None:
    """Answers until ROS or the user ends it."""
    try:
        import rclpy  # pyright: ignore[reportMissingImports]
        from rclpy.executors import ExternalShutdownException  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise SystemExit("rclpy is not there: set up a shell with ROS 2 (source its setup file) first") from None
    settings = read_json(path, Settings)
    ages = {name: sensor.max_age for name, sensor in settings.sensors.items()}
    predictor = rs.Predictor(rs.load(settings.model, "auto"))
    stream = rs.Stream(predictor, ages, shared_clock=settings.shared_clock)
    rclpy.init()
    node = rclpy.create_node("robustseg")
    segmentation = SegmentationNode(node, stream, settings)
    try:
        with (
            suppress(KeyboardInterrupt, ExternalShutdownException),
            stream.run(settings.rate, segmentation.publish) as end,
        ):
            while rclpy.ok() and not end.is_set():
                rclpy.spin_once(node, timeout_sec=0.1)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(Path(sys.argv[1]))
    else:
        print(__doc__)
