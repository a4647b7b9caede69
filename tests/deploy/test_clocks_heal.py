"""Three sensors of 10 Hz, one of which is faulty: for how long whose age is wrong."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustseg.deploy.clocks import RUN, Clocks, Event

PERIOD, JUMP, LEAST, JITTER, SECONDS = 0.1, 0.1, 0.02, 0.02, 14
HEALED = RUN * PERIOD + 2 * JITTER
"""Seconds for which a fault may show."""

Fault = Callable[[int, float], tuple[float, float]]
"""Number of a frame, and when it was taken -> what is added to its stamp, and to its delay."""

SIZES = st.floats(0.05, 0.5) | st.floats(0.5, 10) | st.floats(10, 3600)
SIGNS = st.sampled_from([-1, 1])
STARTS = st.sampled_from([{}, {"lidar": 2.0}, {"rgb": 2.0, "depth": 2.0}])
SEEDS = st.integers(0, 1000)


def longest_wrong(fault: Fault, seed: int, starts: dict[str, float], *, drift: float = 0.0) -> dict[str, float]:
    """For how long at a time each sensor's newest frame looked wrong: by over `JUMP`, or as nothing newer was taken.

    Args:
        fault: The lidar's.
        seed: Of delays and phases.
        starts: Seconds after which a sensor begins; 0 without.
        drift: Of the clock that stamps all sensors against the local one, seconds per second.
    """
    clocks = Clocks(("rgb", "depth", "lidar"), shared=True, drift=5e-4, jump=JUMP, log=lambda event: None)
    newest, since, longest = {}, {}, dict.fromkeys(("rgb", "depth", "lidar"), 0.0)
    for arrival, sensor, taken, wrong in frames(fault, seed, starts):
        corrected = clocks.read(sensor, 500 + taken * (1 + drift) + wrong, 1000 + arrival)
        if corrected is not None:
            newest[sensor] = (corrected, taken)
        for name, (stamp, then) in newest.items():
            true = arrival - then
            told = clocks.age(name, stamp, 1000 + arrival)
            right = true - LEAST - JITTER - JUMP <= told <= true + JUMP and true <= 2 * PERIOD + LEAST + JITTER
            since[name] = arrival if right else since.get(name, arrival)
            longest[name] = max(longest[name], arrival - since[name])
    return longest


def frames(fault: Fault, seed: int, starts: dict[str, float]) -> list[tuple[float, str, float, float]]:
    """(arrival, sensor, when it was taken, what its stamp is wrong by) in the order of their arrivals."""
    rng, found = random.Random(seed), []
    for sensor in ("rgb", "depth", "lidar"):
        first = starts.get(sensor, 0.0) + rng.uniform(0, PERIOD)
        for number in range(int((SECONDS - first) / PERIOD)):
            taken = first + number * PERIOD
            wrong, late = fault(number, taken) if sensor == "lidar" else (0.0, 0.0)
            found.append((taken + LEAST + rng.uniform(0, JITTER) + late, sensor, taken, wrong))
    return sorted(found)


@given(size=SIZES, sign=SIGNS, at=st.integers(0, 5) | st.integers(0, 120), starts=STARTS, seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_one_bad_stamp_is_over_after_three_frames(size, sign, at, starts, seed) -> None:
    found = longest_wrong(lambda number, taken: (sign * size * (number == at), 0.0), seed, starts)
    assert max(found.values()) <= HEALED


@given(size=SIZES, sign=SIGNS, at=st.integers(10, 120), starts=STARTS, seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_a_clock_that_jumped_is_followed_after_three_frames(size, sign, at, starts, seed) -> None:
    if (sign < 0 and size < RUN * PERIOD + 2 * JITTER) or (
        sign > 0 and size <= 5 and starts.keys() == {"rgb", "depth"}
    ):
        return  # a longer delay; buffers that drain
    found = longest_wrong(lambda number, taken: (sign * size * (number >= at), 0.0), seed, starts)
    assert max(found.values()) <= HEALED


@pytest.mark.parametrize("starts", [{}, {"lidar": 2.0}, {"rgb": 2.0, "depth": 2.0}])
@pytest.mark.parametrize("begin", [0.0, 5.0], ids=["at the start", "later"])
@pytest.mark.parametrize("seed", range(5))
def test_frames_that_are_held_up_make_no_other_old(starts, begin, seed) -> None:
    """For two seconds nothing comes from the lidar, and then all that it took meanwhile."""
    begin += starts.get("lidar", 0.0)
    end = begin + 2

    def held_up(number: int, taken: float) -> tuple[float, float]:
        return 0.0, max(0.0, end + number * 1e-3 - taken) if begin <= taken < end else 0.0

    found = longest_wrong(held_up, seed, starts)
    assert max(found["rgb"], found["depth"]) <= HEALED


@pytest.mark.parametrize("drift", [-4e-4, 4e-4])
@pytest.mark.parametrize("seed", range(5))
def test_a_shared_clock_that_drifts_makes_none_old(drift, seed) -> None:
    assert longest_wrong(lambda number, taken: (0.0, 0.0), seed, {}, drift=drift) == dict.fromkeys(
        ("rgb", "depth", "lidar"), 0.0
    )


@pytest.mark.parametrize("silent", [300.0, 1000.0, 3600.0])
@pytest.mark.parametrize("shared", [True, False])
def test_a_sensor_that_was_silent_for_long_has_not_jumped(silent: float, shared: bool) -> None:
    """Its floor rose meanwhile, and a usual delay lies far below."""
    events: list[Event] = []
    clocks = Clocks(["rgb", "lidar"], shared=shared, drift=5e-4, jump=0.1, log=events.append)
    for frame in range(int((silent + 120) * 10)):
        time = frame / 10
        if not 60 <= time < 60 + silent:
            stamp = clocks.read("rgb", time, time + 0.02)
        clocks.read("lidar", time, time + 0.17)
    assert stamp is not None
    assert clocks.age("rgb", stamp, time + 0.05) < 0.06
    assert events == []
