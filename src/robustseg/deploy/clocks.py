"""When frames were taken, on the local clock, told from stamps of clocks that nobody vouches for.

A frame has a stamp, by its sensor's clock, and an arrival, by the local one. `arrival - stamp` is its delay on the way
plus what the two clocks differ by. Nothing can tell these apart but that a delay is never negative: the least of
`arrival - stamp`, the floor, is put down to the clocks, and what a frame has above it is its delay. The smallest delay
that ever occurs therefore stays unseen, and every age is too small by that much.

All times are in seconds.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Literal

SETTLING = 10.0
"""For so long after its first frame a sensor's delay may fall at once, as its buffers drain; and for so long after a
jump frames may show that the first of them had been late."""
BUFFERED = 5.0
"""By so much at most: what falls more is a clock."""
APART = 60.0
"""Clocks that differ by more than this do so by no delay."""
RUN = 3
"""Stamps in a row that show a clock set back; fewer are late frames."""
LARGEST_STAMP = 1e11
"""Three thousand years; larger stamps are in another unit."""

Kind = Literal["forwards", "backwards", "apart", "refused", "verdict"]


@dataclass(frozen=True)
class Event:
    """Something that a person who looks after the sensors wants to know.

    Attributes:
        time: On the local clock.
        sensor: The modality's name.
        kind: "forwards", "backwards": its clock jumped. "apart": it does not share the others' clock. "refused": its
            image could not be encoded. "verdict": the monitor thinks otherwise of it than before.
        words: For people.
    """

    time: float
    sensor: str
    kind: Kind
    words: str


Log = Callable[[Event], None]


class Floor:
    """The least value so far, which rises no faster than a clock can run slow.

    A link that is congested for minutes does not lift it, as it would the minimum of the last minute.

    Args:
        drift: By how much it rises per second.

    Example:
        >>> floor = Floor(0.001)
        >>> floor.lower(5.0, time=0.0)
        >>> floor.lower(7.0, time=100.0)
        >>> floor.at(100.0)
        5.1
    """

    def __init__(self, drift: float) -> None:
        self._drift, self._value, self._time = drift, math.inf, 0.0

    def at(self, time: float) -> float:
        """Its value at a local time; infinite before the first value."""
        return self._value + self._drift * max(0.0, time - self._time)

    def lower(self, value: float, time: float) -> None:
        """Takes note of a value seen at a local time."""
        self._value, self._time = min(value, self.at(time)), time


class SensorClock:
    """One sensor's clock: what order its stamps have, and where they jumped.

    Args:
        sensor: Its name, for events.
        drift: See `Clocks`.
        jump: See `Clocks`.
        log: Is told of jumps.
    """

    def __init__(self, sensor: str, *, drift: float, jump: float, log: Log) -> None:
        self._sensor, self._jump, self._log = sensor, jump, log
        self._floor = Floor(drift)  # of its own corrected stamps, which a jump must not change
        self._correction = 0.0  # is taken from stamps
        self._newest: float | None = None  # stamp
        self._settled = self._tuned = 0.0  # local times until which the first frame, or a jump, is not long ago
        self._behind: deque[tuple[float, float]] = deque(maxlen=RUN)  # (arrival, stamp) of the last frames, if behind

    def read(self, stamp: float, arrival: float, floor: Floor) -> float | None:
        """The stamp without the clock's jumps, or None if the frame is not newer than one before.

        Args:
            stamp: By the sensor's clock.
            arrival: By the local clock.
            floor: Of all sensors that share a clock with this one; it is lowered, too.
        """
        delay = arrival - stamp + self._correction - floor.at(arrival)  # that the clocks do not explain
        if self._newest is None:
            self._settled = arrival + SETTLING
            if APART < abs(delay) < math.inf:
                self._correct(-delay, arrival, "apart", f"its clock is {-delay:+.1f} s off the others'")
        elif stamp <= self._newest:
            if not self._set_back(stamp, arrival):
                return None
            least = min(then - taken for then, taken in self._behind)
            self._jumped(least, arrival, "backwards")
        elif delay < -(BUFFERED if arrival < self._settled else self._jump):  # from the future
            self._jumped(arrival - stamp, arrival, "forwards")
        elif arrival < self._tuned:
            self._correction += max(0.0, self._floor.at(arrival) - (arrival - stamp + self._correction))
        self._behind.clear()
        self._newest = stamp
        corrected = stamp - self._correction
        for each in (self._floor, floor):
            each.lower(arrival - corrected, arrival)
        return corrected

    def _set_back(self, stamp: float, arrival: float) -> bool:
        """Whether the clock was set back: the last stamps are far behind, and rise as their arrivals do."""
        assert self._newest is not None
        far = stamp < self._newest - self._jump
        if not far or (self._behind and stamp <= self._behind[-1][1]):
            self._behind.clear()
        if far:
            self._behind.append((arrival, stamp))
        if len(self._behind) < RUN:
            return False
        arrivals, stamps = (last - first for first, last in zip(self._behind[0], self._behind[-1], strict=True))
        return stamps / 2 <= arrivals <= stamps * 2  # old frames that were held up come in a bunch, or now and then

    def _jumped(self, offset: float, arrival: float, kind: Literal["forwards", "backwards"]) -> None:
        """Lets `arrival - stamp = offset` mean what this sensor's floor meant before the jump."""
        change = self._floor.at(arrival) - offset - self._correction
        self._correct(change, arrival, kind, f"its clock jumped {kind} by {abs(change):.3f} s")

    def _correct(self, change: float, arrival: float, kind: Kind, words: str) -> None:
        self._correction += change
        self._tuned = arrival + SETTLING
        self._log(Event(arrival, self._sensor, kind, words))


