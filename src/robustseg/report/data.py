"""What `data check` and `data stats` found, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from robustseg.data.check import CheckReport
from robustseg.data.stats import Statistics
from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.report.tables import Grid


def check_lines(report: CheckReport) -> list[str]:
    """One line on the split, then one for each problem."""
    sensors = ", ".join(f"{name} {count}" for name, count in report.present.items())
    sizes = ", ".join(f"{size} ({count})" for size, count in report.sizes.items())
    found = f"{len(report.errors)} errors, {len(report.warnings)} warnings"
    lines = [f"{report.split}: {report.frames} frames; {sensors}; sizes {sizes}; {found}"]
    return [*lines, *(f"  {entry.severity}: {entry.path}: {entry.message}" for entry in report.problems)]


def modality_table(statistics: Statistics, modalities: Sequence[Modality]) -> Grid:
    """Mean and standard deviation of each modality's channels, ready to be copied into a recipe."""
    moments = statistics.moments
    rows = tuple(
        (modality.name, int(frames), _triple(mean.tolist()), _triple(std.tolist()))
        for modality, frames, mean, std in zip(modalities, moments.frames, moments.mean, moments.std, strict=True)
    )
    return Grid("modalities", ("modality", "frames", "mean", "std"), rows, caption="In each modality's unit.")


def class_table(statistics: Statistics, classes: Sequence[LabelClass]) -> Grid:
    """How often each class occurs."""
    counts = statistics.classes
    rows = tuple(
        (entry.name, int(counts.pixels[place]), 100 * float(counts.frequency[place]), int(counts.frames[place]))
        for place, entry in enumerate(classes)
    )
    caption = f"{statistics.frames} frames; {100 * counts.ignored_share:.2f} % of the pixels are ignored."
    return Grid("classes", ("class", "pixels", "percent", "frames"), rows, caption=caption)


def _triple(values: Sequence[float]) -> str:
    return "[" + ", ".join(f"{value:.3f}" for value in values) + "]"
