"""Answers from sensors that tick at their own rates, with gaps, late frames and clocks that cannot be relied on.

Sensors push frames from any thread. Only the newest frame of each is kept; it is encoded once, when an answer is asked
for, and fused with the others that are young enough. What moved between the frames' times is not compensated.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from robustseg.deploy.choosing import Choice, Frame, Image, Judge, Opinion, Status, Unused, size_of, state_of
from robustseg.deploy.clocks import Clocks, Event, Kind, seconds_of
from robustseg.deploy.images import check_names
from robustseg.deploy.predictor import Prediction, Predictor

MOST_EVENTS = 1000
"""Older ones are forgotten."""


@dataclass(frozen=True, eq=False)
class StreamAnswer:
    """What the model sees now, and from what.

    Attributes:
        prediction: None if there is nothing to answer from.
        time: What it is for, on the stream's clock: when the frames were chosen.
        ages: Seconds before `time` at which each frame that was used was taken.
        stamps: Of the same frames, as they were pushed.
        unused: Why each of the model's other modalities is not in it.
        status: "full": every modality of the model was used. "reduced": some were not. "degraded": all that were used
            are doubtful, or the last one is sick. "none": there was nothing to use.
    """

    prediction: Prediction | None
    time: float
    ages: dict[str, float]
    stamps: dict[str, float]
    unused: dict[str, Unused]
    status: Status


@dataclass(frozen=True)
class Counts:
    """What became of one modality's frames.

    Attributes:
        pushed: All of them.
        refused: No image, no time, of a wrong size, or not to be encoded.
        late: Not newer than one before.
        overwritten: Replaced before an answer wanted them.
        encoded: Seen by the network.
    """

    pushed: int = 0
    refused: int = 0
    late: int = 0
    overwritten: int = 0
    encoded: int = 0


class Stream:
    """The newest of each sensor, fused whenever an answer is asked for. For any number of threads.

    Ages are measured on the local clock; what the sensors' clocks differ by is learnt from the arrivals, see
    `robustseg.deploy.clocks`. The smallest delay of all frames (of each sensor without `shared_clock`) cannot be seen,
    and is not in any age.

    Args:
        predictor: For this stream alone.
        max_age: Seconds after which a frame counts as absent, of each modality that will be pushed.
        size: Height and width that every image must have; None = any, of which most must agree in an answer.
        shared_clock: Whether one clock stamps all sensors, which shows a sensor that is always later than the others.
        drift: Seconds per second by which a sensor's clock may run slower than the local one.
        jump: Seconds by which stamps must be out of place for their clock to have jumped.
        clock: The local clock, in seconds, which never goes back.
        monitor: Judges each image that is encoded: a `robustseg.deploy.health.Monitor`, say. For this stream alone.

    Raises:
        ValueError: An unknown modality, or a number out of its range.
    """

    def __init__(
        self,
        predictor: Predictor,
        max_age: Mapping[str, float],
        *,
        size: tuple[int, int] | None = None,
        shared_clock: bool = True,
        drift: float = 5e-4,
        jump: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
        monitor: Judge | None = None,
    ) -> None:
        _check(predictor, max_age, size)
        self.predictor = predictor
        self._max_age, self._size, self._clock, self._monitor = dict(max_age), size, clock, monitor
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._clocks = Clocks(max_age, shared=shared_clock, drift=drift, jump=jump, log=self._events.append)
        self._frames: dict[str, Frame] = {}
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in max_age}
        self._states: dict[str, str] = {}
        self._trusted: dict[str, float] = {}
        self._pushing = threading.Lock()  # around clocks, frames, counts, events; held for moments
        self._answering = threading.Lock()  # around predictor, monitor, states; held while the network computes

    def push(self, modality: str, image: Image, stamp: float) -> bool:
        """Hands over a frame; waits for no network.

        Args:
            modality: Its name.
            image: "H W 3" or "H W", as `Predictor` takes it. It is not copied: never write to this array again.
            stamp: When it was taken, by the sensor's clock, in seconds.

        Returns:
            Whether it is the newest; one that is not is dropped.

        Raises:
            ValueError: An unknown modality, an image that is no image or of another size, or a stamp that is no time.
                What was pushed before stays.
        """
        self._check_modality(modality)
        try:
            size = self._checked_size(modality, image)
            stamp = seconds_of(modality, stamp)
        except ValueError:
            self._count(modality, "pushed", "refused")
            raise
        with self._pushing:
            corrected = self._clocks.read(modality, stamp, self._clock())
            counts, before = self._counts[modality], self._frames.get(modality)
            counts["pushed"] += 1
            if corrected is None:
                counts["late"] += 1
                return False
            counts["overwritten"] += before is not None and not before.taken
            self._frames[modality] = Frame(image, size, stamp, corrected)
        return True

    def answer(self, *, probabilities: bool = False, worth: bool = False) -> StreamAnswer:
        """Labels every pixel from all that is young enough; see `Predictor` for what else can be told.

        An image that the predictor refuses, one with NaN say, is left out.
        """
        with self._answering:
            choice = self._newest()
            for name in list(choice.frames):
                self._look_at(name, choice)
            choice.drop_sick(self._trusted)
            choice.drop_odd_sizes()  # last: what will not be used has no say in which size is kept
            encodings = [frame.encoding for frame in choice.frames.values() if frame.encoding]
            prediction = None
            if encodings:
                prediction = self.predictor.answer(encodings, probabilities=probabilities, worth=worth)
        return StreamAnswer(
            prediction=prediction,
            time=choice.time,
            ages={name: choice.ages[name] for name in choice.frames},
            stamps={name: frame.stamp for name, frame in choice.frames.items()},
            unused=choice.unused,
            status=choice.status(),
        )

    @contextmanager
    def run(self, rate: float, callback: Callable[[StreamAnswer], object]) -> Iterator[threading.Event]:
        """Answers at a rate, in a thread of its own, until the `with` block is left; slow answers are fewer, not late.

        Args:
            rate: Answers per second.
            callback: Gets each of them, in that thread. An error ends the answers, and is raised as the block is left.

        Yields:
            An event that is set when the answers have ended.

        Raises:
            ValueError: The rate is not above 0.
        """
        if not 0 < rate < math.inf:
            raise ValueError(f"rate is in answers per second, above 0, got {rate}")
        ended, errors = threading.Event(), []

        def work() -> None:
            try:
                due = time.monotonic()
                while not ended.is_set():
                    callback(self.answer())
                    due = max(due + 1 / rate, time.monotonic())  # what was missed is not made up for
                    ended.wait(due - time.monotonic())
            except Exception as error:
                errors.append(error)
            finally:
                ended.set()

        worker = threading.Thread(target=work, name="robustseg-stream", daemon=True)
        worker.start()
        try:
            yield ended
        finally:
            ended.set()
            worker.join()
        if errors:
            raise errors[0]

    @property
    def events(self) -> tuple[Event, ...]:
        """The last `MOST_EVENTS`, oldest first."""
        with self._pushing:
            return tuple(self._events)

    @property
    def counts(self) -> dict[str, Counts]:
        """Of each modality that may be pushed, since the stream was made."""
        with self._pushing:
            return {name: Counts(**counts) for name, counts in self._counts.items()}

    def _newest(self) -> Choice:
        """The frames that are young enough, and why there are not more."""
        with self._pushing:
            choice = Choice(self._clock(), {}, {}, {})
            for modality in self.predictor.modalities:
                self._consider(modality.name, choice)
        return choice

    def _consider(self, name: str, choice: Choice) -> None:
        frame = self._frames.get(name)
        if frame is None:
            words = "nothing has come from it" if name in self._max_age else "this stream has no max_age for it"
            choice.unused[name] = Unused("absent", words)
            return
        age, most = self._clocks.age(name, frame.corrected, choice.time), self._max_age[name]
        if age > most:
            choice.unused[name] = Unused("old", f"its newest frame is {age:.3f} s old; at most {most:g} s are allowed")
            return
        frame.taken = True
        choice.frames[name], choice.ages[name] = frame, age

    def _look_at(self, name: str, choice: Choice) -> None:
        """Encodes and judges a frame that is new, and drops one that cannot be encoded."""
        frame = choice.frames[name]
        if frame.encoding is None and not frame.refusal:
            try:
                encoding = self.predictor.encode(name, frame.image)
            except ValueError as error:
                frame.refusal = str(error)
                self._count(name, "refused")
                self._log(choice.time, name, "refused", frame.refusal)
            else:
                if self._monitor:
                    frame.opinion = self._monitor.judge(name, encoding, stamp=frame.corrected)
                    self._note(name, frame.opinion, choice.time)
                frame.encoding = encoding
                self._count(name, "encoded")
        if frame.refusal:
            choice.drop(name, "refused", frame.refusal)

    def _note(self, name: str, opinion: Opinion, now: float) -> None:
        state = state_of(opinion)
        if state != self._states.get(name, "well"):
            self._log(now, name, "verdict", f"{state}: {opinion.reason}" if opinion.reason else state)
        self._states[name] = state
        if not opinion.sick:
            self._trusted[name] = now

    def _check_modality(self, name: str) -> None:
        if name not in self._max_age:
            check_names([name], self.predictor.modalities)
            raise ValueError(
                f"{name}: this stream has no max_age for it; its modalities are {', '.join(self._max_age)}"
            )

    def _checked_size(self, modality: str, image: Image) -> tuple[int, int]:
        height, width = size = size_of(modality, image)
        if self._size is not None and size != tuple(self._size):
            tall, wide = self._size
            raise ValueError(f"{modality}: this stream's images have {tall}x{wide} pixels, got {height}x{width}")
        return size

    def _count(self, modality: str, *what: str) -> None:
        with self._pushing:
            self._counts[modality].update(what)

    def _log(self, when: float, sensor: str, kind: Kind, words: str) -> None:
        with self._pushing:
            self._events.append(Event(when, sensor, kind, words))


def _check(predictor: Predictor, max_age: Mapping[str, float], size: tuple[int, int] | None) -> None:
    """Raises ValueError unless names are modalities of the model, ages above 0, and the size is one."""
    check_names(max_age, predictor.modalities)
    if not max_age:
        raise ValueError("max_age names no modality; give the seconds after which a frame of each is too old")
    for name, age in max_age.items():
        if not 0 < age < math.inf:
            raise ValueError(f"max_age of {name} is in seconds, above 0, got {age}")
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ValueError(f"size is height and width in pixels, both at least 1, got {size}")
