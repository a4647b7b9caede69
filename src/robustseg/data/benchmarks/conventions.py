"""What published code does and strict reading does not: habits that change numbers, each with a name.

Strict reading takes files as their owners describe them. `data.conventions: published` switches all habits of the
benchmark on, `data.habits` single ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from robustseg.metrics import AbsentClass
from robustseg.recipe import BENCHMARKS, Data, Habit

CMNEXT = "CMNeXt and what descends from it (MMSFormer, StitchFusion, RobustSeg)"
ANYSEG = "the missing-modality tables of AnySeg and RobustSeg, and the rows compared with them"


@dataclass(frozen=True)
class Convention:
    """One habit.

    Attributes:
        name: In recipes.
        benchmarks: For which it is one.
        changes: What it does, beside what strict reading does.
        tables: Whose published numbers were made with it.
    """

    name: Habit
    benchmarks: tuple[str, ...]
    changes: str
    tables: str


CONVENTIONS = (
    Convention(
        "resized_labels",
        ("deliver", "muses"),
        "Labels are resized to `data.resize` and scored there. Strict: the prediction is resized to the labels' own "
        "size.",
        f"{CMNEXT} on DELIVER (1042 to 1024 pixels); {ANYSEG} on MUSES (1080x1920 to 1024x1024)",
    ),
    Convention(
        "absent_zero",
        BENCHMARKS,
        "A class that occurs nowhere, neither in labels nor in predictions, counts as 0 in the headline mean. Strict: "
        "it is left out. Tables show both.",
        CMNEXT,
    ),
    Convention(
        "void_as_road",
        ("muses",),
        "Pixels without a label (255) become class 0, road, in training and in scores. Strict: they are ignored.",
        ANYSEG,
    ),
    Convention(
        "high_byte",
        ("muses",),
        "Of 16-bit PNGs only the high byte is used, so that LiDAR has steps of 1.7 m and empty pixels are 58. Strict: "
        "the value is decoded as the SDK encoded it.",
        ANYSEG,
    ),
    Convention(
        "min_max",
        ("muses",),
        "LiDAR and radar images are stretched to 0..255, each by its own smallest and largest value. Strict: they stay "
        "in metres and intensities.",
        ANYSEG,
    ),
    Convention(
        "val_is_test",
        ("mcubes",),
        "The split `val` is read from test.txt, so that checkpoints are chosen on the frames that are reported. "
        "Strict: from val.txt.",
        CMNEXT,
    ),
    Convention(
        "centre_crop",
        ("mcubes",),
        "Frames are cropped to their central square for scoring, 1024x1024 of 1024x1032. Strict: whole frames.",
        CMNEXT,
    ),
    Convention(
        "raw_polarisation",
        ("mcubes",),
        "Angle and degree of polarisation are used as stored, with what interpolation left outside their range. "
        "Strict: sine and cosine are clipped to -1..1, the degree to 0..1.",
        "CMNeXt and RobustSeg (MMSFormer maps the degree with (x + 0.55) / 2)",
    ),
)


def habits(data: Data) -> frozenset[Habit]:
    """The habits that a recipe switches on; none where the data are no benchmark.

    Raises:
        ValueError: `data.habits` names one that belongs to another benchmark.
    """
    own: frozenset[Habit] = frozenset(entry.name for entry in CONVENTIONS if data.kind in entry.benchmarks)
    for name in data.habits:
        if name not in own:
            known = ", ".join(entry.name for entry in CONVENTIONS if entry.name in own)
            raise ValueError(f"data.habits: {name} is no habit of {data.kind}, which has {known}")
    return own if data.conventions == "published" else frozenset(data.habits)


def headline_policy(data: Data) -> AbsentClass:
    """How classes that occur nowhere enter a headline mean: a benchmark's are left out under strict reading."""
    strict = data.kind in BENCHMARKS and "absent_zero" not in habits(data)
    return "skip" if strict else "zero"


def true_split(data: Data, split: str) -> str:
    """The list of frames that a split's name stands for: with the habit `val_is_test`, `val` is `test`."""
    return "test" if split == "val" and "val_is_test" in habits(data) else split


def habit_note(data: Data, split: str) -> str:
    """What a reader of scores must know of the habits behind them; empty = none."""
    on = habits(data)
    if not on:
        return ""
    names = ", ".join(entry.name for entry in CONVENTIONS if entry.name in on)
    other = true_split(data, split)
    return f"published habits: {names}" + (f"; {split} is the benchmark's {other} split" if other != split else "")
