"""A small folder in MCubeS's layout: lists, 16-bit images and arrays that leave their range. Letters: `H W` size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from robustseg.data.benchmarks.mcubes import CLASSES, DROPPED, FILES, LABELS, LISTS, SPLITS
from robustseg.data.fake.pictures import grain, label_map, looks, painted, start, write_png
from robustseg.files import write_text

SIZE = (1024, 1224)
OVERSHOOT = 1.3
"""By which sine and cosine leave -1..1 in places, as in the real files."""

Progress = Callable[[int, int], None]


def write_mcubes(
    out: Path, frames: int = 8, seed: int = 0, size: tuple[int, int] = SIZE, progress: Progress | None = None
) -> None:
    """Writes `frames` image sets of each of the three splits, 16 MB each at full size, most of it arrays.

    Colour and near infrared have 16 bits, every fourth set 8. Angle and degree of polarisation are float32 and leave
    their range in places. What nothing here reads, the semantic labels SS and SSGT4MS, is left out.

    Args:
        out: The folder, which becomes `data.root`.
        frames: Of each split.
        seed: Which pictures.
        size: Height and width, with the 192 columns at the left that are dropped.
        progress: Called with (done, all) after every set.

    Raises:
        FileExistsError: `out` holds something already.
        ValueError: There are no frames, or they are too small.
    """
    start(out, frames, size, dropped=DROPPED)
    stems: dict[str, list[str]] = {}
    for place, split in enumerate(SPLITS):
        for index in range(frames):
            stem = f"outscene12{place:02d}_{index // 2}_{50 * (index % 2 + 1):010d}"
            stems.setdefault(split, []).append(stem)
            _write_set(out, stem, index, size, np.random.default_rng([seed, place, index]))
            if progress is not None:
                progress(place * frames + index + 1, len(SPLITS) * frames)
    stems["all"] = [stem for found in list(stems.values()) for stem in found]
    for split, found in stems.items():
        write_text(out / LISTS / f"{split}.txt", "\n".join(found) + "\n")


def _write_set(out: Path, stem: str, index: int, size: tuple[int, int], draw: np.random.Generator) -> None:
    labels = label_map(size, len(CLASSES), index, draw)
    colours = np.array([entry.color for entry in CLASSES], np.float32)
    wide = index % 4 != 3
    colour = painted(labels, colours, draw)
    infrared = painted(labels, 255 * looks(len(CLASSES), 4), draw)[..., 0]
    write_png(out / FILES["rgb"][0].format(stem), _sixteen(colour) if wide else colour)
    write_png(out / FILES["nir"][0].format(stem), _sixteen(infrared) if wide else infrared)
    write_png(out / f"NIR_warped_mask/{stem}.png", np.uint8(255) * (infrared < 1))
    ids = labels.copy()
    ids[: max(1, size[0] // 50)] = 255
    write_png(out / LABELS.format(stem), ids)
    angle = np.pi * (looks(len(CLASSES), 5)[labels, 0] - 0.5) + grain(size, draw, 0.05)
    degree = looks(len(CLASSES), 6)[labels, 0] + grain(size, draw, 0.1)
    rough = 1 + (OVERSHOOT - 1) * (grain(size, draw, 1.0) > 2)
    arrays = zip((*FILES["aolp"], *FILES["dolp"]), (rough * np.sin(angle), rough * np.cos(angle), degree), strict=True)
    for pattern, array in arrays:
        path = out / pattern.format(stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array.astype(np.float32))


def _sixteen(image: UInt8[np.ndarray, ...]) -> np.ndarray:
    return image.astype(np.uint16) * np.uint16(257)
