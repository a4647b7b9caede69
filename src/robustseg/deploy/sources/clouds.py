"""Point clouds of ROS to images: each pixel shows the nearest point that falls on it.

Letters: `N` points, `H W` size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, Shaped

from robustseg.data.benchmarks.muses.points import projected
from robustseg.data.benchmarks.muses.sparse import last_of_each
from robustseg.deploy.sources.rig import CloudTopic
from robustseg.modalities import Triple

DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
"""Numbers of sensor_msgs/PointField."""

MOST_POINTS = 2**24
MOST_FILLED = 2**24
"""So many pixels may all points fill together, before nearer ones cover others."""

LARGEST = 1e30
AXES = ("x", "y", "z")
COMPUTED: tuple[str, ...] = ("range", "height", "depth")


@dataclass(frozen=True, eq=False)
class View:
    """How a camera sees points.

    Attributes:
        matrix: Directions to pixels.
        size: Height and width in pixels.
        motion: From the points' axes to the camera's.
    """

    matrix: Float64[np.ndarray, "3 3"]
    size: tuple[int, int]
    motion: Float64[np.ndarray, "4 4"]


def cloud_points(message: Any) -> Shaped[np.ndarray, " N"]:
    """The points of a sensor_msgs/PointCloud2 as a structured array with its fields of one value.

    Raises:
        ValueError: Its sizes do not fit each other, or x, y, z are not there.
    """
    count = message.height * message.width
    fields = {field.name: field for field in message.fields if field.datatype in DATATYPES and field.count == 1}
    order = ">" if message.is_bigendian else "<"
    formats = {name: np.dtype(DATATYPES[field.datatype]).newbyteorder(order) for name, field in fields.items()}
    if lacking := [name for name in AXES if name not in fields]:
        raise ValueError(f"the points have no {', '.join(lacking)}, only {', '.join(fields)}")
    ends = (fields[name].offset + formats[name].itemsize for name in fields)
    if max(ends) > message.point_step or message.row_step < message.width * message.point_step:
        raise ValueError("the fields of the points do not fit into their bytes")
    if count > MOST_POINTS or len(message.data) < message.row_step * message.height:
        raise ValueError(f"{count} points are more than {MOST_POINTS}, or more than the message holds")
    dtype = np.dtype(
        {
            "names": list(fields),
            "formats": list(formats.values()),
            "offsets": [field.offset for field in fields.values()],
            "itemsize": message.point_step,
        }
    )
    data = np.ascontiguousarray(message.data).tobytes()
    strides = (message.row_step, message.point_step)
    return np.ndarray((message.height, message.width), dtype, data, strides=strides).reshape(-1)


def cloud_image(
    points: Shaped[np.ndarray, " N"], view: View, topic: CloudTopic, missing: Triple
) -> Float32[np.ndarray, "H W 3"]:
    """The image of the points that lie before the camera, of which nearer ones cover those behind them.

    A point with a channel that is no number falls out.

    Args:
        points: Structured, with the fields x, y, z in m and those that `topic.channels` names.
        view: Of the camera.
        topic: What the channels are, which points fall out, and how large a point is.
        missing: The channels where no point falls.

    Raises:
        ValueError: A field is not there, or there are too many points for such a dilation.
    """
    height, width = view.size
    points = points[_near(points, topic)]
    places = _places(points)
    seen = projected(places, view.motion, view.matrix)  # column, row, depth
    inside = (seen[:, :2] >= -0.5).all(axis=1) & (seen[:, 0] < width - 0.5) & (seen[:, 1] < height - 0.5)
    computed = dict(zip(COMPUTED, (_distance(places), places[:, 2], seen[:, 2]), strict=True))
    values = np.column_stack([_channel(name, points, computed) for name in topic.channels]) * topic.scale
    kept = np.flatnonzero(inside & (np.abs(values) < LARGEST).all(axis=1))
    kept = kept[np.argsort(-seen[kept, 2], kind="stable")]  # the nearest last, so that it stays
    cells = np.floor(seen[kept, :2] + 0.5).astype(np.int64)
    owners, pixels = _squares(cells, topic.dilation, view.size)
    last = last_of_each(pixels, height * width)
    image = np.tile(np.array(missing, np.float32), (height * width, 1))
    image[pixels[last]] = values[kept[owners[last]]]
    return image.reshape(height, width, 3)


def _near(points: Shaped[np.ndarray, " N"], topic: CloudTopic) -> Bool[np.ndarray, " N"]:
    """Which points are echoes from where they may be; a coordinate that is not finite is no echo."""
    with np.errstate(over="ignore", invalid="ignore"):
        distance = _distance(_places(points))
    return (distance >= topic.closest) & (distance <= topic.furthest)  # NaN is neither


def _places(points: Shaped[np.ndarray, " N"]) -> Float64[np.ndarray, "N 3"]:
    return np.column_stack([points[name].astype(np.float64) for name in AXES])


def _distance(places: Float64[np.ndarray, "N 3"]) -> Float64[np.ndarray, " N"]:
    return np.sqrt(np.square(places).sum(axis=1))


def _channel(
    name: str, points: Shaped[np.ndarray, " N"], computed: dict[str, Float64[np.ndarray, " N"]]
) -> Float64[np.ndarray, " N"]:
    if name in computed:
        return computed[name]
    if name not in (points.dtype.names or ()):
        fields = ", ".join(points.dtype.names or ())
        raise ValueError(f"the points have no {name!r}; channels are {', '.join(COMPUTED)}, and the fields {fields}")
    return points[name].astype(np.float64)


def _squares(
    cells: Int64[np.ndarray, "N 2"], side: int, size: tuple[int, int]
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Which point fills which pixel of the flattened image, in the order of the points; squares are cut at the borders.

    Squares of an even side reach further right and down.
    """
    if len(cells) * side**2 > MOST_FILLED:
        raise ValueError(f"{len(cells)} points with a dilation of {side} are too many: lower it")
    steps = np.arange(side) - (side - 1) // 2
    columns = cells[:, 0, None, None] + steps[None, None, :]  # N 1 side
    rows = cells[:, 1, None, None] + steps[None, :, None]  # N side 1
    inside = (columns >= 0) & (columns < size[1]) & (rows >= 0) & (rows < size[0])  # N side side
    owners = np.broadcast_to(np.arange(len(cells))[:, None, None], inside.shape)
    return owners[inside], (rows * size[1] + columns)[inside]
