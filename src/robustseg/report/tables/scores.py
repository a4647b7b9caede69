"""Tables of scores: by subset, sensor, class and condition, and of several models side by side.

All scores are mIoU or IoU in percent. Shapes: S subsets, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from jaxtyping import Bool, Float
from torch import Tensor

from robustseg.metrics import AbsentClass
from robustseg.report.tables.grid import Cell, Grid
from robustseg.report.tables.words import POLICY, caption_of, protocol_words, sentences, shared_policy, title_of
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.protocols import emm_expected
from robustseg.robustness.sensor_view import sensor_view

EXPECTED_RATE = 0.1


def subset_table(evaluation: Evaluation) -> Grid:
    """Each subset's mIoU under both policies for absent classes, and its weakest class."""
    zero, skip = evaluation.miou("zero"), evaluation.miou("skip")
    weakest = [_weakest(row, evaluation.classes) for row in evaluation.iou()]
    columns = [evaluation.names, zero.tolist(), skip.tolist(), *zip(*weakest, strict=True)]
    frames = evaluation.scored.sum(dim=0).tolist()
    partly = min(frames) < len(evaluation.frames)
    rows = tuple(zip(*columns, *([frames] if partly else []), strict=True))
    blank = ("", None) + ((None,) if partly else ())
    return Grid(
        title=title_of(evaluation),
        head=("sensors", "mIoU", "mIoU present", "weakest class", "IoU") + (("frames",) if partly else ()),
        rows=rows,
        summary=(
            ("mean of subsets", evaluation.mean("zero"), evaluation.mean("skip"), *blank),
            ("worst subset", evaluation.worst("zero")[1], evaluation.worst("skip")[1], *blank),
        ),
        caption=caption_of(
            evaluation, f"mIoU: {POLICY['zero']}; mIoU present: they are left out", *_skipped(frames, evaluation)
        ),
    )


def sensor_table(evaluation: Evaluation) -> Grid:
    """The subset table over sensors: modalities of one device come and go together.

    Raises:
        ValueError: No subset that was evaluated holds whole sensors.
    """
    return subset_table(sensor_view(evaluation))


def class_table(evaluation: Evaluation) -> Grid:
    """Each class's IoU with all sensors, with each one alone, and at its best and worst subset."""
    scores = evaluation.iou()  # S K
    singles = (evaluation.subsets.sum(dim=1) == 1).nonzero().flatten().tolist()
    singles = [place for place in singles if place != len(evaluation.subsets) - 1]
    names = evaluation.names
    rows = tuple(
        (name, column[-1].item(), column.nanmean().item(), *(column[place].item() for place in singles))
        for name, column in zip(evaluation.classes, scores.T, strict=True)
    )
    return Grid(
        title=f"{title_of(evaluation)}: classes",
        head=("class", "all sensors", "mean of subsets", *(f"{names[place]} only" for place in singles)),
        rows=rows,
        caption=caption_of(evaluation, "IoU; empty: the class occurs nowhere"),
    )


def condition_table(evaluation: Evaluation, absent: AbsentClass = "skip") -> Grid:
    """Each condition's mIoU with all sensors, over the subsets, at the worst one, and its best single sensor.

    Classes that a condition never shows are left out by default: most conditions lack some.
    """
    rows = []
    conditions = evaluation.conditions()
    subject = next(iter(conditions)) if len(conditions) == 1 else "condition"
    for key, parts in conditions.items():
        for value, part in parts.items():
            name, worst = part.worst(absent)
            best, score = _best_single(part, absent)
            title = value if len(conditions) == 1 else f"{key}: {value}"
            rows.append((title, part.full(absent), part.mean(absent), worst, name, score, best, len(part.frames)))
    return Grid(
        title=f"{title_of(evaluation)}: conditions",
        head=(subject, "all sensors", "mean of subsets", "worst", "subset", "best single", "sensor", "frames"),
        rows=tuple(rows),
        caption=caption_of(evaluation, f"mIoU: {POLICY[absent]}"),
    )


def comparison_table(evaluations: Mapping[str, Evaluation], absent: AbsentClass | None = None) -> Grid:
    """Several evaluations of the same rows side by side; with two, the second's difference to the first.

    Subsets are summed up below; levels of noise are not, for nobody publishes their mean.

    Raises:
        ValueError: They are of different subsets, classes or frames.
    """
    absent = absent or shared_policy(evaluations.values())
    found = tuple(evaluations.values())
    _check_comparable(evaluations)
    first = found[0]
    scores = zip(*(entry.miou(absent).tolist() for entry in found), strict=True)
    summary = (
        ("mean of subsets", *(entry.mean(absent) for entry in found)),
        (
            f"expected, each fails {EXPECTED_RATE:.0%}",
            *(emm_expected(entry.miou(absent), entry.subsets, EXPECTED_RATE) for entry in found),
        ),
        ("worst subset", *(entry.worst(absent)[1] for entry in found)),
    )
    pair = len(found) == 2
    states = any(first.states)  # not subsets, of which there would be a mean
    what = "" if first.protocol == "emm" else f", {protocol_words(first)}"
    notes = [f"{name}: {entry.note}." for name, entry in evaluations.items() if entry.note]
    return Grid(
        title=f"mIoU on {first.split or 'the data'}, {len(first.frames)} frames{what}",
        head=("state" if states else "sensors", *evaluations, *(("difference",) if pair else ())),
        rows=tuple(_with_difference((name, *row), pair) for name, row in zip(first.names, scores, strict=True)),
        summary=() if states else tuple(_with_difference(row, pair) for row in summary),
        signed=frozenset({3}) if pair else frozenset(),
        caption=" ".join([sentences(POLICY[absent]), *notes]),
    )


def _skipped(frames: list[int], evaluation: Evaluation) -> list[str]:
    lacking = sum(seen < len(evaluation.frames) for seen in frames)
    return (
        [f"{lacking} of {len(frames)} subsets find frames with none of their sensors, which are not scored"]
        if lacking
        else []
    )


def _weakest(scores: Float[Tensor, " K"], classes: tuple[str, ...]) -> tuple[str, float]:
    if bool(scores.isnan().all()):
        return "", math.nan
    place = int(scores.nan_to_num(nan=math.inf).argmin())
    return classes[place], scores[place].item()


def _best_single(evaluation: Evaluation, absent: AbsentClass) -> tuple[str, float]:
    single: Bool[Tensor, " S"] = evaluation.subsets.sum(dim=1) == 1
    scores = evaluation.miou(absent).masked_fill(~single, math.nan)
    if bool(scores.isnan().all()):
        return "", math.nan
    place = int(scores.nan_to_num(nan=-1.0).argmax())
    return evaluation.names[place], scores[place].item()


def _with_difference(row: tuple[Cell, ...], pair: bool) -> tuple[Cell, ...]:
    match row:
        case (_, float(before), float(after)) if pair:
            return (*row, after - before)
        case _:
            return row


def _check_comparable(evaluations: Mapping[str, Evaluation]) -> None:
    if not evaluations:
        raise ValueError("there is no evaluation to compare")
    (first_name, first), *others = evaluations.items()
    for name, entry in others:
        for what in ("names", "classes", "frames"):
            if getattr(entry, what) != getattr(first, what):
                kind = "subsets" if what == "names" else what
                raise ValueError(f"{first_name} and {name} were evaluated on different {kind}: evaluate them again")
