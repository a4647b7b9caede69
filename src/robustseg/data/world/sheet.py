"""A contact sheet of the world: one row per condition, one column per sensor, and the labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from robustseg.data.world.conditions import CONDITIONS
from robustseg.data.world.instant import Shot, shoot
from robustseg.data.world.materials import CLASSES
from robustseg.data.world.scene import scene_of
from robustseg.files import write_atomically
from robustseg.labels import colorize

COLUMNS = ("RGB", "Depth (stereo)", "Events", "LiDAR", "Labels")
INK, PAPER = "#e8e6e1", "#15181d"


def contact_sheet(
    path: Path, *, seed: int = 0, scene: int = 21, time: float = 9.0, size: tuple[int, int] = (96, 128)
) -> None:
    """Writes a PNG of the same instant of a scene in all conditions, as all sensors see it."""
    from matplotlib.figure import Figure  # slow to import, and needed by few
    from matplotlib.patches import Patch

    names = list(CONDITIONS)
    figure = Figure(figsize=(2.55 * len(COLUMNS) + 0.5, 1.98 * len(names) + 0.9), facecolor=PAPER, dpi=130)
    axes = figure.subplots(len(names), len(COLUMNS), squeeze=False)
    for row, name in enumerate(names):
        shot = shoot(scene_of(seed, scene, name), time, size)
        for column, picture in enumerate(pictures(shot)):
            axis = axes[row, column]
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if row == 0:
                axis.set_title(COLUMNS[column], color=INK, fontsize=12, pad=7)
        axes[row, 0].set_ylabel(name.replace("_", " "), color=INK, fontsize=12, labelpad=7)
    keys = [Patch(color="#{:02x}{:02x}{:02x}".format(*entry.color), label=entry.name) for entry in CLASSES]
    figure.legend(handles=keys, loc="lower center", ncols=len(keys), frameon=False, labelcolor=INK, fontsize=9.5)
    figure.subplots_adjust(left=0.035, right=0.995, top=0.955, bottom=0.045, wspace=0.03, hspace=0.03)
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", facecolor=PAPER))


def pictures(shot: Shot) -> tuple[np.ndarray, ...]:
    """RGB, depth, events, LiDAR and labels of one instant as colour images for people."""
    from matplotlib import colormaps

    rgb, depth, event, lidar = shot.images.transpose(0, 2, 3, 1)
    turbo = colormaps["turbo"]
    depth_picture = np.where(depth[..., :1] > 0, turbo(_nearness(1000.0 / np.maximum(depth[..., 0], 1)))[..., :3], 0.07)
    up, down = np.minimum(event[..., 0] / 120.0, 1), np.minimum(event[..., 1] / 120.0, 1)
    event_picture = 0.08 + np.stack([0.90 * up + 0.10 * down, 0.35 * up + 0.50 * down, 0.10 * up + 0.92 * down], -1)
    points = turbo(_nearness(lidar[..., 0] / 4.0))[..., :3] * (0.6 + 0.4 * lidar[..., 1:2] / 255.0)
    points = np.where(lidar[..., :1] > 0, points, 0.0).astype(np.float32)
    lidar_picture = np.maximum(cv2.dilate(points, np.ones((2, 2), np.uint8)), 0.07)  # wider points, for eyes
    return rgb, depth_picture, np.clip(event_picture, 0, 1), lidar_picture, colorize(shot.labels, CLASSES)


def _nearness(metres: np.ndarray) -> np.ndarray:
    """A place on the color map, the same for both sensors that measure distance."""
    return np.clip(1.2 - 0.235 * np.log2(np.maximum(metres, 1.0) / 2 + 1), 0, 1)
