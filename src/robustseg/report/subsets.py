"""What an evaluation says of subsets in words and by size: names of states, losses, scores by sensors left.

Shapes: S subsets, M modalities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from robustseg.metrics import AbsentClass
from robustseg.robustness.evaluation import Evaluation

Mask = tuple[bool, ...]


def by_mask(evaluation: Evaluation, scores: Float[Tensor, " S"]) -> dict[Mask, float]:
    """Subset -> score."""
    return dict(zip(map(tuple, evaluation.subsets.tolist()), scores.tolist(), strict=True))


def devices(evaluation: Evaluation) -> tuple[str, ...]:
    """The sensors, each once, in the order of their first modality."""
    return tuple(dict.fromkeys(evaluation.sensors))


def without(evaluation: Evaluation, *gone: str) -> Mask:
    """What is left when whole sensors fail."""
    return tuple(sensor not in gone for sensor in evaluation.sensors)


def losses(evaluation: Evaluation, absent: AbsentClass | None = None) -> dict[str, float]:
    """Sensor -> points of mIoU lost when it alone fails; NaN where that was not evaluated or nothing is left."""
    scores = by_mask(evaluation, evaluation.miou(absent))
    full = evaluation.full(absent)
    names = devices(evaluation)
    return {name: full - scores.get(without(evaluation, name), math.nan) for name in names}


def by_size(evaluation: Evaluation, absent: AbsentClass | None = None) -> dict[int, list[float]]:
    """Number of modalities left -> the scores of its subsets, those that were scored; most modalities first."""
    found: dict[int, list[float]] = {}
    for size, score in zip(evaluation.subsets.sum(dim=1).tolist(), evaluation.miou(absent).tolist(), strict=True):
        if not math.isnan(score):
            found.setdefault(size, []).append(score)
    return dict(sorted(found.items(), reverse=True))


def telling_rows(evaluation: Evaluation, most: int) -> list[int]:
    """The rows of its subsets, most modalities first; if there are more than `most`, all, all but one, and singles."""
    sizes = evaluation.subsets.sum(dim=1).tolist()
    everything = sorted(range(len(sizes)), key=lambda row: (-sizes[row], row))
    if len(everything) <= most:
        return everything
    return [row for row in everything if sizes[row] in (1, max(sizes) - 1, max(sizes))]


def narrowed(evaluation: Evaluation, rows: Sequence[int]) -> Evaluation:
    """The evaluation of some subsets."""
    chosen = sorted(rows)
    return replace(
        evaluation,
        counts=evaluation.counts[:, chosen],
        scored=evaluation.scored[:, chosen],
        subsets=evaluation.subsets[chosen],
        states=tuple(evaluation.states[row] for row in chosen) if evaluation.states else (),
        confidence=None,
    )


def phrase(mask: Mask, names: Sequence[str]) -> str:
    """A subset as people say it.

    Example:
        >>> phrase((True, False, True), ("rgb", "depth", "lidar"))
        'rgb and lidar'
        >>> phrase((False, False, True), ("rgb", "depth", "lidar"))
        'lidar alone'
    """
    chosen = [name for name, here in zip(names, mask, strict=True) if here]
    match chosen:
        case []:
            return "nothing"
        case [only]:
            return only if len(mask) == 1 else f"{only} alone"
        case _:
            return "all sensors" if all(mask) else listed(chosen)


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them: "a, b and c"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def capital(words: str) -> str:
    """Words as a sentence begins with them; names in them stay as they are, unlike with `str.capitalize`."""
    return words[:1].upper() + words[1:]


def ranking(values: Mapping[str, float]) -> list[str]:
    """Names from the highest value to the lowest; NaN last."""
    return sorted(values, key=lambda name: -math.inf if math.isnan(values[name]) else values[name], reverse=True)
