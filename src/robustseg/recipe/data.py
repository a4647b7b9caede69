"""Where frames come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from robustseg.labels import IGNORE, LabelClass
from robustseg.modalities import Modality
from robustseg.recipe.rules import LARGEST, SMALLEST, require

Kind = Literal["world", "folders", "deliver", "muses", "mcubes"]
BENCHMARKS = ("deliver", "muses", "mcubes")

Habit = Literal[
    "resized_labels",
    "absent_zero",
    "void_as_road",
    "high_byte",
    "min_max",
    "val_is_test",
    "centre_crop",
    "raw_polarisation",
]
"""What published code does and strict reading does not, see `robustseg.data.benchmarks.conventions`."""


@dataclass(frozen=True)
class World:
    """The built-in world's size.

    Attributes:
        train_frames: Frames of the training split.
        val_frames: Frames of the held-out split, from other scenes.
        seed: Which world; scenes are a function of (seed, scene, time).
    """

    train_frames: int = 800
    val_frames: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.train_frames >= 1 and self.val_frames >= 1, "train_frames and val_frames must be 1 or more", self)


@dataclass(frozen=True)
class Transforms:
    """Random changes of training frames; geometric ones hit all modalities and labels alike.

    Attributes:
        flip: Probability of a horizontal flip.
        scale: Smallest and largest factor of the random resize before the crop to `data.size`.
        quarter_turns: Rotate by a random multiple of 90 degrees (aerial views; needs a square `size`).
        jitter: Probability of brightness, contrast and saturation jitter on photometric modalities.
        blur: Probability of a 3x3 blur on photometric modalities.
        faults: Probability, of each sensor, that a random fault of `robustseg.failures` hits it, at a random severity.
    """

    flip: float = 0.5
    scale: tuple[float, float] = (0.5, 2.0)
    quarter_turns: bool = False
    jitter: float = 0.2
    blur: float = 0.2
    faults: float = 0.0

    def __post_init__(self) -> None:
        for name in ("flip", "jitter", "blur", "faults"):
            require(0 <= getattr(self, name) <= 1, f"{name} is a probability", self)
        require(0 < self.scale[0] <= self.scale[1] <= 16, "scale needs 0 < smallest <= largest <= 16", self)


@dataclass(frozen=True)
class Muses:
    """How MUSES' LiDAR, radar and events become images.

    Attributes:
        source: "raw" = projected here from the sensors' own files with calib.json; "sdk" = read from what the SDK's
            project_sensors_to_rgb wrote to `projected_to_rgb`; "published" = 8-bit or 16-bit PNGs below `multimodal`,
            the layout of the published missing-modality numbers.
        lidar_dilation: Side of the square by which LiDAR points grow, in pixels; 1 = as they are.
        event_dilation: The same of events.
        radar_dilation: The same of radar echoes.
        motion: Whether LiDAR and radar points are moved to the camera's mid-exposure by the vehicle's own motion.
        cache: Where projections are kept; empty = `projected_robustseg` below the data root.
    """

    source: Literal["raw", "sdk", "published"] = "raw"
    lidar_dilation: int = 1
    event_dilation: int = 1
    radar_dilation: int = 1
    motion: bool = False
    cache: str = ""

    def __post_init__(self) -> None:
        for name in ("lidar_dilation", "event_dilation", "radar_dilation"):
            require(1 <= getattr(self, name) <= 99, f"{name} is a side in pixels, 1..99", getattr(self, name))


@dataclass(frozen=True)
class Data:
    """Where frames come from and what is in them.

    Attributes:
        kind: "world" = the built-in procedural world, "folders" = your own files, or a benchmark.
        root: The data folder; every path stays below it.
        size: Height and width of training crops.
        resize: Height and width of images. "folders": every frame is resized when it is read; None = as stored.
            Benchmarks: images are resized for evaluation only, labels keep their size (see `conventions`).
        modalities: The model's inputs, in order ("folders").
        labels: File pattern of the label images ("folders").
        classes: The classes, in train-id order ("folders").
        ignore_ids: Label ids in files that take part in no loss and no score.
        missing: A modality's file that is not there: "error", or "allow" = the modality is absent in that frame.
        train: The training split's name, which fills `{split}`.
        val: The reported split's name.
        use: Which of the modalities are the model's inputs, in this order; empty = all.
        needs_one_of: Modalities of which every subset must hold one, in training and in scores, because the others tell
            nothing by themselves: floods cannot be seen in images from before; empty = any subset will do.
        conventions: "strict", or "published" = every habit of the published code on this benchmark is switched on.
        habits: Single habits of published code to switch on; `robustseg data conventions` explains them.
        muses: How MUSES' sensors become images.
        mirror_aolp: MCubeS: correct the angle of polarisation when a frame is mirrored, which no published code does.
        world: The built-in world's size.
        transforms: Random changes of training frames.
    """

    kind: Kind = "world"
    root: str = ""
    size: tuple[int, int] = (96, 128)
    resize: tuple[int, int] | None = None
    modalities: tuple[Modality, ...] = ()
    labels: str = "labels/{split}/{name}.png"
    classes: tuple[LabelClass, ...] = ()
    ignore_ids: tuple[int, ...] = (IGNORE,)
    missing: Literal["error", "allow"] = "error"
    train: str = "train"
    val: str = "val"
    use: tuple[str, ...] = ()
    needs_one_of: tuple[str, ...] = ()
    conventions: Literal["strict", "published"] = "strict"
    habits: tuple[Habit, ...] = ()
    muses: Muses = field(default_factory=Muses)
    mirror_aolp: bool = False
    world: World = field(default_factory=World)
    transforms: Transforms = field(default_factory=Transforms)

    def __post_init__(self) -> None:
        for size in (self.size, self.resize or self.size):
            require(all(SMALLEST <= side <= LARGEST for side in size), f"size must lie in {SMALLEST}..{LARGEST}", size)
        square = self.size[0] == self.size[1]
        require(square or not self.transforms.quarter_turns, "quarter_turns needs a square size", self.size)
        require(self.train != self.val, "train and val must be two splits", self.train)
        require(
            self.kind != "world" or not self.root,
            "the built-in world has no files; yours need data.kind: folders",
            self.root,
        )
        for name in ("modalities", "classes"):
            own = self.kind == "folders" or not getattr(self, name)
            require(own, f"data.{name} is for data.kind: folders, which the recipe must say", getattr(self, name))
        require(self.kind in BENCHMARKS or not self.habits, f"data.habits are for {', '.join(BENCHMARKS)}", self.habits)
        turned = self.mirror_aolp and self.transforms.quarter_turns
        require(
            not turned, "quarter_turns change the angle of polarisation, which mirror_aolp does not correct", turned
        )
        published = self.conventions == "strict" or self.kind in BENCHMARKS
        require(published, f"conventions are for {', '.join(BENCHMARKS)}", self.conventions)
        named = "{split}" in self.labels or self.kind != "folders"
        require(named, "data.labels needs {split}, or train and val would be the same frames", self.labels)
