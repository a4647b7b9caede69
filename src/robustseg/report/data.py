"""What `data check` and `data stats` found, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from robustseg.data.benchmarks import Convention
from robustseg.data.check import CheckReport
from robustseg.data.stats import Moments, Statistics, with_moments
from robustseg.labels import LabelClass
from robustseg.modalities import Modality, Triple
from robustseg.report.tables import Grid


def check_lines(report: CheckReport, alike: int | None = None) -> list[str]:
    """One line on the split, then one for each problem.

    Args:
        report: What was found.
        alike: Name only so many files of those that have the same problem, and count the others; None = all.
    """
    sensors = ", ".join(f"{name} {count}" for name, count in report.present.items())
    sizes = ", ".join(f"{size} ({count})" for size, count in report.sizes.items())
    found = f"{len(report.errors)} errors, {len(report.warnings)} warnings"
    lines = [f"{report.split}: {report.frames} frames; {sensors}; sizes {sizes}; {found}"]
    sorts = [(entry.of, entry.kind) for entry in report.problems]
    counts, named = Counter(sorts), Counter[tuple[str, str]]()
    for entry, sort in zip(report.problems, sorts, strict=True):
        named[sort] += 1
        if alike is None or named[sort] <= alike:
            rest = counts[sort] - named[sort] if named[sort] == alike else 0
            others = f" (and {rest} others like it)" if rest else ""
            lines.append(f"  {entry.severity}: {entry.path}: {entry.message}{others}")
    return lines


def convention_table(conventions: Sequence[Convention]) -> Grid:
    """The habits of published code."""
    rows = tuple((entry.name, ", ".join(entry.benchmarks), entry.changes, entry.tables) for entry in conventions)
    return Grid(
        "habits of published code",
        ("habit", "of", "what it changes", "whose tables use it"),
        rows,
        caption="data.conventions: published switches all of a benchmark's on, data.habits: [NAME, ...] single ones.",
    )


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
