"""What `data check` and `data stats` found, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from robustseg.data.check import CheckReport
from robustseg.data.stats import Moments, Statistics, with_moments
from robustseg.labels import LabelClass
from robustseg.modalities import Modality, Triple
from robustseg.report.tables import Grid


def check_lines(report: CheckReport) -> list[str]:
    """One line on the split, then one for each problem."""
    sensors = ", ".join(f"{name} {count}" for name, count in report.present.items())
    sizes = ", ".join(f"{size} ({count})" for size, count in report.sizes.items())
    found = f"{len(report.errors)} errors, {len(report.warnings)} warnings"
    lines = [f"{report.split}: {report.frames} frames; {sensors}; sizes {sizes}; {found}"]
    return [*lines, *(f"  {entry.severity}: {entry.path}: {entry.message}" for entry in report.problems)]


def modality_table(statistics: Statistics, modalities: Sequence[Modality]) -> Grid:
    """Mean and std of each modality's channels as training would use them, ready to be copied into a recipe."""
    frames = statistics.moments.frames.tolist()
    rows = tuple(
        (modality.name, frames[place], *_normalisation(modality, statistics.moments, place))
        for place, modality in enumerate(modalities)
    )
    caption = "In each modality's unit; blank where it is absent or empty in every frame."
    return Grid("modalities", ("modality", "frames", "mean", "std"), rows, caption=caption)


def class_table(statistics: Statistics, classes: Sequence[LabelClass]) -> Grid:
    """How often each class occurs."""
    counts = statistics.classes
    rows = tuple(
        (entry.name, int(counts.pixels[place]), 100 * float(counts.frequency[place]), int(counts.frames[place]))
        for place, entry in enumerate(classes)
    )
    caption = f"{statistics.frames} frames; {100 * counts.ignored_share:.2f} % of the pixels are ignored."
    return Grid("classes", ("class", "pixels", "percent", "frames"), rows, caption=caption)


def _normalisation(modality: Modality, moments: Moments, place: int) -> tuple[str | None, str | None]:
    try:
        used = with_moments(modality, moments, place)
    except ValueError:
        return None, None
    return _text(used.mean), _text(used.std)


def _text(values: Triple | None) -> str:
    return "[" + ", ".join(f"{value:.6g}" for value in values or ()) + "]"
