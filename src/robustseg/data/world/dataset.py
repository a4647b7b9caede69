"""The world as a dataset, and any instants of a moving scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import torch

from robustseg.data.sample import Sample
from robustseg.data.workers import end_with_parent
from robustseg.data.world.instant import EVENT_WINDOW, Shot, shoot
from robustseg.data.world.materials import CLASSES
from robustseg.data.world.scene import generator, scene_of
from robustseg.data.world.sensors import RANGE_COUNTS
from robustseg.modalities import Modality, chosen

WORLD_VERSION = 1
"""Counts up when the same numbers give other images, so that no model of an older world is taken for one of this."""

SPLITS = {"train": 0, "val": 1_000_000, "test": 2_000_000}
"""The number of each split's first scene."""

FRAMES_PER_SCENE = 4
INTERVAL = 5.0
"""A scene's frames lie in consecutive stretches of so many seconds, at a random instant of each."""

Progress = Callable[[int, int], None]
"""Called with the number of frames that are ready and the number there will be."""

MODALITIES: tuple[Modality, ...] = (
    Modality("rgb", mean=(140.1, 140.2, 138.4), std=(74.2, 74.1, 73.3), photometric=True, kind="camera"),
    Modality("depth", mean=(54.3, 59.1, 35.4), std=(80.2, 78.1, 61.0), resample="nearest", kind="depth"),
    Modality("event", mean=(8.0, 7.5, 32.1), std=(32.4, 31.4, 53.6), resample="nearest", kind="event"),
    Modality(
        "lidar", mean=(0.6, 1.7, 0.7), std=(6.6, 15.6, 7.9), resample="nearest", kind="lidar", metres=1 / RANGE_COUNTS
    ),
)
"""Means and standard deviations in counts, of the first 400 training frames of world 0."""


def address(split: str, index: int, seed: int) -> tuple[int, float]:
    """Scene and time of a frame. Splits share no scene.

    Raises:
        ValueError: There is no such split.
    """
    if split not in SPLITS:
        raise ValueError(f"there is no split {split!r}; the world has {', '.join(SPLITS)}")
    scene, turn = SPLITS[split] + index // FRAMES_PER_SCENE, index % FRAMES_PER_SCENE
    time = INTERVAL * (turn + float(generator(seed, scene, 6, turn).random()))
    return scene, round(time, 3)


def sequence(
    scene: int,
    times: Sequence[float],
    *,
    seed: int = 0,
    size: tuple[int, int] = (96, 128),
    condition: str | None = None,
    window: float = EVENT_WINDOW,
) -> list[Sample]:
    """Any instants of a moving scene, in any order.

    Args:
        scene: Its number; the dataset's own are those of `address`.
        times: Seconds since the scene began, at least 0.
        seed: Of the world.
        size: Height and width.
        condition: Weather and light; None = the scene's own.
        window: Seconds over which events are collected, up to each instant.

    Raises:
        ValueError: There is no such condition, or a time is negative.
    """
    if min(times, default=0.0) < 0:
        raise ValueError(f"times must be at least 0, got {min(times)}")
    place = scene_of(seed, scene, condition)
    shots = [shoot(place, time, size, window) for time in times]
    return [as_sample(shot, scene, time, place.weather.name) for shot, time in zip(shots, times, strict=True)]


def as_sample(shot: Shot, scene: int, time: float, condition: str) -> Sample:
    """A rendered instant in the package's form."""
    return Sample(
        images=torch.from_numpy(shot.images).float(),
        labels=torch.from_numpy(shot.labels).long(),
        present=torch.ones(len(MODALITIES), dtype=torch.bool),
        name=f"scene{scene:07d}_{round(time * 1000):06d}",
        tags={"condition": condition},
        sequence=_scene_name(scene),
        time=time,
    )


def _scene_name(scene: int) -> str:
    return f"scene{scene:07d}"


class WorldFrames:
    """So many frames of one split; rendered when first asked for, then kept in memory as 8-bit.

    Conditions take turns from scene to scene, so 20 frames in a row hold each of the five equally often.

    Example:
        >>> frames = WorldFrames("val", 8, 0, size=(48, 64))
        >>> sample = frames[5]
        >>> sample.images.shape, sample.tags, sample.sequence
        (torch.Size([4, 3, 48, 64]), {'condition': 'night'}, 'scene1000001')
    """

    def __init__(
        self, split: str, frames: int, seed: int, size: tuple[int, int] = (96, 128), use: Sequence[str] = ()
    ) -> None:
        """Remembers what to render.

        Args:
            split: "train", "val" or "test".
            frames: How many.
            seed: Which world.
            size: Height and width.
            use: Which modalities, in which order; empty = all.

        Raises:
            ValueError: There is no such split or modality, or `frames` does not fit between two splits.
        """
        if not 0 <= frames <= FRAMES_PER_SCENE * 1_000_000:
            raise ValueError(f"the world has between 0 and 4 million frames in a split, got {frames}")
        self.modalities = chosen(MODALITIES, use)
        self.classes = CLASSES
        self.size = size
        self._seed = seed
        self._addresses = [address(split, index, seed) for index in range(frames)]
        self._shots: dict[int, Shot] = {}

    @property
    def sequences(self) -> tuple[str, ...]:
        """The scene of each frame."""
        return tuple(_scene_name(scene) for scene, _ in self._addresses)

    def __len__(self) -> int:
        return len(self._addresses)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        scene, time = self._addresses[index]
        if index not in self._shots:
            self._shots[index] = _render((self._seed, scene, time, self.size))
        sample = as_sample(self._shots[index], scene, time, scene_of(self._seed, scene).weather.name)
        if self.modalities == MODALITIES:
            return sample
        places = [MODALITIES.index(modality) for modality in self.modalities]
        return replace(sample, images=sample.images[places], present=sample.present[places])

    def preload(self, progress: Progress | None = None, processes: int = 1) -> None:
        """Renders all frames that are not in memory yet, with several processes if asked for."""
        missing = [index for index in range(len(self)) if index not in self._shots]
        jobs = [(self._seed, *self._addresses[index], self.size) for index in missing]
        if processes <= 1 or len(jobs) < 64:
            self._keep(missing, map(_render, jobs), progress)
            return
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=end_with_parent) as pool:
            self._keep(missing, pool.map(_render, jobs, chunksize=FRAMES_PER_SCENE), progress)

    def _keep(self, places: Sequence[int], shots: object, progress: Progress | None) -> None:
        for place, shot in zip(places, shots, strict=True):  # pyright: ignore
            self._shots[place] = shot
            if progress is not None:
                progress(len(self._shots), len(self))


def _render(job: tuple[int, int, float, tuple[int, int]]) -> Shot:
    seed, scene, time, size = job
    return shoot(scene_of(seed, scene), time, size)
