"""The sensors' own files to images in the frame camera's view, kept on disk once made."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64
from PIL import Image

from robustseg.data.benchmarks.muses import lidar, radar
from robustseg.data.benchmarks.muses.cache import cache_folder, load_projection, save_projection
from robustseg.data.benchmarks.muses.calibration import Calibration, read_calibration
from robustseg.data.benchmarks.muses.events import event_homography, event_image, read_events
from robustseg.data.benchmarks.muses.inputs import SIZE, SOURCES
from robustseg.data.benchmarks.muses.motion import moved, read_motion
from robustseg.data.benchmarks.muses.points import point_image
from robustseg.data.benchmarks.muses.scenes import Entry, scene_path
from robustseg.data.benchmarks.muses.sparse import SparseImage
from robustseg.data.reading import MAX_PIXELS
from robustseg.recipe import Muses

CACHE = "projected_robustseg"
DRIVEN = 20.0
"""Further than the vehicle drives during a turn of the radar, in m."""


@dataclass(frozen=True)
class RawSensors:
    """Projects event camera, LiDAR and radar of one data folder.

    Attributes:
        root: The data folder.
        settings: Of the recipe.
        size: Height and width of the images: the frame camera's.
    """

    root: Path
    settings: Muses
    size: tuple[int, int]

    @cached_property
    def calibration(self) -> Calibration:
        """Of `calib.json`."""
        return read_calibration(self.root / "calib.json")

    def image(self, modality: str, entry: Entry) -> Float32[np.ndarray, "3 H W"]:
        """One modality of a scene, from the disk if it was projected before, dilated as the settings say.

        Where projections cannot be kept, on a read-only disk or a full one, it warns and goes on without.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: A file is damaged; the message names it.
        """
        return self.sparse(modality, entry, must_keep=False)[0].dense(getattr(self.settings, f"{modality}_dilation"))

    def sparse(self, modality: str, entry: Entry, *, must_keep: bool = True) -> tuple[SparseImage, bool]:
        """The image before dilation, and whether it had to be made.

        Raises:
            OSError: It was made and `must_keep`, but cannot be written; says how to name another folder.
        """
        source = scene_path(self.root, entry, SOURCES[modality].folder)
        kept = self.cached_path(modality, entry)
        size_of_source = _length(source)
        found = load_projection(kept, self.size, size_of_source)
        if found is not None:
            return found, False
        made = self.project(modality, entry)
        try:
            save_projection(kept, made, size_of_source)
        except OSError as error:
            message = f"projections cannot be written to {self.cache_root} ({error.strerror or error})"
            if must_keep:
                raise OSError(f"{message}: name another folder with data.muses.cache") from error
            _warn_once(f"{message} and are made anew each time: data.muses.cache names another folder")
        return made, True

    @property
    def cache_root(self) -> Path:
        """The folder below which projections are kept."""
        return Path(self.settings.cache) if self.settings.cache else self.root / CACHE

    def cached_path(self, modality: str, entry: Entry) -> Path:
        """Where a scene's projection lies."""
        folder = cache_folder(
            self.cache_root,
            modality,
            size=self.size,
            motion=self.settings.motion,
            digest=self.calibration.digest,
        )
        return folder / entry.place / f"{entry.name}.npz"

    def project(self, modality: str, entry: Entry) -> SparseImage:
        """The image before dilation, from the sensor's own file."""
        path = scene_path(self.root, entry, SOURCES[modality].folder)
        match modality:
            case "event":
                return event_image(read_events(path), event_homography(self.calibration, self.size), self.size)
            case "lidar":
                return self._lidar(lidar.read_lidar(path), entry)
            case "radar":
                return self._radar(radar.read_radar(path), entry)
            case _:
                raise ValueError(f"{modality} is not projected")

    def _lidar(self, scan: lidar.Scan, entry: Entry) -> SparseImage:
        points = self._moved("lidar", entry, scan.points, scan.seconds)
        return point_image(
            points,
            np.column_stack([scan.intensity, points[:, 2]]),
            transform=self.calibration.transforms["lidar2rgb"],
            camera=self.calibration.camera_at(self.size),
            size=self.size,
        )

    def _radar(self, turn: radar.Turn, entry: Entry) -> SparseImage:
        transform, camera = self.calibration.transforms["radar2rgb"], self.calibration.camera_at(self.size)
        ends = np.stack([self._moved("radar", entry, line, turn.seconds) for line in radar.direction_ends()])
        view = radar.in_view(ends, transform, camera, self.size[1])
        found = radar.echoes(turn, view, radar.FURTHEST + (DRIVEN if self.settings.motion else 0))
        return point_image(
            self._moved("radar", entry, found.points, found.seconds),
            found.power[:, None],
            transform=transform,
            camera=camera,
            size=self.size,
            furthest=radar.FURTHEST,
        )

    def _moved(
        self, modality: str, entry: Entry, points: Float64[np.ndarray, "N 3"], seconds: Float64[np.ndarray, " N"]
    ) -> Float64[np.ndarray, "N 3"]:
        """The points at the camera's mid-exposure, if the settings ask for it."""
        if not self.settings.motion:
            return points
        if entry.exposure is None:
            raise ValueError(f"meta.json has no exposure times of {entry.name}, which data.muses.motion needs")
        motion = read_motion(scene_path(self.root, entry, "gnss"))
        return moved(points, seconds - entry.exposure, motion, self.calibration.transforms[f"{modality}2gnss"])


def camera_size(root: Path, entries: tuple[Entry, ...]) -> tuple[int, int]:
    """Height and width of the first camera image that can be read; as distributed if there is none.

    Raises:
        ValueError: A link leads outside the root.
    """
    for entry in entries:
        if SOURCES["camera"].folder in entry.paths:
            size = _image_size(scene_path(root, entry, SOURCES["camera"].folder))
            if size is not None:
                return size
    return SIZE


def _image_size(path: Path) -> tuple[int, int] | None:
    """From the header alone; None if there is no such image, or one that will be refused when it is read."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=("PNG", "JPEG")) as image:
            width, height = image.size
    except Exception:  # decoders of damaged files raise nearly anything
        return None
    return (height, width) if width * height <= MAX_PIXELS else None


@cache
def _warn_once(message: str) -> None:
    """Python's own count of what it has shown starts anew whenever an image is read."""
    warnings.warn(message, stacklevel=2)


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist") from None
