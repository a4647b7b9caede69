import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustseg.deploy.clocks import Clocks, Floor, seconds_of


class Rig:
    """Clocks that are told of frames by when they were taken and how long they took to arrive."""

    def __init__(self, **options: object) -> None:
        self.events = []
        settings = {"shared": True, "drift": 0.0, "jump": 0.1} | options
        self.clocks = Clocks(("rgb", "lidar"), log=self.events.append, **settings)  # type: ignore[arg-type]

    def frame(self, sensor: str, taken: float, delay: float, *, offset: float = 0.0) -> float | None:
        """The age that the frame has when it arrives, by clocks; None if it is late. `offset`: sensor - local clock."""
        corrected = self.clocks.read(sensor, taken + offset, taken + delay)
        return None if corrected is None else self.clocks.age(sensor, corrected, taken + delay)

    def kinds(self) -> list[tuple[str, str]]:
        return [(event.sensor, event.kind) for event in self.events]


def near(value: float) -> object:
    return pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("offset", [0.0, 1.7e9, -5000.0])
def test_delays_are_measured_from_the_least_of_them(offset: float) -> None:
    rig = Rig()
    ages = [rig.frame("rgb", 10 + 0.1 * k, delay, offset=offset) for k, delay in enumerate((0.03, 0.02, 0.07, 0.02))]
    assert ages == [near(0), near(0), near(0.05), near(0)]
    assert not rig.events


def test_with_a_shared_clock_constant_delay_is_seen() -> None:
    ages = {}
    for shared in (True, False):
        rig = Rig(shared=shared)
        for k in range(20):
            rig.frame("rgb", 10 + k / 10, 0.01, offset=77.0)
            ages[shared] = rig.frame("lidar", 10 + k / 10, 0.31, offset=77.0)
    assert ages == {True: near(0.3), False: near(0)}


@pytest.mark.parametrize("jump", [6.0, 28.0])
def test_a_clock_set_forward_in_its_first_seconds_makes_no_other_old(jump: float) -> None:
    rig = Rig()
    for k in range(30):
        assert rig.frame("lidar", 10 + k / 10, 0.02) == near(0)
        assert rig.frame("rgb", 10 + k / 10, 0.02, offset=jump if k > 5 else 0.0) == near(0)
    assert rig.kinds() == [("rgb", "forwards")]


def test_first_frames_may_have_waited() -> None:
    """The camera's first frame lay in a buffer for 1.5 s: that is no jump, and nobody is old afterwards."""
    rig = Rig()
    rig.frame("rgb", 10.0, 1.5)
    ages = [rig.frame(name, 11.6 + k / 10, 0.02) for k in range(20) for name in ("rgb", "lidar")]
    assert ages == [near(0)] * 40
    assert not rig.events


def test_congestion_does_not_lift_the_floor() -> None:
    rig = Rig(drift=5e-4)
    for k in (-2, -1, 0):
        rig.frame("rgb", 0.1 * k, 0.01)
    ages = [rig.frame("rgb", 0.1 * k, 0.51) for k in range(1, 2000)]  # 200 s
    assert ages[0] == pytest.approx(0.5, abs=1e-3)
    assert ages[-1] == pytest.approx(0.5 - 200 * 5e-4, abs=1e-3)


@pytest.mark.parametrize("rate", [-4e-4, 4e-4])
def test_slow_drift_is_followed(rate: float) -> None:
    rig = Rig(drift=5e-4)
    ages = [rig.frame("rgb", t := 0.5 * k, 0.01 + 0.02 * (k % 3), offset=rate * t) for k in range(7_200)]  # an hour
    assert max(ages) < 0.042
    assert not rig.events


def test_a_clock_that_jumps_forwards_is_followed() -> None:
    rig = Rig()
    for k in range(200):
        rig.frame("rgb", k / 10, 0.01)
        rig.frame("lidar", k / 10, 0.21)
    for k in range(200, 230):
        offset = 5.0 if k >= 210 else 0.0
        assert rig.frame("rgb", k / 10, 0.01, offset=offset) == near(0)
        assert rig.frame("lidar", k / 10, 0.21) == near(0.2)  # keeps its own delay, and does not look 5 s old
    assert rig.kinds() == [("rgb", "forwards")]
    assert "5.000 s" in rig.events[0].words


