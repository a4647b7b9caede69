"""When nothing is left: the most frequent class everywhere, and with it the counts of any set of modalities.

A frame that has none of a set's modalities has nothing left, too. Counted so, every set is scored on every frame, which
is what differences and expectations need; the tables of subsets leave such frames out instead.

Shapes: F frames, S subsets, N sets, M modalities, K classes; the last axis of counts is TP, FP, FN.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.failures import subset_name
from robustseg.metrics import AbsentClass, iou, mean_iou
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.protocols import SUBSET_PROTOCOLS


def nothing_class(evaluation: Evaluation) -> int:
    """The class to predict with nothing left: the most frequent one of training, else of the evaluated labels.

    Training is known if `evaluation.majority` is; tables say which it was, see `nothing_words`.
    """
    if evaluation.majority >= 0:
        return evaluation.majority
    return int(labelled(evaluation).sum(dim=0).argmax())


def nothing_words(evaluation: Evaluation) -> str:
    """For captions: what a prediction from nothing is."""
    name = evaluation.classes[nothing_class(evaluation)]
    if evaluation.majority >= 0:
        return f"nothing left: {name}, the most frequent class of training, everywhere"
    return f"nothing left: {name}, the most frequent class of these labels (that of training is unknown), everywhere"


def labelled(evaluation: Evaluation) -> Int64[Tensor, "F K"]:
    """Labelled pixels of each class: TP + FN of any scored row; 0 for a frame that was never scored."""
    first = evaluation.scored.int().argmax(dim=1)  # F; an unscored row holds zeros
    counts = evaluation.counts[torch.arange(len(first)), first]  # F K 3
    return (counts[..., 0] + counts[..., 2]).long()  # stored counts are int32


def nothing_counts(evaluation: Evaluation, majority: int) -> Int64[Tensor, "F K 3"]:
    """TP, FP, FN of predicting the class `majority` everywhere.

    Raises:
        ValueError: There is no such class.
    """
    pixels = labelled(evaluation)  # F K
    if not 0 <= majority < pixels.shape[1]:
        raise ValueError(f"the most frequent class is one of 0..{pixels.shape[1] - 1}, got {majority}")
    chosen = torch.zeros_like(pixels)
    chosen[:, majority] = 1
    hit = pixels * chosen
    extra = (pixels.sum(dim=1, keepdim=True) - hit) * chosen
    return torch.stack([hit, extra, pixels - hit], dim=-1)


def nothing(
    evaluation: Evaluation, majority: int, absent: AbsentClass | None = None
) -> tuple[Float[Tensor, " K"], float]:
    """IoU of each class and mIoU, in percent, of predicting the class `majority` everywhere.

    Raises:
        ValueError: There is no such class.
    """
    absent = absent or evaluation.absent
    counts = nothing_counts(evaluation, majority).sum(dim=0)
    return iou(counts), mean_iou(counts, absent).item()


def set_counts(evaluation: Evaluation, sets: Bool[Tensor, "N M"], majority: int) -> Int64[Tensor, "N K 3"]:
    """Counts over all frames for any sets of modalities, the empty one included.

    Raises:
        ValueError: The evaluation is of another protocol, a set was not evaluated, or there is no class `majority`.
    """
    rows = find_rows(evaluation, sets)
    empty = nothing_counts(evaluation, majority)  # F K 3
    scored = evaluation.scored.any(dim=1)  # F; a frame that was never scored counts nowhere
    bare = ~sets.any(dim=1)  # N
    total = evaluation.counts.sum(dim=0)[rows] * ~bare[:, None, None]  # N K 3
    left = ~evaluation.scored[:, rows] | bare  # F N
    some = left.any(dim=1) & scored  # most data have all modalities in all frames
    return total + torch.einsum("fn,fkc->nkc", left[some].long(), empty[some])


def find_rows(evaluation: Evaluation, sets: Bool[Tensor, "N M"]) -> Int64[Tensor, " N"]:
    """Where each set stands among the evaluation's subsets; 0 for the empty one.

    Raises:
        ValueError: The evaluation is of another protocol, or a set was not evaluated.
    """
    if evaluation.protocol not in SUBSET_PROTOCOLS:
        raise ValueError(f"sets of sensors are scored by protocol emm or emm_zero, this is {evaluation.protocol!r}")
    places = {code: place for place, code in enumerate(_codes(evaluation.subsets))}
    found = [places.get(code, -1 if code else 0) for code in _codes(sets)]
    missing = [row for row, place in zip(sets, found, strict=True) if place < 0]
    if missing:
        first = subset_name(missing[0], evaluation.modalities)
        told = "the recipe leaves it out (data.needs_one_of) or, if it does not, " * _untold(evaluation, missing[0])
        raise ValueError(
            f"{len(missing)} of {int(sets.any(dim=1).sum())} sets that are needed were not evaluated, the first is "
            f"{first}: {told}evaluate again with --subsets all"
        )
    return torch.tensor(found)


def unknown_worth(evaluation: Evaluation) -> str:
    """For readers of an evaluation that lacks sets of sensors: why, and what helps."""
    left = [
        name
        for name, one in zip(evaluation.modalities, torch.eye(len(evaluation.modalities)).bool(), strict=True)
        if _untold(evaluation, one)
    ]
    if left:
        return f"The recipe leaves out sets that tell nothing, such as {', '.join(left)} alone (data.needs_one_of)."
    return "Not every set of sensors was evaluated: evaluate again with --subsets all."


def _untold(evaluation: Evaluation, subset: Bool[Tensor, " M"]) -> bool:
    """Whether none of a set's modalities was evaluated alone, though others were, as all are in a list of subsets."""
    alone = evaluation.subsets[evaluation.subsets.sum(dim=1) == 1].any(dim=0)  # M
    return bool(alone.any()) and not bool((alone & subset).any())


def _codes(sets: Bool[Tensor, "N M"]) -> list[int]:
    """Each row as one integer, bit m for modality m."""
    return (sets.long() << torch.arange(sets.shape[1])).sum(dim=1).tolist()
