"""Hours of broken sensors in a minute: many threads, every fault at random, a real network."""

import os
import sys
import threading
import time
from collections import Counter

import numpy as np
import pytest

from robustseg.deploy import Predictor, Stream

PUSHES, THREADS, WARM_UP = 100_000, 4, 30_000
SENSORS = ("rgb", "depth", "lidar", "rgb")  # two threads feed one sensor
SIZE = (32, 40)


class Device:
    """A sensor's clock and its delay, which change at random."""

    def __init__(self) -> None:
        self.offset = 100.0

    def stamp(self) -> float:
        now = time.monotonic()
        return now + self.offset - 0.02 - 0.01 * np.sin(now)


class FaultySensor(threading.Thread):
    """Pushes frames that are late, out of order, of wrong sizes, NaN, with stamps that jump or are none, with gaps.

    Attributes:
        seconds: What each push took.
        done: What became of the pushes.
        errors: Other errors than those that a bad frame should raise.
    """

    def __init__(self, stream: Stream, name: str, device: Device, seed: int) -> None:
        super().__init__(daemon=True)
        self.stream, self.modality, self.device, self.rng = stream, name, device, np.random.default_rng(seed)
        self.seconds, self.done, self.errors = [], Counter(), []
        self.image = self.rng.uniform(0, 50, (*SIZE, 3)).astype(np.float32)

    def run(self) -> None:
        try:
            for _ in range(PUSHES // THREADS):
                self.push()
                time.sleep(0.001)
        except BaseException as error:
            self.errors.append(error)

    def push(self) -> None:
        image, stamp, bad = self.frame(self.rng.random())
        begun = time.perf_counter()
        try:
            self.done["kept" if self.stream.push(self.modality, image, stamp) else "late"] += 1
        except ValueError:
            self.done["refused"] += 1
            if not bad:
                raise
        else:
            assert not bad
        self.seconds.append(time.perf_counter() - begun)

    def frame(self, chance: float) -> tuple[np.ndarray, float, bool]:
        """An image, its stamp, and whether it must be refused."""
        stamp = self.device.stamp()
        if chance < 0.01:
            return self.image[:7], stamp, True
        if chance < 0.02:
            return self.image, (np.nan, np.inf, -np.inf, 1e18)[self.rng.integers(4)], True
        if chance < 0.03:
            return self.image * np.nan, stamp, False  # refused when it is encoded
        if chance < 0.08:
            return self.image, stamp - self.rng.uniform(0, 3), False
        if chance < 0.0803:
            self.device.offset += self.rng.uniform(-100, 100)
        elif chance < 0.081:
            time.sleep(0.2)
        return self.image.copy(), stamp, False


def resident() -> float:
    """Megabytes that this process has in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_stream_survives_every_fault_at_once(toy_model, capsys) -> None:
    stream = Stream(Predictor(toy_model), {"rgb": 0.1, "depth": 0.2, "lidar": 0.3}, size=SIZE)
    devices = {name: Device() for name in SENSORS}
    sensors = [FaultySensor(stream, name, devices[name], seed) for seed, name in enumerate(SENSORS)]
    for sensor in sensors:
        sensor.start()
    before, waits, seen = 0.0, [], Counter()
    while any(sensor.is_alive() for sensor in sensors):
        begun = time.perf_counter()
        answer = stream.answer()
        waits.append(time.perf_counter() - begun)
        seen[answer.status] += 1
        assert (answer.prediction is None) == (answer.status == "none")
        if not before and sum(counts.pushed for counts in stream.counts.values()) > WARM_UP:
            before = resident()
    grown = resident() - before
    assert not [error for sensor in sensors for error in sensor.errors]
    pushes = np.concatenate([sensor.seconds for sensor in sensors])
    with capsys.disabled():
        print(
            f"\n{len(pushes)} pushes: median {1e3 * np.median(pushes):.3f} ms, 99 % below "
            f"{1e3 * np.quantile(pushes, 0.99):.1f} ms, longest {1e3 * pushes.max():.0f} ms; {len(waits)} answers: "
            f"median {1e3 * np.median(waits):.0f} ms, longest {1e3 * max(waits):.0f} ms; {dict(seen)}; "
            f"{grown:+.1f} MB after {WARM_UP} pushes; {stream.counts}"
        )
    check_counts(stream, sensors)
    answer = None
    for _ in range(100):  # a clock that has just jumped takes a few frames to be believed again
        for sensor in sensors:
            stream.push(sensor.modality, sensor.image, sensor.device.stamp())
        answer = stream.answer()
        if answer.status == "full":
            break
        time.sleep(0.02)
    assert answer is not None
    assert answer.status == "full", answer.unused
    assert before > 0
    assert grown < 50
    assert np.quantile(pushes, 0.99) < 0.05
    assert pushes.max() < 3  # two cores, and whatever else they do
    assert max(waits[1:]) < 5  # the first one warms up what the others use


def check_counts(stream: Stream, sensors: list[FaultySensor]) -> None:
    """No frame is lost from the books."""
    counts = stream.counts.values()
    done = sum((sensor.done for sensor in sensors), Counter())
    assert sum(each.pushed for each in counts) == done.total() == PUSHES
    assert sum(each.late for each in counts) == done["late"]
    for each in counts:
        waiting = each.pushed - each.late - each.refused - each.overwritten - each.encoded
        assert waiting in (0, 1)