class Clocks:
    """The clocks of all sensors against the local one.

    Args:
        sensors: Their names.
        shared: Whether all sensors are stamped by one clock. A sensor that is always late is then seen to be old by
            the others' floor; with clocks of their own each sensor's least delay is taken for a difference of clocks.
            One whose first stamp is more than `APART` off the others' has a clock of its own in any case.
        drift: Seconds per second by which a clock may run slower than the local one, 0 or more.
        jump: Seconds by which a stamp lies in the future, or behind the newest, before its clock is said to have
            jumped; above 0.
        log: Is told of jumps, and of a sensor that does not share the others' clock.

    Raises:
        ValueError: `drift` or `jump` is out of its range.
    """

    def __init__(self, sensors: Iterable[str], *, shared: bool, drift: float, jump: float, log: Log) -> None:
        if not 0 <= drift < 1:
            raise ValueError(f"drift is in seconds per second, from 0 to below 1, got {drift}")
        if not 0 < jump < math.inf:
            raise ValueError(f"jump is in seconds, above 0, got {jump}")
        self._log = log
        self._sensors = {name: SensorClock(name, drift=drift, jump=jump, log=log) for name in sensors}
        common = Floor(drift)
        self._floors = {name: common if shared else Floor(drift) for name in self._sensors}

    def read(self, sensor: str, stamp: float, arrival: float) -> float | None:
        """The stamp as `age` wants it, or None if the frame is not newer than one before; see `seconds_of`."""
        return self._sensors[sensor].read(stamp, arrival, self._floors[sensor])

    def age(self, sensor: str, stamp: float, now: float) -> float:
        """How long before `now` a frame was taken whose stamp `read` gave; its sensor's least delay not counted."""
        return max(0.0, now - stamp - self._floors[sensor].at(now))


def seconds_of(sensor: str, stamp: float) -> float:
    """A stamp that is a time.

    Raises:
        ValueError: It is none, or not in seconds.
    """
    if not isinstance(stamp, Real) or not abs(stamp) <= LARGEST_STAMP:
        raise ValueError(f"{sensor}: a stamp is a finite time in seconds (nanoseconds / 1e9), got {stamp!r}")
    return float(stamp)
