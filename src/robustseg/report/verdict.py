"""The report in one sentence, and the few numbers that stand below it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from robustseg.metrics import AbsentClass
from robustseg.report.charts.svg import number
from robustseg.report.subsets import by_mask, capital, devices, listed, losses, phrase, ranking
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.protocols import emm_expected

RATE = 0.1
"""The failure probability of the expected score among the tiles, one of the published three."""

TIE = 0.5
"""Points of mIoU: sensors whose worths are closer are said to be worth about the same."""


@dataclass(frozen=True)
class Tile:
    """A number that stands out: its name, its value and a few words on it."""

    name: str
    value: str
    words: str


def verdict(evaluation: Evaluation, worths: dict[str, float], absent: AbsentClass | None = None) -> str:
    """What it costs when one sensor fails, which one is worth most, and the worst that can be left.

    Args:
        evaluation: Of every subset.
        worths: Sensor -> Shapley value, may be empty.
        absent: How classes that occur nowhere enter means; None = as the evaluation says.
    """
    names = devices(evaluation)
    full = evaluation.full(absent)
    if len(names) == 1:
        return f"Reaches {number(full)} % mIoU with its only sensor, {names[0]}: there is nothing to fall back on."
    parts = [_average_loss(losses(evaluation, absent)), _most(worths), _worst(evaluation, absent)]
    return "; ".join(part for part in parts if part) + "."


def comparison(
    subject: tuple[str, Evaluation], other: tuple[str, Evaluation], absent: AbsentClass | None = None
) -> str:
    """The subject against another model in a sentence, on the subsets that both were scored on.

    Args:
        subject: Its name and evaluation.
        other: The same, of another model.
        absent: How classes that occur nowhere enter both's means; None = as the subject's evaluation says.
    """
    (name, mine), (other_name, theirs) = subject, other
    absent = absent or mine.absent
    gains = (mine.miou(absent) - theirs.miou(absent)).tolist()
    known = [gain for gain in gains if not math.isnan(gain)]
    if not known:
        return f"{capital(name)} and {other_name} were scored on no subset in common."
    mean = mine.mean(absent) - theirs.mean(absent)
    full = mine.full(absent) - theirs.full(absent)
    where = f"better in {sum(gain > 0 for gain in known)} of {len(known)} subsets"
    return (
        f"Model {name} is {where} than {other_name}: {number(mean, signed=True)} points on average over the subsets, "
        f"{number(full, signed=True)} with everything there."
    )


def tiles(evaluation: Evaluation, absent: AbsentClass | None = None) -> list[Tile]:
    """All sensors, mean of subsets, expected, worst."""
    scores = by_mask(evaluation, evaluation.miou(absent))
    known = {mask: score for mask, score in scores.items() if not math.isnan(score)}
    worst = min(known, key=known.__getitem__)
    expected = emm_expected(evaluation.miou(absent), evaluation.subsets, RATE)
    return [
        Tile("All sensors", number(evaluation.full(absent)), "mIoU in %, nothing missing"),
        Tile("Mean of subsets", number(evaluation.mean(absent)), f"over {len(known)} sets of sensors"),
        Tile("Expected", number(expected), _rate_words(expected)),
        Tile("Worst", number(known[worst]), phrase(worst, evaluation.modalities)),
    ]


def _rate_words(expected: float) -> str:
    if math.isnan(expected):
        return "unknown: not every set of inputs was scored"
    return f"if each input fails {RATE:.0%} of the time, never all"


def _average_loss(lost: dict[str, float]) -> str:
    known = [value for value in lost.values() if not math.isnan(value)]
    if not known:
        return "How much one failing sensor costs was not evaluated"
    mean = sum(known) / len(known)
    if round(abs(mean), 1) == 0:
        return "Loses nothing on average when one sensor fails"
    return f"{'Loses' if mean > 0 else 'Gains'} {number(abs(mean))} points of mIoU on average when one sensor fails"


def _most(worths: dict[str, float]) -> str:
    known = {name: value for name, value in worths.items() if not math.isnan(value)}
    if not known:
        return ""
    best = max(known.values())
    leaders = [name for name in ranking(known) if best - known[name] < TIE]
    if len(leaders) == len(known):
        return "all sensors are worth about the same"
    return f"{listed(leaders)} {'is' if len(leaders) == 1 else 'are'} worth most"


def _worst(evaluation: Evaluation, absent: AbsentClass | None) -> str:
    worst = next(entry for entry in tiles(evaluation, absent) if entry.name == "Worst")
    return f"worst case {worst.words} at {worst.value}"
