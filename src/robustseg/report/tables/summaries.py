"""Tables in which a whole protocol, or all failure states, become a few numbers. All scores are mIoU in percent."""

from __future__ import annotations

import math
from collections.abc import Mapping

from robustseg.metrics import AbsentClass
from robustseg.report.tables.grid import Cell, Grid
from robustseg.report.tables.words import POLICY, PROTOCOL_WORDS, caption_of, protocol_words, shared_policy, title_of
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.expectation import BAD_LUCK, Failures, expect
from robustseg.robustness.nothing import nothing_class, nothing_words
from robustseg.robustness.protocols import (
    EMM_RATES,
    NM_LEVELS,
    nm_scores,
    subset_means,
)

SUMMARY_COLUMNS = {
    "average": "Avg",
    **{f"expected {rate}": f"E p={rate}" for rate in EMM_RATES},
    **{level: level for level in NM_LEVELS},
}
MEANING = (
    "Avg: mean over subsets; E p: mean weighted by how likely each subset is if every modality fails with "
    "probability p, the state with nothing left excluded, as published"
)


def protocol_table(study: Mapping[str, Evaluation], absent: AbsentClass | None = None) -> Grid:
    """A row per protocol with the published columns: average and expectations over subsets, or the levels of noise.

    Args:
        study: Protocol -> evaluation; others than the published protocols are left out.
        absent: How classes that occur nowhere enter mIoU; None = as the evaluation says.
    """
    absent = absent or shared_policy(study.values())
    rows = []
    for protocol in PROTOCOL_WORDS:
        if protocol not in study:
            continue
        entry = study[protocol]
        values = summary_values(entry, absent)
        name = protocol_words(entry)
        rows.append((name, *(values.get(key) for key in SUMMARY_COLUMNS)))
    kept = [
        0,
        *(column for column in range(1, 1 + len(SUMMARY_COLUMNS)) if any(not _blank(row[column]) for row in rows)),
    ]
    head = ("protocol", *SUMMARY_COLUMNS.values())
    first = next(iter(study.values()), None)
    return Grid(
        title=f"{title_of(first) if first else 'evaluation'}: protocols",
        head=tuple(head[column] for column in kept),
        rows=tuple(tuple(row[column] for column in kept) for row in rows),
        caption=caption_of(first, MEANING, POLICY[absent]) if first else "",
    )


def summary_values(evaluation: Evaluation, absent: AbsentClass | None = None) -> dict[str, float]:
    """The published numbers of one protocol: "average" and "expected 0.2" ... over subsets, or "low", "mid", "high"."""
    absent = absent or evaluation.absent
    scores = evaluation.miou(absent)
    if evaluation.protocol == "nm":
        return nm_scores(scores, evaluation.states)
    means = subset_means(scores, evaluation.subsets)
    return {"average": means.average, **{f"expected {rate}": value for rate, value in means.expected.items()}}


def expectation_table(
    evaluation: Evaluation, failures: Failures, *, absent: AbsentClass | None = None, most: int = 10
) -> Grid:
    """The likeliest states with their mIoU; below them what to expect over all states, and with bad luck.

    Args:
        evaluation: Of protocol emm or emm_zero.
        failures: Probabilities of failure.
        absent: How classes that occur nowhere enter mIoU; None = as the evaluation says.
        most: So many states are listed.

    Raises:
        ValueError: A name is unknown, or a subset that can occur was not evaluated.
    """
    absent = absent or evaluation.absent
    told = expect(evaluation, failures, nothing_class(evaluation), absent=absent)
    listed = told.weightiest(most)
    rest = len(told.chances) - len(listed)
    causes = ", ".join(f"{'&'.join(cause.names)}={cause.rate:g}" for cause in failures.causes)
    return Grid(
        title=f"{title_of(evaluation)}: what to expect",
        head=("what works", "probability", "mIoU"),
        rows=tuple(("nothing" if name == "none" else name, _percent(chance), score) for name, chance, score in listed),
        summary=(
            ("expected", _percent(told.chances.sum().item()), told.mean),
            (f"{BAD_LUCK:.0%} quantile", _percent(BAD_LUCK), told.quantile()),
        ),
        caption=caption_of(
            evaluation,
            f"failure: {causes}; what is not named never fails",
            f"{rest} less likely states are not listed" if rest else "",
            f"the probability that nothing is left is {_percent(told.nothing_left)}; {nothing_words(evaluation)}",
            POLICY[absent],
        ),
    )


def _percent(chance: float) -> str:
    return f"{100 * chance:.4g} %"


def _blank(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))
