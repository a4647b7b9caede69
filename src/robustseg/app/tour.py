"""Which frames a visitor walks through, and which comes next."""

from __future__ import annotations

from collections.abc import Sequence

from robustseg.robustness.evaluation import MOST_CONDITIONS

ALL = "all frames"


def conditions(tags: Sequence[dict[str, str]]) -> tuple[str, ...]:
    """What frames can be filtered by: every value of the tags that take from 2 to 12 of them.

    Example:
        >>> conditions([{"light": "day"}, {"light": "night"}, {"light": "day"}])
        ('all frames', 'light: day', 'light: night')
    """
    found = [ALL]
    for key in sorted({key for entry in tags for key in entry}):
        values = sorted({entry.get(key, "") for entry in tags} - {""})
        if 2 <= len(values) <= MOST_CONDITIONS:
            found += [_condition(key, value) for value in values]
    return tuple(found)


def chosen_frames(number: int, tags: Sequence[dict[str, str]], condition: str) -> tuple[int, ...]:
    """The places of the frames that meet a condition, out of so many; all of them if none does.

    Example:
        >>> chosen_frames(3, [{"light": "day"}, {"light": "night"}, {"light": "day"}], "light: day")
        (0, 2)
    """
    kept = (
        place for place, entry in enumerate(tags) if condition in (_condition(key, entry[key]) for key in sorted(entry))
    )
    return tuple(kept) or tuple(range(number))


def following(position: int, frames: Sequence[int], sequences: Sequence[str], *, within: bool, step: int = 1) -> int:
    """The next position among `frames`, the first one after the last.

    Args:
        position: Where the visitor is, from 0.
        frames: The places of the frames that are walked through.
        sequences: The recording of every frame of the data; "" = unknown.
        within: Stay in the recording, and begin it anew at its end.
        step: How many positions to go on; -1 goes back.

    Example:
        >>> following(1, (0, 2, 3), ("a", "a", "a", "b"), within=True)
        0
    """
    own = sequences[frames[position]]
    walked = [place for place, frame in enumerate(frames) if not within or (sequences[frame] == own if own else True)]
    return walked[(walked.index(position) + step) % len(walked)]


def _condition(key: str, value: str) -> str:
    return f"{key}: {value}"
