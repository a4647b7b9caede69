"""The section on confidence: is the model as often right as it says, and is it unsure where it is wrong?

Shapes: Z bins of confidence.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from markupsafe import Markup
from torch import Tensor

from robustseg.report.charts.lines import Series, chart, numbers_axis
from robustseg.report.charts.svg import ceiling, key, number
from robustseg.report.html_table import grid_html
from robustseg.report.page.section import Section, beside, empty, figure, panels
from robustseg.report.runs import Runs
from robustseg.report.tables import Grid
from robustseg.robustness.calibration import (
    area_under_risk_coverage,
    coverage_at_risk,
    expected_calibration_error,
    reliability,
    risk_coverage,
)
from robustseg.robustness.evaluation import Evaluation

RISK = 5.0
"""Percent of wrong pixels that the table's last column allows."""

LEAST = 0.05
"""Percent of the pixels below which a bin of the reliability diagram says nothing."""

EVEN = 1.0
"""Points between confidence and accuracy that make no difference worth a word."""

FEW = 1.0
"""Percent of coverage below which the risk is noise."""


def confidence_section(runs: Runs) -> Section:
    """Reliability and risk against coverage, a series per number of inputs left."""
    evaluation = runs.subject.subsets
    title = "How sure it is"
    if evaluation.confidence is None:
        return empty("confidence", title, "This evaluation did not count pixels by confidence: evaluate again.")
    sizes = by_inputs(evaluation)
    names = [_left(size, len(evaluation.modalities)) for size in sizes]
    right = {
        name: chart(
            [_reliability(name, counts, place)],
            x=numbers_axis(0, 100, "confidence in %"),
            y=numbers_axis(0, 100, "right in %"),
            label=f"Share of right pixels by confidence, {name}; error {number(_error(counts))}",
            size=(240.0, 235.0),
            diagonal=True,
            unit=" % right",
        )
        for place, (name, counts) in enumerate(zip(names, sizes.values(), strict=True))
    }
    grid = _grid(names, sizes)
    lead = f"On the diagonal a model is right as often as it says. {_honesty(next(iter(sizes.values())))}"
    caption = "Keeping only the surest pixels (coverage), how many of them are wrong (risk)."
    body = panels(right) + key(names) + beside(figure(_risks(names, sizes), caption), grid_html(grid))
    return Section("confidence", title, lead, body, {"calibration": grid})


def _honesty(counts: Float[Tensor, "Z 3"]) -> str:
    """How sure it is with everything there, and how often right, in a sentence."""
    pixels, right, sure = counts.sum(dim=0).tolist()
    if not pixels:
        return ""
    said, true = 100 * sure / pixels, 100 * right / pixels
    word = (
        "about as sure as it should be" if abs(said - true) < EVEN else "too sure" if said > true else "not sure enough"
    )
    return (
        f"With everything there it is {word}: on average {number(said)} % sure and right on {number(true)} % of pixels."
    )


def by_inputs(evaluation: Evaluation) -> dict[int, Float[Tensor, "Z 3"]]:
    """Number of modalities left -> counts of all its subsets and frames together, most modalities first."""
    assert evaluation.confidence is not None
    counts = evaluation.confidence.double().sum(dim=0)  # S Z 3
    of = evaluation.subsets.sum(dim=1)  # S
    return {size: counts[of == size].sum(dim=0) for size in sorted(set(of.tolist()), reverse=True)}


def _reliability(name: str, counts: Float[Tensor, "Z 3"], place: int) -> Series:
    found = reliability(counts)
    rows = torch.stack([found.confidence, found.accuracy, found.share], dim=1).tolist()
    return Series(name, tuple((sure, right) for sure, right, share in rows if share >= LEAST), place=place)


def _risks(names: list[str], sizes: dict[int, Float[Tensor, "Z 3"]]) -> Markup:
    series = []
    for place, (name, counts) in enumerate(zip(names, sizes.values(), strict=True)):
        coverage, risk = risk_coverage(counts)
        points = [(c, r) for c, r in zip(coverage.tolist(), risk.tolist(), strict=True) if c >= FEW and r == r]
        series.append(Series(name, _thinned(points), place=place))
    highest = max((y for entry in series for _, y in entry.points), default=10.0)
    return chart(
        series,
        x=numbers_axis(0, 100, "coverage in % of the pixels"),
        y=numbers_axis(0, ceiling(highest, 5), "wrong in %"),
        label="Risk against coverage by number of inputs left",
        size=(560.0, 300.0),
        unit=" % wrong",
    )


def _thinned(points: list[tuple[float, float]], apart: float = 5.0) -> tuple[tuple[float, float], ...]:
    """Points that stand at least so far apart, the last one always."""
    kept: list[tuple[float, float]] = []
    for point in points:
        if not kept or point[0] - kept[-1][0] >= apart or point is points[-1]:
            kept.append(point)
    return tuple(kept)


def _grid(names: list[str], sizes: dict[int, Float[Tensor, "Z 3"]]) -> Grid:
    rows = tuple(
        (
            name,
            _error(counts),
            area_under_risk_coverage(counts).item(),
            coverage_at_risk(counts, RISK).item(),
            100 - 100 * (counts[:, 1].sum() / counts[:, 0].sum()).item(),
        )
        for name, counts in zip(names, sizes.values(), strict=True)
    )
    return Grid(
        title="Calibration by number of inputs left",
        head=("inputs left", "ECE", "AURC", f"coverage at {RISK:g} % risk", "wrong pixels"),
        rows=rows,
        caption="In percent. ECE: expected calibration error, 15 bins. AURC: mean risk over all coverages.",
    )


def _error(counts: Float[Tensor, "Z 3"]) -> float:
    return expected_calibration_error(counts).item()


def _left(size: int, of: int) -> str:
    return f"all {of}" if size == of else f"{size} of {of}"
