"""Writes docs/faults.png, every fault at three severities on the built-in world, and docs/faults.md, their table.

    python benchmarks/fault_gallery.py                     about 10 seconds
    python benchmarks/fault_gallery.py --out elsewhere     beside the committed ones, to compare

Needs nothing but the package.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from robustseg.data.world.dataset import MODALITIES
from robustseg.data.world.instant import EVENT_WINDOW, Shot, shoot
from robustseg.data.world.scene import scene_of
from robustseg.data.world.sheet import pictures
from robustseg.failures import FAULTS, Fault, apply_fault, generator_for, stale
from robustseg.failures.faults import EVERY
from robustseg.failures.optics import DARK_NOISE, GAMMA
from robustseg.failures.ranging import BEAMS, REACH, UNKNOWN_RANGE
from robustseg.failures.readout import FIELD_OF_VIEW
from robustseg.files import write_atomically

PANELS = (
    *(("blackout", "rgb"), ("blackout", "lidar"), ("frozen_frame", "rgb"), ("late_frame", "rgb")),
    *(("overexposure", "rgb"), ("underexposure", "rgb"), ("motion_blur", "rgb"), ("lens_dirt", "rgb")),
    *(("lens_dirt", "depth"), ("drift", "rgb"), ("beam_loss", "lidar"), ("range_loss", "lidar")),
    *(("noise", "rgb"), ("noise", "depth"), ("noise", "event"), ("noise", "lidar")),
)
SHOWN = (1, 3, 5)
SHARE_OF = {"event": "% of the pixels", "lidar": "% of the echoes"}
SCENE, TIME, CONDITION, SIZE = 21, 9.0, "day", (192, 256)
RATE, POSITION = 10.0, 39
"""Frames per second of the moving scene, and which of its frames is shown."""

CELL, GAP, BLOCK, HEAD, TOP, SIDE = 1.62, 0.05, 0.32, 0.62, 0.62, 0.14  # inches
INK, FAINT, RULE = "#1b1f24", "#5b636c", "#c9ced4"


@dataclass(frozen=True)
class World:
    """A shot of the world and of what came before it; places of its modalities by name."""

    at: Callable[[int], Shot]

    @property
    def now(self) -> Shot:
        return self.at(POSITION)

    def broken(self, fault: str, sensor: str, severity: int) -> Shot:
        """What the sensors give when one of them is broken."""
        if FAULTS[fault].temporal:
            return self.at(stale(fault, severity, POSITION))
        place = [modality.name for modality in MODALITIES].index(sensor)
        images = self.now.images.copy()
        source = generator_for(0, "gallery", sensor, fault)
        hit = apply_fault(fault, torch.from_numpy(images[place]).float(), MODALITIES[place], severity, source)
        images[place] = hit.round().clamp(0, 255).byte().numpy()
        return replace(self.now, images=images)


def the_world() -> World:
    place, kept = scene_of(0, SCENE, CONDITION), dict[int, Shot]()

    def at(position: int) -> Shot:
        if position not in kept:
            kept[position] = shoot(place, TIME + (position - POSITION) / RATE, SIZE, EVENT_WINDOW)
        return kept[position]

    return World(at)


def picture(shot: Shot, sensor: str) -> np.ndarray:
    """One sensor's image, for people, who need larger points than a network."""
    found = pictures(shot)[[modality.name for modality in MODALITIES].index(sensor)]
    return cv2.dilate(found, np.ones((3, 3), np.uint8)) if sensor == "lidar" else found


def caption(fault: Fault, sensor: str, severity: int) -> str:
    """What is above a picture: the severity and its value."""
    value = fault.values[severity - 1]
    unit = SHARE_OF.get(sensor, "% of the range") if fault.name == "noise" else fault.unit
    unit = unit.replace("stops", "stop").replace("degrees", "degree") if value == 1 else unit
    unit = unit.replace("frames", "frame") if value == 1 else unit
    words = f"{severity} ·  {value:g} {unit}"
    return f"{words}: {POSITION - stale(fault.name, severity, POSITION)} old" if fault.name == "frozen_frame" else words


