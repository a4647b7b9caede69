"""Messages of several sensors, each at its own rate, to frames: a leading sensor's instants, and the others' nearest.

All times are integers, nanoseconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

SECOND = 1_000_000_000

MOST_WAITING = 128
"""So many messages of one stream are kept at most, however far apart the streams are."""


@dataclass(frozen=True, eq=False)
class Message:
    """One thing that one sensor said.

    Attributes:
        stream: Whose it is.
        stamp: When it was measured.
        arrival: When it was recorded; never falls from one message to the next.
        content: What was measured.
    """

    stream: str
    stamp: int
    arrival: int
    content: Any


@dataclass(frozen=True, eq=False)
class Instant:
    """A message of the leading stream, and of each other stream the nearest in time, where one is near enough."""

    leading: Message
    others: dict[str, Message]


def matched(
    messages: Iterable[Message], leading: str, others: Sequence[str], *, tolerance: int, patience: int
) -> Iterator[Instant]:
    """One instant for each message of the leading stream, in the order of their arrival.

    An instant is given as soon as each other stream has reached it, at the latest when messages arrive that are more
    than `patience` younger than the leading one, so that memory stays bounded when a sensor falls silent. Stamps of one
    stream are taken to rise.

    Args:
        messages: In the order of their arrival.
        leading: The stream whose messages make the frames.
        others: The other streams.
        tolerance: How far a message's stamp may be from the leading one's.
        patience: How much later than the leading message others may arrive.
    """
    pending: deque[Message] = deque()
    waiting: dict[str, deque[Message]] = {stream: deque(maxlen=MOST_WAITING) for stream in others}
    for message in messages:
        (pending if message.stream == leading else waiting[message.stream]).append(message)
        while pending and _is_settled(pending, waiting, message.arrival - patience):
            yield _instant(pending.popleft(), waiting, tolerance)
        _forget(pending, waiting, tolerance, message.arrival - patience)
    while pending:
        yield _instant(pending.popleft(), waiting, tolerance)


def _is_settled(pending: deque[Message], waiting: dict[str, deque[Message]], oldest: int) -> bool:
    """Whether no message can come any more that would be nearer to the first pending one."""
    if pending[0].arrival < oldest or len(pending) > MOST_WAITING:
        return True
    return all(stream and stream[-1].stamp >= pending[0].stamp for stream in waiting.values())


def _instant(first: Message, waiting: dict[str, deque[Message]], tolerance: int) -> Instant:
    found = {}
    for name, stream in waiting.items():
        nearest = min(stream, key=lambda message: abs(message.stamp - first.stamp), default=None)
        if nearest is not None and abs(nearest.stamp - first.stamp) <= tolerance:
            found[name] = nearest
    return Instant(first, found)


def _forget(pending: deque[Message], waiting: dict[str, deque[Message]], tolerance: int, oldest: int) -> None:
    """Drops what is too old for every leading message that is pending or may still arrive."""
    for stream in waiting.values():
        while stream and (stream[0].stamp < pending[0].stamp - tolerance if pending else stream[0].arrival < oldest):
            stream.popleft()
