"""Frames from a recording of ROS, as a rig file describes them.

Letters: `H W` size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from robustseg.deploy.sources.bags import CAMERA_INFO, CLOUD, COMPRESSED, IMAGE, TRANSFORMS, Bag, opened
from robustseg.deploy.sources.clouds import View, cloud_image, cloud_points
from robustseg.deploy.sources.matching import SECOND, Instant, Message, matched
from robustseg.deploy.sources.messages import message_image
from robustseg.deploy.sources.rig import Camera, CloudTopic, Rig
from robustseg.deploy.sources.source import Images, SourceFrame, composed, decoded, find_parts, of_one_size
from robustseg.deploy.sources.transforms import FrameTree, Pinhole, pinhole
from robustseg.files import one_line
from robustseg.modalities import Modality

TREE_TOPIC = "/tf_static"


@dataclass(frozen=True, eq=False)
class Setting:
    """What does not change in a recording.

    Attributes:
        tree: Where the sensors are.
        cameras: Modality -> into whose image its points are projected.
    """

    tree: FrameTree
    cameras: dict[str, Pinhole]

    def view(self, name: str, topic: CloudTopic, frame: str) -> View:
        """How a modality's camera sees points in the axes of `frame`.

        Raises:
            ValueError: /tf_static does not connect the two.
        """
        camera = self.cameras[name]
        between = (
            np.array(topic.transform)
            if topic.transform
            else self.tree.motion(frame, topic.camera_frame or camera.frame)
        )
        return View(camera.matrix, camera.size, camera.motion @ between)


class Recording:
    """Frames of a bag: one for each message of the leading topic, with what else was measured at that time.

    A message is decoded when its frame is asked for; of a recording of any length a second or so is in memory.

    Args:
        path: A .bag, .mcap or .db3 file, or a folder of ROS 2.
        rig: Which topics feed what.
        modalities: The model's.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A topic is not there or of another type, or the rig and the recording do not fit.
    """

    notes = ()

    def __init__(self, path: Path, rig: Rig, modalities: Sequence[Modality]) -> None:
        self.path = path
        self.files = (path,)
        self.rig = rig
        self.modalities = modalities
        self.parts = find_parts(rig.images, modalities)
        self.topics = {name: entry.topic for name, entry in (rig.images | rig.clouds).items()}
        self._known = {modality.name: modality for modality in modalities}
        with opened(path) as bag:
            for name, topic in self.topics.items():
                bag.check(topic, (IMAGE, COMPRESSED) if name in rig.images else (CLOUD,))
            self.length = bag.counts[self.topics[rig.leader]]
            if not self.length:
                raise ValueError(f"{path}: {self.topics[rig.leader]} holds no message, and leads: name another")
            self.rate = (self.length - 1) / bag.duration if self.length > 1 and bag.duration > 0 else None
            self.setting = _read_setting(bag, rig)

    def __iter__(self) -> Iterator[SourceFrame]:
        """Decodes one frame at a time; where the file is damaged, the frames end with one that says so."""
        others = [name for name in self.topics if name != self.rig.leader]
        tolerance, patience = round(self.rig.tolerance * SECOND), round(self.rig.patience * SECOND)
        number = 0
        with opened(self.path) as bag:
            instants = matched(self._messages(bag), self.rig.leader, others, tolerance=tolerance, patience=patience)
            try:
                for number, instant in enumerate(instants, start=1):
                    yield decoded(
                        f"{number - 1:06d}",
                        lambda instant=instant: self._images(bag, instant),
                        instant.leading.stamp / SECOND,
                    )
                if number < self.length:  # readers pass over damaged records
                    topic = self.topics[self.rig.leader]
                    raise ValueError(f"{self.path} is damaged: only {number} of {self.length} messages of {topic}")
            except ValueError as error:
                yield SourceFrame(f"{number:06d}", {}, error=one_line(str(error)))

    def _messages(self, bag: Bag) -> Iterator[Message]:
        names: dict[str, list[str]] = {}
        for name, topic in self.topics.items():
            names.setdefault(topic, []).append(name)
        for topic, arrival, data in bag.messages(names):
            stamp = arrival if self.rig.stamps == "arrival" else bag.stamp(data)
            if stamp is None:
                raise ValueError(f"a message of {topic} has no time stamp: say `stamps: arrival` in the rig")
            for name in names[topic]:
                yield Message(name, stamp, arrival, data)

    def _images(self, bag: Bag, instant: Instant) -> Images:
        data = {message.stream: message.content for message in (instant.leading, *instant.others.values())}
        values, images = {}, {}
        for name, content in data.items():
            message = bag.decoded(self.topics[name], content)
            try:
                if name in self.rig.clouds:
                    images[name] = self._cloud(name, message)
                else:
                    part = self.parts[name]
                    values[part] = message_image(message, self.rig.images[name], self._known[part.modality])
            except ValueError as error:
                raise ValueError(f"{name} from {self.topics[name]}: {error}") from error
        images |= composed(values, self.modalities)
        return of_one_size(images, self.modalities, resize=self.rig.resize)

    def _cloud(self, name: str, message: Any) -> Float32[np.ndarray, "H W 3"]:
        topic = self.rig.clouds[name]
        view = self.setting.view(name, topic, message.header.frame_id)
        empty = self._known[name].missing
        return cloud_image(cloud_points(message), view, topic, topic.missing or (empty, empty, empty))


def _read_setting(bag: Bag, rig: Rig) -> Setting:
    """The cameras and the places of sensors that the rig asks the recording for."""
    cameras = {name: _camera(bag, cloud.camera) for name, cloud in rig.clouds.items()}
    tree = FrameTree()
    if any(cloud.transform is None for cloud in rig.clouds.values()):
        bag.check(TREE_TOPIC, (TRANSFORMS,))
        for _, _, data in bag.messages({TREE_TOPIC}):
            tree.add(bag.decoded(TREE_TOPIC, data))
    return Setting(tree, cameras)


def _camera(bag: Bag, camera: Camera) -> Pinhole:
    if camera.matrix and camera.size:
        return Pinhole(np.array(camera.matrix), camera.size, np.eye(4), "")
    bag.check(camera.topic, (CAMERA_INFO,))
    first = next(bag.messages({camera.topic}), None)
    if first is None:
        raise ValueError(f"{bag.path}: {camera.topic} holds no message")
    try:
        return pinhole(bag.decoded(camera.topic, first[2]), rectified=camera.rectified)
    except ValueError as error:
        raise ValueError(f"{bag.path}: {camera.topic}: {error}") from error
