"""What MUSES shows a model: its 19 classes and its four modalities, with their units and statistics."""

from __future__ import annotations

from dataclasses import dataclass

from robustseg.labels import LabelClass
from robustseg.modalities import IMAGENET_MEAN, IMAGENET_STD, Modality, Triple, chosen
from robustseg.recipe import Data, Habit

CLASSES = (
    LabelClass("road", (128, 64, 128)),
    LabelClass("sidewalk", (244, 35, 232)),
    LabelClass("building", (70, 70, 70)),
    LabelClass("wall", (102, 102, 156)),
    LabelClass("fence", (190, 153, 153)),
    LabelClass("pole", (153, 153, 153)),
    LabelClass("traffic light", (250, 170, 30)),
    LabelClass("traffic sign", (220, 220, 0)),
    LabelClass("vegetation", (107, 142, 35)),
    LabelClass("terrain", (152, 251, 152)),
    LabelClass("sky", (70, 130, 180)),
    LabelClass("person", (220, 20, 60)),
    LabelClass("rider", (255, 0, 0)),
    LabelClass("car", (0, 0, 142)),
    LabelClass("truck", (0, 0, 70)),
    LabelClass("bus", (0, 60, 100)),
    LabelClass("train", (0, 80, 100)),
    LabelClass("motorcycle", (0, 0, 230)),
    LabelClass("bicycle", (119, 11, 32)),
)
"""In train-id order, which are the label files' ids; 255 is void."""

SIZE = (1080, 1920)
"""Height and width for which `calib.json` states the camera's matrix, and of every image as it is distributed."""


@dataclass(frozen=True)
class Source:
    """One sensor of MUSES.

    Attributes:
        folder: Of its files, and the end of their names; `path_to_FOLDER` in meta.json names them.
        suffix: Of its own files.
    """

    folder: str
    suffix: str


SOURCES = {
    "camera": Source("frame_camera", ".png"),
    "event": Source("event_camera", ".h5"),
    "lidar": Source("lidar", ".bin"),
    "radar": Source("radar", ".png"),
}
"""Modality -> its sensor, in the order of the published tables."""

STATISTICS: dict[str, tuple[Triple, Triple]] = {
    "camera": (IMAGENET_MEAN, IMAGENET_STD),
    "event": ((0.1258, 0.1273, 0.0), (0.5442, 0.4763, 1.0)),
    "lidar": ((4.917, 6.149, 0.270), (13.347, 17.638, 1.232)),
    "radar": ((4.004, 9.343, 0.0), (14.607, 19.294, 1.0)),
}
"""Mean and std of each modality in its own units. Those of the projected sensors are CAFuser's, of images dilated by
squares of 3 (events), 2 (LiDAR) and 10 (radar) pixels; with other dilations they still put values in a fair range."""

AS_SHARE: tuple[Triple, Triple] = ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
"""Of 8-bit values that become 0..1, as the published code has them, which normalises nothing else."""

EMPTY_BYTE = 58.0
"""What is left of an empty pixel in the high byte of a 16-bit PNG: 100 * 150 >> 8."""


def modalities(data: Data, habits: frozenset[Habit]) -> tuple[Modality, ...]:
    """The model's inputs, those of `data.use` in its order.

    Channels: `camera` red, green, blue in 8-bit counts; `event` positive and negative events of the last 30 ms, 0;
    `lidar` range in m, intensity as stored, height over the sensor in m; `radar` range in m, power 0..255, 0.

    Raises:
        ValueError: A name in `data.use` is unknown or stands twice.
    """
    return chosen([_modality(name, data, habits) for name in SOURCES], data.use)


def _modality(name: str, data: Data, habits: frozenset[Habit]) -> Modality:
    as_counts = bool(habits & {"high_byte", "min_max"})
    published = data.muses.source == "published"
    mean, std = STATISTICS[name]
    if name in ("lidar", "radar"):
        missing = EMPTY_BYTE if as_counts and "min_max" not in habits else 0.0
        mean, std = AS_SHARE if as_counts else (mean, std)
        unit = "counts" if as_counts else "m"
        kind = "lidar" if name == "lidar" else "radar"
        return Modality(name, unit=unit, mean=mean, std=std, resample="nearest", kind=kind, missing=missing)
    mean, std = AS_SHARE if published else (mean, std)
    if name == "event":
        return Modality(name, mean=mean, std=std, resample="nearest", kind="event")
    return Modality(name, mean=mean, std=std, photometric=True, kind="camera")
