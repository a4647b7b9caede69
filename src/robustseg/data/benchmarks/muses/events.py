"""Events: HDF5 files with the column, row, time in microseconds and polarity of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from robustseg.data.benchmarks.muses.calibration import Calibration
from robustseg.data.benchmarks.muses.sparse import SparseImage

WINDOW = 30_000
"""Microseconds before the last event that an image shows."""

MOST_EVENTS = 2**25
"""Larger files are refused before they are read; an image of 30 ms shows some hundred thousand."""


@dataclass(frozen=True, eq=False)
class Events:
    """What the event camera saw, in the order of the file.

    Attributes:
        columns: In its own pixels.
        rows: In its own pixels.
        microseconds: Rising or not.
        brighter: Polarity: whether it became brighter.
    """

    columns: Int64[np.ndarray, " N"]
    rows: Int64[np.ndarray, " N"]
    microseconds: Int64[np.ndarray, " N"]
    brighter: Bool[np.ndarray, " N"]


def read_events(path: Path) -> Events:
    """Reads `events/x`, `y`, `t` and `p`; nothing outside the file is touched.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The packages `h5py` and `hdf5plugin` are not installed; or the file is damaged, holds links,
            other things than four plain lists of integers of one length, or too many events.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    h5py = h5py_or_hint()
    try:
        with h5py.File(path, "r") as file:
            group = _own(h5py, file, "events", h5py.Group)
            lists = {name: _own(h5py, group, name, h5py.Dataset) for name in "xytp"}
            _check_lists(lists)
            x, y, t, p = (lists[name][()].astype(np.int64) for name in "xytp")
    except (OSError, RuntimeError, KeyError) as error:  # what h5py raises of damaged files
        raise ValueError(f"{path} cannot be read, it is damaged or cut off: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if len(p) and not 0 <= p.min() <= p.max() <= 1:
        raise ValueError(f"{path}: events/p must hold 0 and 1, got {p.min()}..{p.max()}")
    return Events(x, y, t, p > 0)


def h5py_or_hint() -> Any:
    """The module h5py, to which hdf5plugin adds the compression of MUSES' files.

    Raises:
        ValueError: One of the two is not installed; says how to get them.
    """
    try:
        import h5py
        import hdf5plugin  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise ValueError(
            "MUSES' event files need two more packages: pip install 'robustseg[muses]'; "
            "or leave events out with data.use"
        ) from None
    return h5py


def _own(h5py: Any, group: Any, name: str, kind: Any) -> Any:
    """A group's member that is part of this very file."""
    link = group.get(name, getlink=True)
    if link is None:
        raise ValueError(f"there is no {group.name.rstrip('/')}/{name} in it")
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"{group.name.rstrip('/')}/{name} is a link: only data within the file are read")
    found = group[name]
    if not isinstance(found, kind):
        raise ValueError(f"{found.name} is a {type(found).__name__.lower()}, not a {kind.__name__.lower()}")
    return found


def _check_lists(lists: dict[str, Any]) -> None:
    """Before memory is taken: plain lists of integers, one entry an event."""
    for name, found in lists.items():
        if found.external or found.is_virtual:
            raise ValueError(f"events/{name} lies in other files: only data within the file are read")
        if found.ndim != 1 or found.dtype.kind not in "uib":
            raise ValueError(f"events/{name} must be a list of integers, got {found.dtype} of shape {found.shape}")
    lengths = {name: len(found) for name, found in lists.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"the lists of events differ in length: {lengths}")
    if lengths["x"] > MOST_EVENTS:
        raise ValueError(f"{lengths['x']} events are more than {MOST_EVENTS}")


def event_homography(calibration: Calibration, size: tuple[int, int]) -> Float64[np.ndarray, "3 3"]:
    """Pixels of the event camera to pixels of the frame camera, as if all that is seen were far away.

    The development kit rectifies both cameras to a common plane (OpenCV's stereoRectify with zero disparity) and goes
    back from the frame camera's side. Both cameras share that plane's matrix and differ by rotations alone, so that
    the chain equals this one product; their distance of some centimetres is neglected either way.
    """
    rotation = calibration.transforms["event2rgb"][:3, :3]
    return calibration.camera_at(size) @ rotation @ np.linalg.inv(calibration.cameras["event"])


def event_image(events: Events, homography: Float64[np.ndarray, "3 3"], size: tuple[int, int]) -> SparseImage:
    """Counts of positive and negative events of the last 30 ms before the last event, at most 255 each.

    Events that fall outside the image are left out (the development kit lets small negative places wrap around to
    the other side and stops at large ones), and counts above 255 stay 255 (there, they start again at 0).
    """
    recent = np.flatnonzero(events.microseconds >= events.microseconds.max(initial=0) - WINDOW)
    places = np.column_stack([events.columns[recent], events.rows[recent], np.ones(len(recent))]) @ homography.T
    places = places[:, :2] / np.where(places[:, 2:] > 0, places[:, 2:], np.nan)
    cells = np.rint(places)
    inside = ((cells >= 0) & (cells < (size[1], size[0]))).all(axis=1)  # NaN is not
    cells, brighter = cells[inside].astype(np.int64), events.brighter[recent[inside]]
    flat = cells[:, 1] * size[1] + cells[:, 0]
    count = size[0] * size[1]
    counts = [np.bincount(flat[which], minlength=count) for which in (brighter, ~brighter)]
    pixels = np.flatnonzero(counts[0] + counts[1]).astype(np.int32)
    values = np.column_stack([np.minimum(channel[pixels], 255) for channel in counts]).astype(np.uint8)
    return SparseImage(size, pixels, values)
