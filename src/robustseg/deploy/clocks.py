"""When frames were taken, on the local clock, told from stamps of clocks that nobody vouches for.

A frame has a stamp, by its sensor's clock, and an arrival, by the local one. `arrival - stamp` is its delay on the way
plus what the two clocks differ by. Nothing can tell these apart but that a delay is never negative: the least of
`arrival - stamp`, the floor, is put down to the clocks, and what a frame has above it is its delay. The smallest delay
that ever occurs therefore stays unseen, and every age is too small by that much.

A stamp may be wrong. One that does not follow from those before it, by more than `jump`, is a stray. Frames that fit
end a row of strays, which then were bad stamps and have changed nothing; `RUN` strays in a row that rise as their
arrivals do are a clock that jumped, and are followed. And the floor lies at most `jump` below what `RUN` frames in a
row have all shown, so that no stamp alone makes a sensor, or another, look older by more than that.

All times are in seconds.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Literal

RUN = 3
"""Frames in a row that show something; fewer may be bad stamps, or late frames."""
SETTLING = 10.0
"""For so long after its first frame a sensor that is alone may be draining its buffers; and for so long after a jump
frames may show that the first of them had been late."""
BUFFERED = 5.0
"""By so much at most may the delay of first frames fall; what falls more is a clock."""
APART = 60.0
"""First frames that are later than this are not late: their clock is another one."""
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

    @property
    def seen(self) -> float:
        """Its value when it was last lowered, before it rose again; infinite before the first value."""
        return self._value

    def at(self, time: float) -> float:
        """Its value at a local time; infinite before the first value."""
        return self._value + self._drift * max(0.0, time - self._time)

    def lower(self, value: float, time: float) -> None:
        """Takes note of a value seen at a local time."""
        self._value, self._time = min(value, self.at(time)), time


Times = deque[tuple[float, float]]
"""(arrival, stamp) of the last frames, at most `RUN`."""


def steady(frames: Times) -> bool:
    """Whether the stamps of `RUN` frames rise as their arrivals do.

    Those of frames that were held up do not: they come in a bunch, or now and then.
    """
    arrivals, stamps = (last - first for first, last in zip(frames[0], frames[-1], strict=True))
    return len(frames) == RUN and stamps / 2 <= arrivals <= stamps * 2


class SensorClock:
    """One sensor's clock: what order its stamps have, where they jumped, and its least delay.

    Args:
        sensor: Its name, for events.
        drift: See `Clocks`.
        jump: See `Clocks`.
        log: Is told of jumps.

    Attributes:
        group: All sensors that share a clock, this one among them.
        least: The least of `arrival - stamp`, by corrected stamps.
        shown: The least that `RUN` steady frames in a row, within `jump` of each other, did not exceed.
    """

    def __init__(self, sensor: str, *, drift: float, jump: float, log: Log) -> None:
        self._sensor, self._drift, self._jump, self._log = sensor, drift, jump, log
        self.group: list[SensorClock] = [self]
        self.least, self.shown = Floor(drift), Floor(drift)
        self._correction = 0.0  # is taken from stamps
        self._newest = -math.inf  # stamp that was no stray
        self._settled = self._tuned = 0.0  # local times until which the first frame, or a jump, is not long ago
        self._last: Times = deque(maxlen=RUN)  # without strays
        self._strays: Times = deque(maxlen=RUN)  # rising, since the last frame that fitted; or that frame

    @property
    def sure(self) -> bool:
        """Whether `RUN` frames in a row have shown something."""
        return self.shown.at(0.0) < math.inf

    @property
    def _begun(self) -> bool:
        return self._newest > -math.inf

    def read(self, stamp: float, arrival: float) -> float | None:
        """The stamp without the clock's jumps, or None if the frame is not newer than one before.

        Args:
            stamp: By the sensor's clock.
            arrival: By the local clock.
        """
        if self._strays and stamp <= self._strays[-1][1]:
            self._strays.clear()
        late = stamp <= self._newest
        if late and stamp >= self._newest - self._jump and not self._strays:
            return None
        if late or self._from_the_future(stamp, arrival):
            self._strays.append((arrival, stamp))
            if not steady(self._strays):
                return None if late else stamp - self._following(arrival)
            self._follow(arrival, "backwards" if late else "forwards")
        else:
            self._strays = deque([(arrival, stamp)], RUN)
            if not self._begun:
                self._begin(arrival)
            self._last.append((arrival, stamp))
        return self._accept(stamp, arrival)

    def _from_the_future(self, stamp: float, arrival: float) -> bool:
        """Whether the frame would have a negative delay that only a clock can explain.

        What a floor rose while its sensor was silent explains it as well.
        """
        if arrival - stamp + self._correction >= self.least.seen - self._jump:
            return False
        floor = floor_of(self.group, arrival, self._jump)
        delay = arrival - stamp + self._correction - floor
        most = self._jump if any(each.sure for each in self.group) else BUFFERED
        return floor < math.inf and delay < -most

    def _following(self, arrival: float) -> float:
        """The correction that lets the strays continue what was before them."""
        floor = floor_of([self], arrival, self._jump)
        return (floor if floor < math.inf else floor_of(self.group, arrival, self._jump)) - _least(self._strays)

    def _follow(self, arrival: float, kind: Literal["forwards", "backwards"]) -> None:
        """Goes on with the strays' clock, as a continuation of what was before if that was sure, or anew."""
        correction = self._following(arrival)
        change = correction - self._correction
        alone = all(each is self or not each.sure for each in self.group)
        draining = alone and arrival < self._settled and 0 < change <= BUFFERED
        if self._begun:
            self._log(Event(arrival, self._sensor, kind, f"its clock jumped {kind} by {abs(change):.3f} s"))
        if self.sure and not draining:
            self._correction, self._tuned = correction, arrival + SETTLING
        else:
            self._begin(arrival)
        self._last = self._strays.copy()

    def _begin(self, arrival: float) -> None:
        """Starts with the strays, and forgets what was before them."""
        if not self._begun:
            self._settled = arrival + SETTLING
        self.least, self.shown, self._correction = Floor(self._drift), Floor(self._drift), 0.0
        self._last.clear()
        floor = floor_of(self.group, arrival, self._jump)
        delay = _least(self._strays) - floor
        if floor < math.inf and not -BUFFERED <= delay <= APART:
            self._correction, self._tuned = -delay, arrival + SETTLING
            self._log(Event(arrival, self._sensor, "apart", f"its clock is {-delay:+.1f} s off the others'"))
        self.least.lower(_least(self._strays) + self._correction, arrival)

    def _accept(self, stamp: float, arrival: float) -> float:
        """Learns from a frame, the newest of `_last`; its corrected stamp."""
        self._newest = stamp
        if arrival < self._tuned:
            self._correction += max(0.0, self.least.at(arrival) - (arrival - stamp + self._correction))
        self.least.lower(arrival - stamp + self._correction, arrival)
        most = max(then - taken for then, taken in self._last)
        if steady(self._last) and most - _least(self._last) <= self._jump:
            self.shown.lower(most + self._correction, arrival)
        self._strays.clear()
        return stamp - self._correction