def test_a_clock_that_jumps_backwards_is_followed_after_three_frames() -> None:
    rig = Rig()
    for k in range(200):
        rig.frame("rgb", k / 10, 0.01)
        rig.frame("lidar", k / 10, 0.21)
    ages = [rig.frame("lidar", k / 10, 0.21, offset=-15.0) for k in range(200, 205)]
    assert ages == [None, None, near(0.2), near(0.2), near(0.2)]
    assert rig.kinds() == [("lidar", "backwards")]
    assert rig.events[0].time == near(20.41)


@pytest.mark.parametrize("offset", [0.15, 4.0, 1e9])
def test_a_stamp_from_the_future_costs_nothing(offset: float) -> None:
    rig = Rig()
    for k in range(200):
        rig.frame("rgb", k / 10, 0.01)
    assert rig.frame("rgb", 20.0, 0.01, offset=offset) == near(0)
    assert [rig.frame("rgb", 20 + k / 10, 0.01 + 0.02 * k) for k in (1, 2, 3)] == [near(0.02), near(0.04), near(0.06)]
    assert not rig.events


@pytest.mark.parametrize("offset", [-15.0, 5.0])
def test_frames_that_are_late_at_a_jump_make_no_other_sensor_old(offset: float) -> None:
    rig = Rig()
    for k in range(200):
        rig.frame("rgb", k / 10, 0.01)
        rig.frame("lidar", k / 10, 0.01)
    for k in range(200, 204):
        rig.frame("lidar", k / 10, 0.08, offset=offset)
    for k in range(204, 210):
        assert rig.frame("lidar", k / 10, 0.01, offset=offset) == near(0)
        assert rig.frame("rgb", k / 10, 0.01) == near(0)
    assert len(rig.events) == 1


def test_late_frames_are_dropped_and_show_no_jump() -> None:
    rig = Rig()
    clocks = rig.clocks
    assert clocks.read("rgb", 10.0, 10.0) is not None
    late = [(10.0, 10.1), (9.95, 10.2), (8.0, 10.3), (7.0, 10.4), (7.5, 10.45), (6.0, 10.5)]
    assert [clocks.read("rgb", stamp, arrival) for stamp, arrival in late] == [None] * len(late)
    assert clocks.read("rgb", 10.5, 10.55) is not None
    assert not rig.events


@pytest.mark.parametrize("gap", [0.001, 1.0], ids=["in a bunch", "now and then"])
def test_old_frames_that_were_held_up_are_no_jump(gap: float) -> None:
    rig = Rig()
    rig.clocks.read("rgb", 10.0, 10.0)
    found = [rig.clocks.read("rgb", 8 + k / 30, 10.1 + gap * k) for k in range(30)]
    assert found == [None] * 30
    assert not rig.events


def test_a_backlog_after_a_stall_is_old() -> None:
    rig = Rig()
    for k in range(20):
        rig.frame("rgb", k / 10, 0.01)
    arrivals = [5 + k / 1000 for k in range(30)]  # what was taken from 2 s on arrives from 5 s on
    ages = [rig.frame("rgb", 2 + k / 10, arrival - (2 + k / 10)) for k, arrival in enumerate(arrivals)]
    assert ages == [near(arrival - (2 + k / 10) - 0.01) for k, arrival in enumerate(arrivals)]
    assert not rig.events


def test_a_backlog_at_the_start_is_found_out() -> None:
    rig = Rig()
    for k in range(5):
        rig.frame("lidar", k / 10, 2 - k / 10 + k / 1000)
    rig.frame("rgb", 2.0, 0.02)
    assert rig.frame("lidar", 0.5, 1.53) == near(1.51)
    assert rig.frame("lidar", 2.1, 0.03) == near(0.01)
    assert not rig.events


@pytest.mark.parametrize("offset", [-1e9, 1e9])
def test_a_sensor_whose_clock_is_not_shared_gets_its_own(offset: float) -> None:
    rig = Rig()
    for k in range(50):
        assert rig.frame("rgb", k / 10, 0.01) == near(0)
        assert rig.frame("lidar", k / 10, 0.05 + 0.02 * (k > 0), offset=offset) == near(0.02 * (k > 0))
    assert rig.kinds() == [("lidar", "apart")]


