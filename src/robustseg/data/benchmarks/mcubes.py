"""MCubeS: materials in streets, seen by a polarisation camera (colour, angle, degree) and a near-infrared one.

    ROOT/list_folder/<split>.txt              one stem a line
    ROOT/polL_color/<stem>.png  polL_aolp_sin/<stem>.npy  polL_aolp_cos/<stem>.npy  polL_dolp/<stem>.npy
    ROOT/NIR_warped/<stem>.png  GT/<stem>.png

The cameras see no common part in the left 192 columns, which are dropped from every array and label. NIR_warped_mask,
which marks pixels where near infrared could not be warped, is not used: the first paper ignores them in its loss, the
code of all later tables does not. Letters: `h w` a file's size, `H W` what is left of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from robustseg.data.benchmarks.conventions import habits, true_split
from robustseg.data.benchmarks.frames import BenchmarkFrames, Scene
from robustseg.data.benchmarks.levels import check_root
from robustseg.data.reading import read_image, read_labels
from robustseg.files import below
from robustseg.labels import IGNORE, LabelClass, label_table
from robustseg.modalities import IMAGENET_MEAN, IMAGENET_STD, Modality, chosen
from robustseg.recipe import Data

NAME = "MCubeS"
SPLITS = ("train", "val", "test")
DROPPED = 192
"""Columns at the left of every array and label."""

FILES = {
    "rgb": ("polL_color/{}.png",),
    "aolp": ("polL_aolp_sin/{}.npy", "polL_aolp_cos/{}.npy"),
    "dolp": ("polL_dolp/{}.npy",),
    "nir": ("NIR_warped/{}.png",),
}
"""Of each modality, with the stem for {}."""

LABELS = "GT/{}.png"
LISTS = "list_folder"

LARGEST_LIST = 1_000_000
"""Bytes; the benchmark's lists have some thousands."""

_ZERO, _ONE, _FULL = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (255.0, 255.0, 255.0)

MODALITIES = (
    Modality("rgb", sensor="polarisation", mean=IMAGENET_MEAN, std=IMAGENET_STD, photometric=True, kind="camera"),
    Modality("aolp", sensor="polarisation", unit="sin, cos, sin", mean=_ZERO, std=_ONE, kind="polarisation"),
    Modality("dolp", sensor="polarisation", unit="share", mean=_ZERO, std=_ONE, kind="polarisation"),
    Modality("nir", mean=_ZERO, std=_FULL, photometric=True, kind="camera"),
)
"""One camera feeds the first three, which fail together. 16-bit images are brought to 8-bit counts; the network sees
colour normalised as ImageNet's, near infrared as 0..1, and polarisation as it is."""

CLASSES = (
    LabelClass("asphalt", (44, 160, 44)),
    LabelClass("concrete", (31, 119, 180)),
    LabelClass("metal", (255, 127, 14)),
    LabelClass("road_marking", (214, 39, 40)),
    LabelClass("fabric", (140, 86, 75)),
    LabelClass("glass", (127, 127, 127)),
    LabelClass("plaster", (188, 189, 34)),
    LabelClass("plastic", (255, 152, 150)),
    LabelClass("rubber", (23, 190, 207)),
    LabelClass("sand", (174, 199, 232)),
    LabelClass("gravel", (196, 156, 148)),
    LabelClass("ceramic", (197, 176, 213)),
    LabelClass("cobblestone", (247, 182, 210)),
    LabelClass("brick", (199, 199, 199)),
    LabelClass("grass", (219, 219, 141)),
    LabelClass("wood", (158, 218, 229)),
    LabelClass("leaf", (57, 59, 121)),
    LabelClass("water", (107, 110, 207)),
    LabelClass("human", (156, 158, 222)),
    LabelClass("sky", (99, 121, 57)),
)


def open_mcubes(data: Data, split: str, *, training: bool = False) -> BenchmarkFrames:
    """A split of MCubeS: train, val or test, each from its own list unless the habit `val_is_test` says otherwise.

    Args:
        data: `root` holds list_folder, polL_color and so on.
        split: Which split.
        training: Whole frames as stored; else images at `data.resize`, of the central square under `centre_crop`, and
            labels at their own size.

    Raises:
        FileNotFoundError: It is the wrong folder, has no such list, or files are missing.
        ValueError: A list names no files of this folder, or the recipe an unknown modality or habit.
    """
    on = habits(data)
    modalities = chosen(modalities_for(data), data.use)
    root = Path(data.root)
    patterns = [pattern for entry in modalities for pattern in FILES[entry.name]]
    check_root(root, [LISTS, *(pattern.partition("/")[0] for pattern in (*patterns, LABELS))], NAME)
    reader = Reader(
        modalities=modalities,
        table=label_table(CLASSES, sorted({IGNORE, *data.ignore_ids})),
        clip="raw_polarisation" not in on,
        square="centre_crop" in on and not training,
    )
    stems = sorted(read_list(root / LISTS / f"{true_split(data, split)}.txt"))  # recordings in order of time
    return BenchmarkFrames(
        [_scene(root, stem, modalities) for stem in stems],
        modalities=modalities,
        classes=CLASSES,
        read=reader.image,
        read_labels=reader.labels,
        missing=data.missing,
        resize=None if training else data.resize,
        own_labels=not training,
        registered=True,
    )


