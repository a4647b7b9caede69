"""Words that tables of evaluations share."""

from __future__ import annotations

from collections.abc import Iterable

from robustseg.metrics import AbsentClass
from robustseg.report.subsets import capital
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.protocols import RMM_SHARES, rmm_protocol

POLICY = {"zero": "classes that occur nowhere count as 0", "skip": "classes that occur nowhere are left out"}


PROTOCOL_WORDS = {
    "emm": "EMM: {absence}",
    "emm_zero": "EMM: filled with zeros",
    **{rmm_protocol(share): f"RMM: {share:.0%} of elements zero" for share in RMM_SHARES},
    **{rmm_protocol(share, pixels=True): f"RMM: {share:.0%} of pixels zero" for share in RMM_SHARES},
    "nm": "NM: noise on all",
}
"""Protocol -> what tables call it, in their order."""

ABSENCE = {"remove": "removed", "zero": "filled with zeros"}


def protocol_words(evaluation: Evaluation) -> str:
    """What tables call an evaluation's protocol."""
    words = PROTOCOL_WORDS.get(evaluation.protocol, evaluation.protocol)
    return words.format(absence=ABSENCE.get(evaluation.absence, evaluation.absence))


def shared_policy(evaluations: Iterable[Evaluation]) -> AbsentClass:
    """How classes that occur nowhere enter the means of tables of several evaluations: as the first one says."""
    for evaluation in evaluations:
        return evaluation.absent
    return "zero"


def title_of(evaluation: Evaluation) -> str:
    """The model and the split."""
    return " on ".join(filter(None, (evaluation.model, evaluation.split))) or "evaluation"


def caption_of(evaluation: Evaluation, *parts: str) -> str:
    """What the numbers mean, then what a reader must know of the evaluation."""
    return sentences(*parts, evaluation.note)


def sentences(*parts: str) -> str:
    """Each part with a capital and a full stop; empty ones are left out.

    Example:
        >>> sentences("in percent", "", "mIoU of 3 runs")
        'In percent. mIoU of 3 runs.'
    """
    return "".join(f"{_capital(part)}. " for part in parts if part).rstrip()


def _capital(part: str) -> str:
    return part if part.startswith("mIoU") else capital(part)