def test_a_first_stamp_of_zero_spoils_nothing() -> None:
    rig = Rig()
    rig.clocks.read("rgb", 0.0, 1000.0)
    for k in range(1, 50):
        assert rig.frame("rgb", 1000 + k / 10, 0.01, offset=1.7e9) == near(0)
        assert rig.frame("lidar", 1000 + k / 10, 0.02, offset=1.7e9) < 0.011
    assert rig.kinds() == [("rgb", "forwards")]


@pytest.mark.parametrize("size", [4.0, 50.0, 3600.0])
def test_a_first_stamp_from_the_future_makes_no_other_old(size: float) -> None:
    """Not for a moment, and for good: the sensor sends one frame and dies."""
    rig = Rig(drift=5e-4)
    for k in range(1000):
        assert rig.frame("rgb", k / 10, 0.02) == near(0)
        if k == 20:
            assert rig.frame("lidar", k / 10, 0.02, offset=size) == near(0)
    assert not rig.events


def test_frames_agree_before_they_are_believed_by_more_than_a_jump() -> None:
    """One first frame came 0.5 s sooner than all others: its stamp may be wrong."""
    rig = Rig()
    rig.frame("lidar", 0.0, 0.01)
    assert [rig.frame("lidar", k / 10, 0.51) for k in range(1, 5)] == [near(0.5), near(0.5), near(0.1), near(0.1)]
    assert rig.frame("rgb", 0.5, 0.51) == near(0.1)


@pytest.mark.parametrize(("delay", "offset"), [(3.0, 0.0), (0.0, 8.0)], ids=["buffers drain", "a clock jumps"])
def test_a_sensor_that_falls_alone_makes_no_later_one_old(delay: float, offset: float) -> None:
    rig = Rig()
    for k in range(20):
        rig.frame("lidar", k / 10, 0.02 + delay)
    for k in range(60):
        assert rig.frame("lidar", 5 + k / 10, 0.02, offset=offset) == near(0)
        if k > 10:
            assert rig.frame("rgb", 5 + k / 10, 0.02) == near(0)
    assert rig.kinds() == [("lidar", "forwards")]


FRAMES = st.lists(
    st.tuples(st.sampled_from(["rgb", "lidar"]), st.floats(0, 30), st.floats(0, 3)), min_size=1, max_size=40
)


@given(frames=FRAMES, shared=st.booleans())
@settings(max_examples=150, deadline=None)
def test_ages_are_never_too_small_for_right_clocks_that_first_had_no_delay(frames: list, shared: bool) -> None:
    rig = Rig(shared=shared)
    first = [(sensor, k / 10, 0.0) for k in (-2, -1, 0) for sensor in ("rgb", "lidar")]
    frames = [*first, *sorted(frames, key=lambda frame: frame[1] + frame[2])]
    for sensor, taken, delay in frames:
        age = rig.frame(sensor, taken, delay)
        if ("rgb", "backwards") in rig.kinds() or ("lidar", "backwards") in rig.kinds():
            return  # old frames that come at the pace at which they were taken cannot be told from a clock set back
        assert age is None or age >= delay - 1e-9


@given(frames=FRAMES)
@settings(max_examples=150, deadline=None)
def test_ages_are_exact_but_for_the_least_delay(frames: list) -> None:
    rig, least = Rig(jump=10.0), math.inf
    for sensor, taken, delay in sorted(frames, key=lambda frame: frame[1] + frame[2]):
        age = rig.frame(sensor, taken, delay)
        if age is not None:
            least = min(least, delay)
            assert age == pytest.approx(delay - least, abs=1e-9)
    assert not rig.events


def test_a_floor_is_infinite_before_its_first_value() -> None:
    assert Floor(0.0).at(1e9) == math.inf


@pytest.mark.parametrize("stamp", [math.nan, math.inf, -math.inf, 1.7e18])
def test_a_stamp_that_is_no_time_is_refused(stamp: float) -> None:
    with pytest.raises(ValueError, match="rgb: a stamp is a finite time in seconds"):
        seconds_of("rgb", stamp)


@pytest.mark.parametrize("option", [{"drift": -0.1}, {"drift": math.nan}, {"jump": 0.0}, {"jump": math.inf}])
def test_numbers_out_of_range_are_refused(option: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(option))} is in seconds"):
        Rig(**option)