def modalities_for(data: Data) -> tuple[Modality, ...]:
    """All four; the sine of the angle changes its sign in a mirrored image if the recipe asks for it.

    Mirroring turns the angle a into -a. The stored sine is negative as often as positive and the cosine hardly ever, so
    a lies in -90..90 degrees and it is the sine that changes.
    """
    mirror = (-1.0, 1.0, -1.0) if data.mirror_aolp else (1.0, 1.0, 1.0)
    return tuple(replace(entry, mirror=mirror) if entry.name == "aolp" else entry for entry in MODALITIES)


def read_list(path: Path) -> tuple[str, ...]:
    """The stems that a list names, each once, in its order; blank lines are passed over.

    Raises:
        FileNotFoundError: There is no such list, or nothing in it.
        ValueError: It is no list, or a line is more than one file's name.
    """
    if not path.is_file():
        there = ", ".join(sorted(entry.stem for entry in path.parent.glob("*.txt"))) or "none"
        raise FileNotFoundError(f"there is no list {path}; the lists there are {there}")
    if path.stat().st_size > LARGEST_LIST:
        raise ValueError(f"{path} has {path.stat().st_size} bytes, which is no list of frames")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text: copy the list again") from None
    stems = tuple(dict.fromkeys(stem for line in lines if (stem := line.strip())))
    bad = [stem for stem in stems if not re.fullmatch(r"\w[\w.-]*", stem)]
    if bad:
        raise ValueError(f"{path}: {bad[0]!r} is no name of a file, one of {len(bad)}: a line holds one stem, no path")
    if not stems:
        raise FileNotFoundError(f"{path} names no frame: copy the list again")
    return stems


@dataclass(frozen=True)
class Reader:
    """How files become arrays.

    Attributes:
        modalities: Of a scene's files.
        table: Label id -> train id.
        clip: Whether angle and degree are brought to their range.
        square: Whether only the central square is kept.
    """

    modalities: tuple[Modality, ...]
    table: dict[int, int]
    clip: bool
    square: bool

    def image(self, scene: Scene, place: int) -> Float32[np.ndarray, "3 H W"]:
        """One modality of a scene, in its unit."""
        files = scene.files[place]
        match self.modalities[place].name:
            case "rgb":
                planes = read_counts(files[0], channels=3)
            case "nir":
                planes = np.repeat(read_counts(files[0], channels=1), 3, axis=0)
            case "dolp":
                planes = self._clipped(read_plane(files[0]), 0)[None].repeat(3, axis=0)
            case _:
                sin, cos = (self._clipped(read_plane(path), -1) for path in files)
                if sin.shape != cos.shape:
                    raise ValueError(f"{files[0]} is {_shown(sin)} and {files[1]} {_shown(cos)}: copy them again")
                planes = np.stack([sin, cos, sin])
        return self.kept(planes, files[0])

    def labels(self, scene: Scene) -> Int64[np.ndarray, "H W"]:
        """Train ids of a scene."""
        assert scene.labels is not None
        return self.kept(read_labels(scene.labels, self.table), scene.labels)

    def kept(self, array: Shaped[np.ndarray, "*C h w"], path: Path) -> Any:
        """What all cameras see, and the central square of it if that is asked for.

        Raises:
            ValueError: Nothing is left.
        """
        if array.shape[-1] <= DROPPED:
            raise ValueError(f"{path} is {array.shape[-1]} pixels wide, and the left {DROPPED} are dropped")
        array = array[..., DROPPED:]
        if self.square:
            height, width = array.shape[-2:]
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            array = array[..., top : top + side, left : left + side]
        return np.ascontiguousarray(array)

    def _clipped(self, plane: np.ndarray, lowest: float) -> np.ndarray:
        return plane.clip(lowest, 1) if self.clip else plane


def read_counts(path: Path, *, channels: int) -> Float32[np.ndarray, "_ h w"]:
    """An 8-bit or 16-bit image in 8-bit counts.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read, or is no such image.
    """
    stored = read_image(path)
    if stored.dtype not in (np.uint8, np.uint16) or stored.shape[2] < channels:
        shape = f"{stored.shape[2]} channels of {stored.dtype}"
        raise ValueError(f"{path} holds {shape}, but {channels} of 8 or 16 bits are needed: copy the file again")
    counts = stored[..., :channels].transpose(2, 0, 1).astype(np.float32)
    return counts * np.float32(255 / 65535) if stored.dtype == np.uint16 else counts


def read_plane(path: Path) -> Float32[np.ndarray, "h w"]:
    """An array of one channel of finite floats.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read, or is no such array.
    """
    stored = read_image(path)
    if stored.dtype.kind != "f" or stored.shape[2] != 1:
        raise ValueError(f"{path} holds {stored.shape[2]} channels of {stored.dtype}, not one of floats")
    with np.errstate(over="ignore"):
        plane = stored[..., 0].astype(np.float32)
    bad = np.count_nonzero(~np.isfinite(plane))
    if bad:
        raise ValueError(f"{path}: {bad} values are not finite: copy the file again, or take the frame off the list")
    return plane


def _scene(root: Path, stem: str, modalities: tuple[Modality, ...]) -> Scene:
    return Scene(
        name=stem,
        files=tuple(tuple(below(root, pattern.format(stem)) for pattern in FILES[entry.name]) for entry in modalities),
        labels=below(root, LABELS.format(stem)),
        sequence=stem.rpartition("_")[0],
    )


def _shown(plane: np.ndarray) -> str:
    return f"{plane.shape[0]}x{plane.shape[1]}"