def draw(world: World) -> Figure:
    """Two panels side by side; a panel is the well image and three severities."""
    height = CELL * SIZE[0] / SIZE[1]
    panel = 4 * CELL + 3 * GAP
    rows = (len(PANELS) + 1) // 2
    wide, high = 2 * SIDE + 2 * panel + BLOCK, TOP + rows * (HEAD + height) + 0.12
    figure = Figure(figsize=(wide, high))
    figure.text(SIDE / wide, 1 - 0.34 / high, "Faults from the field", fontsize=15, fontweight="bold", color=INK)
    figure.text(
        1 - SIDE / wide, 1 - 0.34 / high, "the built-in world; severities 1, 3 and 5 of 5", ha="right", color=FAINT
    )
    for place, (fault, sensor) in enumerate(PANELS):
        left, top = SIDE + (place % 2) * (panel + BLOCK), high - TOP - (place // 2) * (HEAD + height)
        line = Rectangle((left / wide, (top - 0.04) / high), panel / wide, 0.008 / high, color=RULE, lw=0)
        figure.add_artist(line)
        headline, title = (top - 0.25) / high, fault.replace("_", " ")
        figure.text(left / wide, headline, title, fontsize=11, fontweight="bold", color=INK)
        figure.text((left + panel) / wide, headline, sensor, ha="right", fontsize=10, color=FAINT)
        _cells(figure, world, fault, sensor, left, top)
    return figure


def _cells(figure: Figure, world: World, fault: str, sensor: str, left: float, top: float) -> None:
    """The four images of a panel, whose upper left corner is given in inches."""
    wide, high = figure.get_size_inches()
    height = CELL * SIZE[0] / SIZE[1]
    ill = ((caption(FAULTS[fault], sensor, severity), world.broken(fault, sensor, severity)) for severity in SHOWN)
    for column, (words, shot) in enumerate([("well", world.now), *ill]):
        x = left + column * (CELL + GAP)
        figure.text(x / wide, (top - 0.45) / high, words, fontsize=8, color=INK)
        axes = figure.add_axes((x / wide, (top - 0.52 - height) / high, CELL / wide, height / high))
        axes.imshow(picture(shot, sensor), interpolation="nearest", aspect="auto")
        axes.set_axis_off()


def write_picture(figure: Figure, path: Path) -> None:
    """As a PNG of 256 colours, a third as large as in full colour."""
    figure.savefig(path, format="png", dpi=110, facecolor="white")
    with Image.open(path) as full:
        few = full.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(path, format="png", optimize=True)


def table() -> str:
    """The faults as Markdown."""
    head = "| fault | what happens | sensors | unit | 1 | 2 | 3 | 4 | 5 |\n|---|---|---|---|---|---|---|---|---|\n"
    return head + "\n".join(_row(fault) for fault in FAULTS.values()) + "\n"


def _row(fault: Fault) -> str:
    sorts = "all" if fault.sorts == EVERY else ", ".join(fault.sorts)
    values = " | ".join(f"{value:g}" for value in fault.values)
    return f"| `{fault.name}` | {fault.about} | {sorts} | {fault.unit} | {values} |"


def page() -> str:
    """docs/faults.md."""
    return f"""# Faults from the field

<!-- Written by benchmarks/fault_gallery.py: change it there. -->

What can go wrong with one sensor while the others are well, in five severities. Each fault is a pure function of an
image in its modality's unit, before normalisation (`robustseg.failures.apply_fault`), or of its place in the sequence
(`stale`). All images of one sensor share a fault; those of a kind that cannot have it stay as they are. Evaluation
walks through them (protocol `faults`); training draws them at random, those of time excepted: a recipe's
`data.transforms.faults` is the probability for each sensor. Teacher and student then see the same broken image. What it
brings and costs: [evidence.md](evidence.md).

![Each fault at severities 1, 3 and 5](faults.png)

{table()}
"Sensors" are a modality's `kind`: {", ".join(sort for sort in EVERY if sort)}; a modality without one takes the faults
of "all".

What is assumed:

- With the same random numbers, a higher severity breaks what a lower one broke, and more.
- Degrees become pixels by a horizontal field of view of {FIELD_OF_VIEW:g} degrees. Rings of a projected LiDAR lie along
  curves of equal elevation in such a view, of which there are {BEAMS}; for other optics a ring may be lost in part.
- Light is a camera's value to the power of {GAMMA:g}. An underexposed camera keeps its own noise: a standard deviation
  of {DARK_NOISE:g} of the light that is just white.
- Rain and fog thin the power of an echo by Beer-Lambert, and visibility leaves 2 % of contrast; in clear air half of
  the pulses come back from {REACH:g} m. The range of an echo is channel 0 if the LiDAR's unit is m or its `metres` says
  how long a step is; else every echo is taken to come from {UNKNOWN_RANGE:g} m.
- Radar knows neither beam loss nor dirt nor range loss: dust and fog hardly reach it.
- A camera's 0 is black, an ordinary value. Everywhere else pixels that saw nothing stay `missing`, but for false events
  and echoes, which repeat what a random pixel of the frame saw.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    figure = draw(the_world())
    write_atomically(options.out / "faults.png", lambda path: write_picture(figure, path))
    (options.out / "faults.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
