"""A rig file: which topics of a bag feed which modality, and how a point cloud becomes an image.

Every key stands in `docs/sources.md`, in an example.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64

from robustseg.data.reading import MAX_PIXELS
from robustseg.deploy.sources.source import find_parts
from robustseg.modalities import Modality, Triple
from robustseg.recipe_file import read_yaml
from robustseg.strict import from_plain

Row = tuple[float, float, float, float]

LARGEST_DILATION = 64

SKEWED = 0.01
"""A rotation whose product with its transpose is further than this from the unit matrix is none."""


@dataclass(frozen=True)
class ImageTopic:
    """A topic of sensor_msgs/Image or CompressedImage.

    Attributes:
        topic: Its name.
        scale: Value in the modality's unit = `scale` * value in the message + `offset`: 0.001 for 16-bit millimetres.
        offset: See `scale`.
    """

    topic: str
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.scale == 0:
            raise ValueError(f"topic {self.topic}: scale 0 would make every value the same")


@dataclass(frozen=True)
class Camera:
    """The pinhole into whose image points are projected: a topic of sensor_msgs/CameraInfo, or a matrix and a size.

    Attributes:
        topic: Its first message is taken.
        rectified: Whether the images are rectified: then P and R of the message hold, else K, if it has no distortion.
        matrix: Directions to pixels, [[fx, s, cx], [0, fy, cy], [0, 0, 1]]; pixel 0, 0 is the centre of the first one.
        size: Height and width in pixels.
    """

    topic: str = ""
    rectified: bool = False
    matrix: tuple[Triple, Triple, Triple] | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if bool(self.topic) == bool(self.matrix) or bool(self.matrix) != bool(self.size):
            raise ValueError("a camera is a topic of camera_info, or a matrix and a size")
        if self.matrix and self.size:
            check_camera(np.array(self.matrix), self.size)


@dataclass(frozen=True)
class CloudTopic:
    """A topic of sensor_msgs/PointCloud2 that becomes an image as the camera sees its points.

    Attributes:
        topic: Its name.
        camera: Into whose image.
        channels: Of the image: `range` (distance from the sensor, m), `height` (over the sensor, its z, m), `depth` (z
            in the camera's axes, m), or the name of a field of the points: `intensity`, `x`, `ring` ...
        scale: What the channels are multiplied with.
        missing: The channels where no point falls; None = the modality's `missing`.
        transform: 4 rows of 4, from the points' axes to the camera's (x right, y down, z front, m); None = by
            /tf_static.
        camera_frame: The camera's frame in /tf_static; empty = what its camera_info says.
        closest: Points nearer to their sensor, in m, fall out: they show the vehicle itself.
        furthest: So do those further away.
        dilation: Each point fills a square of so many pixels; a nearer point covers a further one.
    """

    topic: str
    camera: Camera
    channels: tuple[str, str, str]
    scale: Triple = (1.0, 1.0, 1.0)
    missing: Triple | None = None
    transform: tuple[Row, Row, Row, Row] | None = None
    camera_frame: str = ""
    closest: float = 0.0
    furthest: float = 1e9
    dilation: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.dilation <= LARGEST_DILATION:
            raise ValueError(f"topic {self.topic}: dilation lies in 1..{LARGEST_DILATION}, got {self.dilation}")
        if self.transform:
            check_motion(np.array(self.transform), f"topic {self.topic}: transform")
        elif not (self.camera_frame or self.camera.topic):
            raise ValueError(f"topic {self.topic}: give `transform`, or `camera_frame` to look it up in /tf_static")


@dataclass(frozen=True)
class Rig:
    """Which topics feed which modality.

    Attributes:
        leading: The input whose messages make the frames; empty = the first of `images` or, without any, of `clouds`.
        images: Modality (or modality.file, where it has several) -> topic.
        clouds: Modality -> topic.
        tolerance: How far another message's stamp may be from the leading one's, in s; else its modality is absent.
        patience: How much later than a leading message others are waited for, in s of the recording.
        stamps: Which time of a message counts: its header's, or when it was recorded.
        resize: Bring all images to the leading one's size; they must show the same view.
    """

    leading: str = ""
    images: dict[str, ImageTopic] = field(default_factory=dict)
    clouds: dict[str, CloudTopic] = field(default_factory=dict)
    tolerance: float = 0.05
    patience: float = 1.0
    stamps: Literal["header", "arrival"] = "header"
    resize: bool = False

    def __post_init__(self) -> None:
        names = self.names
        if not names:
            raise ValueError("a rig names topics, under `images` or `clouds`")
        if len(set(names)) != len(names):
            raise ValueError(f"an input stands in both `images` and `clouds`: {', '.join(names)}")
        if self.leading and self.leading not in names:
            raise ValueError(f"leading: {self.leading!r} is none of {', '.join(names)}")
        for key in ("tolerance", "patience"):
            if not 0 <= getattr(self, key) <= 60:
                raise ValueError(f"{key} lies in 0..60 s, got {getattr(self, key)}")

    @property
    def names(self) -> tuple[str, ...]:
        """All inputs, the images first."""
        return (*self.images, *self.clouds)

    @property
    def leader(self) -> str:
        """The input whose messages make the frames."""
        return self.leading or self.names[0]


def read_rig(path: Path, modalities: Sequence[Modality]) -> Rig:
    """Reads a rig file for a model.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no rig, or names what the model does not have; says which key.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no rig file {path}")
    try:
        rig = from_plain(read_yaml(path, "rig"), Rig)
        find_parts(rig.images, modalities)
        known = [modality.name for modality in modalities]
        for name in rig.clouds:
            if name not in known:
                raise ValueError(f"clouds.{name} is no modality of this model; it has {', '.join(known)}")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return rig


def check_camera(matrix: Float64[np.ndarray, "3 3"], size: tuple[int, int]) -> None:
    """Raises ValueError for what is no camera matrix, and for an image without pixels or with too many."""
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or matrix[1, 0] != 0 or matrix[2].tolist() != [0, 0, 1]:
        raise ValueError("a camera's matrix is [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx and fy above 0")
    if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"a camera's size is height and width, at most {MAX_PIXELS} pixels, got {size}")


def check_motion(motion: Float64[np.ndarray, "4 4"], where: str) -> None:
    """Raises ValueError for what is no rigid motion."""
    rotation = motion[:3, :3]
    skewed = np.abs(rotation @ rotation.T - np.eye(3)).max() > SKEWED
    if motion[3].tolist() != [0, 0, 0, 1] or skewed or np.linalg.det(rotation) < 0:
        raise ValueError(f"{where} is no rigid motion: a rotation and a shift above the row 0 0 0 1")
