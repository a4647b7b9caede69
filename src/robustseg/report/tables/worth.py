"""Tables of what each sensor is worth: in all, by class, by condition, set by set.

All numbers are points of mIoU or IoU. The letters are those of `robustseg.robustness.worth`.
"""

from __future__ import annotations

from robustseg.metrics import AbsentClass
from robustseg.report.tables.grid import Grid
from robustseg.report.tables.words import POLICY, caption_of, title_of
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.nothing import nothing_class, nothing_words
from robustseg.robustness.worth import By, Worth, worth, worth_by_condition

MEANING = "Shapley value: what it adds to those before it, mean over all orders of arrival"


def worth_table(evaluation: Evaluation, absent: AbsentClass | None = None, by: By = "sensor") -> Grid:
    """What each sensor is worth: Shapley value, and its two ends: it comes first, it comes last.

    Raises:
        ValueError: Not all sets were evaluated, see `knows_worth`, or the protocol is neither emm nor emm_zero.
    """
    absent = absent or evaluation.absent
    found = worth(evaluation, nothing_class(evaluation), by=by, absent=absent)
    gains, last = found.gains(), len(found.miou) - 1
    rows = tuple(
        (name, points, gains[place, 0].item(), gains[place, last ^ (1 << place)].item())
        for place, (name, points) in enumerate(zip(found.players, found.shapley().tolist(), strict=True))
    )
    return Grid(
        title=f"{title_of(evaluation)}: what each {by} is worth",
        head=(by, "worth", "if it comes first", "if it comes last"),
        rows=rows,
        summary=(("all together", found.everything - found.nothing, None, None),),
        signed=frozenset({1, 2, 3}),
        caption=caption_of(evaluation, MEANING, _ends(found, evaluation), _incomplete(evaluation), POLICY[absent]),
    )


def worth_class_table(evaluation: Evaluation, by: By = "sensor") -> Grid:
    """What each sensor is worth to each class, and that class's IoU with nothing and with all.

    Raises:
        ValueError: As `worth_table`.
    """
    found = worth(evaluation, nothing_class(evaluation), by=by)
    columns = found.class_shapley().T.tolist()  # K P
    rows = zip(found.classes, columns, found.iou[0].tolist(), found.iou[-1].tolist(), strict=True)
    players = len(found.players)
    return Grid(
        title=f"{title_of(evaluation)}: what each {by} is worth to each class",
        head=("class", *found.players, "nothing", "all"),
        rows=tuple((name, *points, empty, full) for name, points, empty, full in rows),
        signed=frozenset(range(1, players + 1)),
        caption=caption_of(evaluation, f"{MEANING}, of IoU; empty: no pixel has this label", nothing_words(evaluation)),
    )


def worth_condition_table(evaluation: Evaluation, absent: AbsentClass = "skip", by: By = "sensor") -> Grid:
    """What each sensor is worth in each condition, and the mIoU there with nothing and with all.

    Raises:
        ValueError: As `worth_table`.
    """
    majority = nothing_class(evaluation)  # one class for all conditions: nobody knows the condition with nothing left
    found = worth_by_condition(evaluation, majority, by=by, absent=absent)
    rows = tuple(
        (value if len(found) == 1 else f"{key}: {value}", *part.shapley().tolist(), part.nothing, part.everything)
        for key, parts in found.items()
        for value, part in parts.items()
    )
    players = next((part.players for parts in found.values() for part in parts.values()), ())
    return Grid(
        title=f"{title_of(evaluation)}: what each {by} is worth in each condition",
        head=(next(iter(found)) if len(found) == 1 else "condition", *players, "nothing", "all"),
        rows=rows,
        signed=frozenset(range(1, len(players) + 1)),
        caption=caption_of(evaluation, MEANING, POLICY[absent], nothing_words(evaluation)),
    )


def gain_table(evaluation: Evaluation, absent: AbsentClass | None = None, by: By = "sensor") -> Grid:
    """What each sensor adds to each set of the others: a row per set, 2^P - 1 in all.

    Raises:
        ValueError: As `worth_table`.
    """
    absent = absent or evaluation.absent
    found = worth(evaluation, nothing_class(evaluation), by=by, absent=absent)
    order = sorted(range(len(found.miou) - 1), key=lambda place: (place.bit_count(), found.names_of(place)))
    gains = found.gains().T.tolist()
    rows = tuple((_set_name(found.names_of(place)), found.miou[place].item(), *gains[place]) for place in order)
    return Grid(
        title=f"{title_of(evaluation)}: what one more {by} adds",
        head=("set", "mIoU", *(f"+ {name}" for name in found.players)),
        rows=rows,
        signed=frozenset(range(2, 2 + len(found.players))),
        caption=caption_of(evaluation, _ends(found, evaluation), _incomplete(evaluation), POLICY[absent]),
    )


def harm_table(evaluation: Evaluation, absent: AbsentClass | None = None, by: By = "sensor", most: int = 20) -> Grid:
    """The sets that score less with one more sensor, the worst first; no row = no sensor ever hurts.

    Raises:
        ValueError: As `worth_table`.
    """
    absent = absent or evaluation.absent
    found = worth(evaluation, nothing_class(evaluation), by=by, absent=absent)
    harms = found.harms()
    shown = f"the worst {most} of {len(harms)}" if len(harms) > most else f"{len(harms)} in all"
    return Grid(
        title=f"{title_of(evaluation)}: where a {by} hurts",
        head=(by, "joins", "mIoU before", "points"),
        rows=tuple((harm.player, _set_name(harm.joins), harm.before, harm.points) for harm in harms[:most]),
        signed=frozenset({3}),
        caption=caption_of(evaluation, shown, _ends(found, evaluation), POLICY[absent]),
    )


def _set_name(names: tuple[str, ...]) -> str:
    return "+".join(names) or "nothing"


def _ends(found: Worth, evaluation: Evaluation) -> str:
    return f"mIoU of all {found.everything:.1f}, of nothing {found.nothing:.1f} ({nothing_words(evaluation)})"


def _incomplete(evaluation: Evaluation) -> str:
    some = not bool(evaluation.scored.all())
    return "Frames that have nothing of a set count as nothing left there" if some else ""