def _least(frames: Times) -> float:
    return min(arrival - stamp for arrival, stamp in frames)


def floor_of(sensors: Iterable[SensorClock], time: float, jump: float) -> float:
    """What sensors that share a clock have above it is delay; infinite before the first frame.

    It is the least that occurred, but at most `jump` below the least that `RUN` frames in a row have shown.
    """
    least, shown = (
        min(values) for values in zip(*((s.least.at(time), s.shown.at(time)) for s in sensors), strict=True)
    )
    return least if shown == math.inf else max(least, shown - jump)


class Clocks:
    """The clocks of all sensors against the local one.

    Args:
        sensors: Their names.
        shared: Whether all sensors are stamped by one clock. A sensor that is always late is then seen to be old by
            the others' floor; with clocks of their own each sensor's least delay is taken for a difference of clocks.
            One whose first stamp is more than `BUFFERED` ahead of the others', or `APART` behind, has a clock of its
            own in any case.
        drift: Seconds per second by which a clock may run slower than the local one, 0 or more.
        jump: Seconds by which a stamp lies in the future, or behind the newest, before it is a stray; above 0.
        log: Is told of jumps, and of a sensor that does not share the others' clock.

    Raises:
        ValueError: `drift` or `jump` is out of its range.
    """

    def __init__(self, sensors: Iterable[str], *, shared: bool, drift: float, jump: float, log: Log) -> None:
        if not 0 <= drift < 1:
            raise ValueError(f"drift is in seconds per second, from 0 to below 1, got {drift}")
        if not 0 < jump < math.inf:
            raise ValueError(f"jump is in seconds, above 0, got {jump}")
        self._jump = jump
        self._sensors = {name: SensorClock(name, drift=drift, jump=jump, log=log) for name in sensors}
        if shared:
            for sensor in self._sensors.values():
                sensor.group = list(self._sensors.values())

    def read(self, sensor: str, stamp: float, arrival: float) -> float | None:
        """The stamp as `age` wants it, or None if the frame is not newer than one before; see `seconds_of`."""
        return self._sensors[sensor].read(stamp, arrival)

    def age(self, sensor: str, stamp: float, now: float) -> float:
        """How long before `now` a frame was taken whose stamp `read` gave; its sensor's least delay not counted."""
        return max(0.0, now - stamp - floor_of(self._sensors[sensor].group, now, self._jump))


def seconds_of(sensor: str, stamp: float) -> float:
    """A stamp that is a time.

    Raises:
        ValueError: It is none, or not in seconds.
    """
    if not isinstance(stamp, Real) or not abs(stamp) <= LARGEST_STAMP:
        raise ValueError(f"{sensor}: a stamp is a finite time in seconds (nanoseconds / 1e9), got {stamp!r}")
    return float(stamp)
