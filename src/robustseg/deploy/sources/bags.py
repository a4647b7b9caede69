"""Recordings of ROS 1 (.bag) and ROS 2 (folders, .mcap, .db3), through the package rosbags.

Messages are read as the standard types say; a bag's own definitions, which the package would turn into code, are not
used.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robustseg.deploy.sources.matching import SECOND

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CLOUD = "sensor_msgs/msg/PointCloud2"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
TRANSFORMS = "tf2_msgs/msg/TFMessage"

SUFFIXES = frozenset({".bag", ".mcap", ".db3"})


def is_bag(path: Path) -> bool:
    """Whether a path is called like a recording, or is a folder with the metadata of one."""
    if not path.is_dir():
        return path.suffix.lower() in SUFFIXES
    metadata = path / "metadata.yaml"
    if not metadata.is_file():
        return False
    with metadata.open("rb") as stream:
        return b"rosbag2_bagfile_information" in stream.read(4096)


class Bag:
    """An open recording.

    Attributes:
        path: Of the file or folder.
        kinds: Topic -> type of its messages.
        counts: Topic -> number of its messages.
        duration: From the first message to the last, in s.
    """

    def __init__(self, path: Path, reader: Any, store: Any, *, is_ros1: bool) -> None:
        self.path = path
        self.kinds = {entry.topic: entry.msgtype for entry in reader.connections}
        self.counts: dict[str, int] = {}
        for entry in reader.connections:
            self.counts[entry.topic] = self.counts.get(entry.topic, 0) + entry.msgcount
        self.duration = reader.duration / SECOND
        self._reader = reader
        self._store = store
        self._is_ros1 = is_ros1

    def check(self, topic: str, kinds: tuple[str, ...]) -> None:
        """Raises ValueError unless there is such a topic, of one of these types, as the standard defines them."""
        if topic not in self.kinds:
            raise ValueError(f"{self.path} has no topic {topic!r}; it has {', '.join(sorted(self.kinds)) or 'none'}")
        if self.kinds[topic] not in kinds:
            raise ValueError(f"{self.path}: {topic} holds {self.kinds[topic]}, not {' or '.join(kinds)}")
        kind, store = self.kinds[topic], self._store
        expected = store.generate_msgdef(kind)[1] if self._is_ros1 else store.hash_rihs01(kind)
        for entry in self._reader.connections:
            if entry.topic == topic and (entry.msgtype != kind or entry.digest not in ("", "*", expected)):
                raise ValueError(f"{self.path}: {topic} holds a {entry.msgtype} that is not the standard {kind}")

    def messages(self, topics: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
        """Topic, time of recording in ns and bytes of each message, in the order of recording.

        Raises:
            ValueError: The file is damaged from here on.
        """
        chosen = [entry for entry in self._reader.connections if entry.topic in topics]
        try:
            for entry, arrival, data in self._reader.messages(connections=chosen) if chosen else ():
                yield entry.topic, arrival, bytes(data)
        except Exception as error:  # damaged files make the readers raise nearly anything
            raise ValueError(f"{self.path} is damaged: {error or type(error).__name__}") from error

    def decoded(self, topic: str, data: bytes) -> Any:
        """A message as an object with the fields of its type.

        Raises:
            ValueError: It is damaged.
        """
        read = self._store.deserialize_ros1 if self._is_ros1 else self._store.deserialize_cdr
        try:
            return read(data, self.kinds[topic])
        except Exception as error:
            raise ValueError(f"a message of {topic} is damaged: {error or type(error).__name__}") from error

    def stamp(self, data: bytes) -> int | None:
        """The time in ns in the header that a message starts with; None = it holds none."""
        order = "<" if self._is_ros1 or data[1:2] == b"\1" else ">"
        if len(data) < 12:
            return None
        seconds, rest = struct.unpack_from(f"{order}II", data, 4)  # behind ROS 1's counter, or how CDR is written
        return seconds * SECOND + rest or None


@contextmanager
def opened(path: Path) -> Iterator[Bag]:
    """Opens a recording.

    Raises:
        FileNotFoundError: There is none.
        ValueError: The package is not installed, or the file is none of these, or damaged.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no recording {path}")
    rosbag1, rosbag2, typesys = _rosbags_or_hint()
    is_ros1 = path.suffix.lower() == ".bag"
    try:
        reader = (rosbag1 if is_ros1 else rosbag2).Reader(path)
        reader.open()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be opened as a recording: {reason}") from error
    try:
        yield Bag(path, reader, _standard_types(typesys, is_ros1=is_ros1), is_ros1=is_ros1)
    finally:
        reader.close()


def _standard_types(typesys: Any, *, is_ros1: bool) -> Any:
    store = typesys.get_typestore(typesys.Stores.ROS1_NOETIC if is_ros1 else typesys.Stores.ROS2_HUMBLE)
    if TRANSFORMS not in store.fielddefs:
        store.register(typesys.get_types_from_msg("geometry_msgs/TransformStamped[] transforms", TRANSFORMS))
    return store


def _rosbags_or_hint() -> tuple[Any, Any, Any]:
    try:
        from rosbags import rosbag1, rosbag2, typesys
    except ImportError:
        raise ValueError("recordings of ROS need one more package: pip install 'robustseg[ros]'") from None
    return rosbag1, rosbag2, typesys
