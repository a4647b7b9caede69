"""The world as plain files, in the layout of a user's own sensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from robustseg.data.patterns import fill
from robustseg.data.sample import Sample
from robustseg.data.world.dataset import Progress, WorldFrames
from robustseg.data.world.sheet import contact_sheet
from robustseg.files import write_text
from robustseg.recipe import Data, World

UNITS = """\
# The built-in world as plain files, 8-bit colour: a frame's path tells its sequence, its time in milliseconds and its
# condition, so that whole sequences are held out and tables tell conditions apart.
#   rgb    red, green, blue of a camera with fixed exposure
#   depth  stereo: 1000 / metres; 60 * log2(metres / 2 + 1) - 20; 40 + 32 * height over a level road in m; 0 = no match
#   event  50 counts per event of the last 50 ms: brighter, darker, both within 5x5 pixels
#   lidar  4 * range in metres; 255 * sqrt(reflectivity); 40 + 32 * height over a level road in metres; 0 = no return
#   labels train ids of the classes below
"""

PATTERN = "{split}/{sequence}_{time}_{condition}.png"
"""Of every file below its modality's folder; the condition comes last, as its name may hold a `_`."""


def make_world(
    out: Path,
    *,
    train: int,
    val: int,
    seed: int = 0,
    size: tuple[int, int] = (96, 128),
    progress: Progress | None = None,
) -> None:
    """Writes both splits as PNG files, a recipe that describes them, and a contact sheet to look at.

    Raises:
        FileExistsError: `out` holds something already.
        ValueError: No recipe could ask for so few frames, or for this size.
    """
    Data(size=size, world=World(train, val, seed))  # refuses what it refuses in a recipe
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty: name a new folder")
    for split, count in (("train", train), ("val", val)):
        frames = WorldFrames(split, count, seed, size)
        for index in range(count):
            sample = frames[index]
            _write_frame(out, split, sample, [modality.name for modality in frames.modalities])
            if progress is not None:
                progress(index + 1 + (train if split == "val" else 0), train + val)
    write_text(out / "recipe.yaml", recipe_text(out, size))
    contact_sheet(out / "contact_sheet.png", seed=seed)


def _write_frame(out: Path, split: str, sample: Sample, names: Sequence[str]) -> None:
    words = {"split": split, "sequence": sample.sequence, "condition": sample.tags["condition"]}
    path = fill(PATTERN, words | {"time": f"{round(1000 * sample.time):06d}"})
    images = sample.images.permute(0, 2, 3, 1).numpy().astype(np.uint8)  # M H W 3
    for name, image in zip(names, images, strict=True):
        _write_png(out / name / path, np.ascontiguousarray(image[..., ::-1]))
    _write_png(out / "labels" / path, sample.labels.numpy().astype(np.uint8))


def _write_png(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), image):
        raise OSError(f"could not write {path}")


def recipe_text(root: Path, size: tuple[int, int]) -> str:
    """A recipe in YAML that trains on the files below `root`."""
    frames = WorldFrames("train", 0, 0)
    lines = [UNITS.rstrip(), "name: world_files", "data:", "  kind: folders", f"  root: {_quoted(str(root))}"]
    lines += [f"  size: [{size[0]}, {size[1]}]", "  modalities:"]
    for modality in frames.modalities:
        lines += [
            f"    - name: {modality.name}",
            f'      files: {{{modality.name}: "{{modality}}/{PATTERN}"}}',
            f"      mean: {list(modality.mean or ())}",
            f"      std: {list(modality.std or ())}",
            f"      resample: {modality.resample}",
            f"      photometric: {str(modality.photometric).lower()}",
            f"      kind: {modality.sort}",
            f"      metres: {modality.metres}",
        ]
    lines += [f'  labels: "labels/{PATTERN}"', "  classes:"]
    for place, entry in enumerate(frames.classes):
        lines.append(f"    - {{name: {entry.name}, color: {list(entry.color)}, ids: [{place}]}}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
