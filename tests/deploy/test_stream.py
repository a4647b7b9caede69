import math
import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from idle import NAMES, HandClock, IdlePredictor

from robustseg.deploy import Predictor, Stream
from robustseg.deploy.health import Monitor
from robustseg.deploy.stream import Counts

AGES = {"rgb": 0.1, "depth": 0.2, "lidar": 0.3}
IMAGE = np.zeros((8, 10), np.float32)


class Rig:
    """A stream whose clock is turned by hand; sensors have the local clock and no delay unless told otherwise."""

    def __init__(self, **options: object) -> None:
        self.clock = HandClock()
        self.predictor = IdlePredictor()
        self.stream = Stream(self.predictor, AGES, clock=self.clock, **options)

    def push(self, *names: str, at: float | None = None, delay: float = 0.0, image: np.ndarray = IMAGE) -> list[bool]:
        """Pushes frames that arrive `at` a time, and were taken `delay` before; tells which are the newest."""
        self.clock.now = self.clock.now if at is None else at
        return [self.stream.push(name, image.copy(), self.clock.now - delay) for name in names]

    def answer(self, at: float | None = None):
        self.clock.now = self.clock.now if at is None else at
        return self.stream.answer()


@dataclass(frozen=True)
class Said:
    """An opinion."""

    sick: bool = False
    doubtful: bool = False
    reason: str = ""


class ToldMonitor:
    """Says of each sensor what it was told to."""

    def __init__(self, **verdicts: Said) -> None:
        self.verdicts, self.judged = verdicts, []

    def judge(self, modality, encoding, *, stamp):
        self.judged.append((modality, stamp))
        return self.verdicts.get(modality, Said())


SICK, DOUBTFUL = Said(sick=True, reason="frozen"), Said(doubtful=True, reason="dark")


@pytest.fixture
def rig() -> Rig:
    return Rig()


def why(answer) -> dict[str, str]:
    return {name: unused.why for name, unused in answer.unused.items()}


def test_an_answer_tells_what_it_was_made_from(rig) -> None:
    rig.push(*NAMES, at=1000.0)
    answer = rig.answer(at=1000.0625)
    assert (answer.status, answer.time, answer.unused) == ("full", 1000.0625, {})
    assert answer.prediction.used == NAMES
    assert answer.ages == pytest.approx(dict.fromkeys(NAMES, 0.0625), abs=1e-4)
    assert answer.stamps == dict.fromkeys(NAMES, 1000.0)


def test_without_any_frame_there_is_no_prediction_and_no_error(rig) -> None:
    answer = rig.answer()
    assert (answer.prediction, answer.status) == (None, "none")
    assert why(answer) == dict.fromkeys(NAMES, "absent")


def test_frames_older_than_their_age_count_as_absent(rig) -> None:
    rig.push(*NAMES, at=1000.0)
    found = [rig.answer(at=at) for at in (1000.09, 1000.15, 1000.25, 1000.35)]
    assert [answer.status for answer in found] == ["full", "reduced", "reduced", "none"]
    assert [tuple(answer.ages) for answer in found] == [NAMES, NAMES[1:], NAMES[2:], ()]
    assert why(found[1]) == {"rgb": "old"}
    assert found[1].unused["rgb"].words == "its newest frame is 0.150 s old; at most 0.1 s are allowed"


def test_only_the_newest_is_encoded_and_only_once(rig) -> None:
    for number in range(5):
        rig.push("rgb", at=1000 + 0.01 * number, image=IMAGE + number)
    rig.push("depth")
    assert not rig.predictor.encoded
    for _ in range(3):
        assert rig.answer().prediction.used == ("rgb", "depth")
    assert [image.mean() for image in rig.predictor.encoded] == [4, 0]
    assert rig.stream.counts["rgb"] == Counts(pushed=5, overwritten=4, encoded=1)


def test_a_frame_that_is_late_is_dropped_and_counted(rig) -> None:
    assert rig.push("rgb", at=1000.0) == [True]
    assert rig.push("rgb", at=1000.05, delay=0.08, image=IMAGE + 7) == [False]
    assert rig.push("rgb", at=1000.06, delay=0.06) == [False]  # the same stamp again
    assert rig.answer().stamps == {"rgb": 1000.0}
    assert rig.stream.counts["rgb"] == Counts(pushed=3, late=2, encoded=1)


def test_a_backlog_after_a_stall_is_not_used(rig) -> None:
    rig.push("rgb", at=1000.0)
    for number in range(10):
        rig.push("rgb", at=1002 + 0.001 * number, delay=1.9 - 0.1 * number)
        assert rig.answer().status == "none"
    rig.push("rgb", at=1002.05)
    assert rig.answer().status == "reduced"
    assert not rig.stream.events


def test_jumps_of_clocks_are_events(rig) -> None:
    rig.push("rgb", at=1000.0)
    for at in (1000.03, 1000.06, 1000.09):
        rig.push("rgb", at=at, delay=50.0)
    assert rig.answer().ages == {"rgb": pytest.approx(0, abs=1e-3)}
    (event,) = rig.stream.events
    assert (event.sensor, event.kind, event.time) == ("rgb", "backwards", 1000.09)


@pytest.mark.parametrize(
    ("verdicts", "status", "used"),
    [
        ({}, "full", NAMES),
        ({"rgb": SICK}, "reduced", ("depth", "lidar")),
        ({"rgb": DOUBTFUL}, "full", NAMES),
        ({"rgb": SICK, "depth": SICK, "lidar": DOUBTFUL}, "degraded", ("lidar",)),
        (dict.fromkeys(NAMES, DOUBTFUL), "degraded", NAMES),
        (dict.fromkeys(NAMES, SICK), "degraded", ("rgb",)),
    ],
)
def test_sick_sensors_are_left_out_but_never_the_last(verdicts, status, used) -> None:
    rig = Rig(monitor=ToldMonitor(**verdicts))
    rig.push(*NAMES)
    answer = rig.answer()
    assert (answer.status, answer.prediction.used) == (status, used)
    assert all((unused.why, unused.words) == ("sick", "frozen") for unused in answer.unused.values())


def test_if_all_are_sick_the_one_trusted_last_stays() -> None:
    monitor = ToldMonitor(rgb=SICK, depth=SICK)
    rig = Rig(monitor=monitor)
    rig.push(*NAMES)
    assert rig.answer().prediction.used == ("lidar",)
    monitor.verdicts["lidar"] = SICK
    rig.push("lidar", at=1000.05)
    assert (rig.answer().prediction.used, rig.answer().status) == (("lidar",), "degraded")
    assert [(event.sensor, event.words) for event in rig.stream.events] == [
        ("rgb", "sick: frozen"),
        ("depth", "sick: frozen"),
        ("lidar", "sick: frozen"),
    ]


def test_the_monitor_judges_each_encoded_frame_once_and_changes_are_events() -> None:
    monitor = ToldMonitor()
    rig = Rig(monitor=monitor)
    for number, verdict in enumerate([Said(), DOUBTFUL, DOUBTFUL, SICK, Said()]):
        monitor.verdicts["rgb"] = verdict
        rig.push("rgb", at=1000.0 + number)
        rig.answer()
        rig.answer()
    assert monitor.judged == [("rgb", 1000.0 + number) for number in range(5)]
    assert [event.words for event in rig.stream.events] == ["doubtful: dark", "sick: frozen", "well"]


def test_an_image_that_cannot_be_encoded_breaks_no_other(rig) -> None:
    rig.push("rgb")
    rig.push("depth", image=IMAGE + np.nan)
    for _ in range(2):
        answer = rig.answer()
        assert (answer.prediction.used, why(answer)["depth"]) == (("rgb",), "refused")
    (event,) = rig.stream.events
    assert (event.sensor, event.kind) == ("depth", "refused")
    assert rig.stream.counts["depth"] == Counts(pushed=1, refused=1)


def test_images_of_another_size_than_most_are_left_out(rig) -> None:
    rig.push("rgb", image=IMAGE[:4])
    rig.push("depth", "lidar")
    answer = rig.answer()
    assert (answer.prediction.used, why(answer)) == (("depth", "lidar"), {"rgb": "size"})
    assert answer.unused["rgb"].words == "its image has 4x10 pixels, that of depth 8x10"


@pytest.mark.parametrize(
    ("bad", "verdicts", "reason"),
    [(np.nan, {}, "refused"), (0.0, {"rgb": SICK, "depth": SICK}, "sick")],
)
def test_frames_that_are_not_used_do_not_decide_the_size(bad, verdicts, reason) -> None:
    rig = Rig(monitor=ToldMonitor(**verdicts))
    rig.push("rgb", "depth", image=IMAGE + bad)
    rig.push("lidar", image=IMAGE[:4])
    answer = rig.answer()
    assert (answer.status, answer.prediction.used) == ("reduced", ("lidar",))
    assert why(answer) == {"rgb": reason, "depth": reason}


@pytest.mark.parametrize(
    ("name", "image", "stamp", "message"),
    [
        ("radar", IMAGE, 0.0, "knows no 'radar'"),
        ("rgb", IMAGE > 0, 0.0, "rgb: pixels must be integers or floats, got bool"),
        ("rgb", torch.zeros(8, 10, dtype=torch.bfloat16), 0.0, "got bfloat16"),
        ("rgb", np.zeros((3, 8, 10)), 0.0, r"rgb: an image is .* channels last; got \(3, 8, 10\)"),
        ("rgb", np.zeros((0, 10, 3)), 0.0, r"got \(0, 10, 3\)"),
        ("rgb", np.array(3.0), 0.0, r"got \(\)"),
        ("rgb", IMAGE[:4], 0.0, "rgb: this stream's images have 8x10 pixels, got 4x10"),
        ("rgb", IMAGE, math.nan, "rgb: a stamp is a finite time in seconds"),
        ("rgb", IMAGE, math.inf, "rgb: a stamp is a finite time in seconds"),
    ],
)
def test_what_is_no_frame_is_refused_when_it_is_pushed(name, image, stamp, message) -> None:
    rig = Rig(size=(8, 10))
    rig.push("rgb", "depth")
    with pytest.raises(ValueError, match=message):
        rig.stream.push(name, image, stamp)
    assert rig.answer().prediction.used == ("rgb", "depth")
    assert rig.stream.counts["rgb"].refused == (name == "rgb")


@pytest.mark.parametrize(
    ("ages", "message"),
    [
        ({}, "max_age names no modality"),
        ({"radar": 1.0}, "knows no 'radar'"),
        ({"rgb": 0.0}, "max_age of rgb is in seconds, above 0"),
        ({"rgb": math.nan}, "max_age of rgb"),
    ],
)
def test_ages_that_make_no_sense_are_refused(ages, message) -> None:
    with pytest.raises(ValueError, match=message):
        Stream(IdlePredictor(), ages)


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="size is height and width in pixels"):
        Stream(IdlePredictor(), AGES, size=(0, 8))


def test_a_modality_without_max_age_is_absent() -> None:
    stream = Stream(IdlePredictor(), {"rgb": 0.1}, clock=HandClock())
    with pytest.raises(ValueError, match="depth: this stream has no max_age for it; its modalities are rgb"):
        stream.push("depth", IMAGE, 0.0)
    stream.push("rgb", IMAGE, 0.0)
    assert why(stream.answer()) == {"depth": "absent", "lidar": "absent"}


def test_pushes_do_not_wait_for_the_network() -> None:
    started, go_on = threading.Event(), threading.Event()
    rig = Rig()
    encode = rig.predictor.encode

    def slow(name, image, *, size=None):
        started.set()
        assert go_on.wait(30)
        return encode(name, image)

    rig.predictor.encode = slow
    rig.push("rgb", at=1000.0)
    answers = []
    worker = threading.Thread(target=lambda: answers.append(rig.stream.answer()))
    worker.start()
    assert started.wait(30)
    for number in range(1, 100):
        rig.push("rgb", "depth", at=1000 + 0.001 * number)
    assert rig.stream.counts["rgb"] == Counts(pushed=100, overwritten=98)
    assert not answers
    go_on.set()
    worker.join(30)
    assert answers[0].stamps == {"rgb": 1000.0}  # what was newest when it was asked for
    assert rig.answer().stamps == pytest.approx({"rgb": 1000.099, "depth": 1000.099})


def test_it_answers_at_a_rate_until_the_block_is_left(rig) -> None:
    rig.push("rgb")
    answers, enough = [], threading.Event()

    def take(answer) -> None:
        answers.append(answer)
        if len(answers) == 3:
            enough.set()

    begun = time.monotonic()
    with rig.stream.run(50, take) as ended:
        assert enough.wait(30)
        assert not ended.is_set()
    assert time.monotonic() - begun >= 2 / 50
    assert ended.is_set()
    number = len(answers)
    time.sleep(0.1)
    assert len(answers) == number
    assert {answer.status for answer in answers} == {"reduced"}


def test_an_error_of_the_callback_ends_the_answers_and_is_raised(rig) -> None:
    def fail(answer) -> None:
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"), rig.stream.run(100, fail) as ended:
        assert ended.wait(30)
    with pytest.raises(ValueError, match="rate is in answers per second"), rig.stream.run(0, fail):
        pass


def test_answers_are_the_predictors_own(toy_model) -> None:
    rng = np.random.default_rng(0)
    images = {"rgb": rng.integers(0, 256, (24, 40, 3), dtype=np.uint8), "lidar": rng.uniform(0, 30, (24, 40))}
    clock = HandClock()
    stream = Stream(Predictor(toy_model), AGES, clock=clock)
    for name, image in images.items():
        stream.push(name, image, 5.0)
    found = stream.answer(probabilities=True, worth=True).prediction
    expected = Predictor(toy_model)(images, probabilities=True, worth=True)
    assert (found.used, found.without) == (expected.used, expected.without)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-5, atol=1e-6)
    assert found.worth.keys() == {"rgb", "lidar"}
    clock.now += 0.15
    np.testing.assert_array_equal(
        stream.answer().prediction.labels, Predictor(toy_model)({"lidar": images["lidar"]}).labels
    )


def test_a_frozen_sensor_is_left_out_by_the_models_own_monitor(toy_model) -> None:
    rng = np.random.default_rng(0)
    clock = HandClock()
    stream = Stream(Predictor(toy_model), AGES, clock=clock, monitor=Monitor({}, toy_model.card.modalities, held=0.06))
    frozen, found = rng.uniform(0, 30, (32, 40)), []
    for _ in range(3):
        clock.now += 0.05
        stream.push("depth", rng.uniform(0, 30, (32, 40)), clock.now)
        stream.push("lidar", frozen, clock.now)
        found.append(stream.answer())
    assert [answer.prediction.used for answer in found] == [("depth", "lidar"), ("depth", "lidar"), ("depth",)]
    assert found[2].unused["lidar"].words == "frozen for 0.10 s"


@pytest.mark.parametrize("wrong", [[100.0], [100.0] * 5, [-100.0] * 5], ids=["one stamp", "forwards", "backwards"])
def test_a_clock_that_jumps_makes_no_repeated_image_older(toy_model, wrong: list[float]) -> None:
    rng = np.random.default_rng(0)
    clock = HandClock()
    stream = Stream(Predictor(toy_model), AGES, clock=clock, monitor=Monitor({}, toy_model.card.modalities, held=2.0))
    for number, error in enumerate([0.0] * 5 + wrong):
        clock.now += 0.05
        image = rng.uniform(0, 30, (32, 40)) if number < 5 else image
        stream.push("lidar", image, clock.now + error)
        assert stream.answer().prediction.used == ("lidar",)
    verdicts = [event.words for event in stream.events if event.kind == "verdict"]
    late = 0.1 if wrong[0] < 0 else 0.0  # two frames backwards are dropped; the third shows that the clock jumped
    assert verdicts == [f"doubtful: repeated for {0.05 + late:.2f} s"]


def test_an_array_that_is_written_to_again_is_no_frozen_image(toy_model) -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 30, (32, 40, 3)).astype(np.float32)
    stream = Stream(Predictor(toy_model), AGES)
    for _ in range(2):
        image[:] = rng.uniform(0, 30, image.shape)
        stream.push("lidar", image, time.monotonic())
        found = stream.answer().prediction.confidence
        np.testing.assert_array_equal(found, Predictor(toy_model)({"lidar": image}).confidence)


PUSHES = st.lists(st.tuples(st.sampled_from(NAMES), st.floats(0, 20), st.floats(0, 2)), min_size=1, max_size=30)
WRONG = st.floats(-25, 25) | st.floats(100, 1e6) | st.floats(-1e6, -100)


@given(pushes=PUSHES, wrong=WRONG)
@settings(max_examples=100, deadline=None)
def test_sensors_whose_clocks_are_right_are_never_used_beyond_their_age(pushes, wrong) -> None:
    """Depth's clock jumps by `wrong` seconds again and again; rgb's, first without delay, and lidar's are right."""
    rig = Rig(drift=0.0)
    for at in (999.8, 999.9, 1000.0):
        rig.push("rgb", at=at)
    for number, (name, taken, delay) in enumerate(sorted(pushes, key=lambda push: push[1] + push[2])):
        off = wrong * (number % 3) if name == "depth" else 0.0
        rig.push(name, at=1000 + taken + delay, delay=delay - off)
        if any(event.kind == "backwards" and event.sensor != "depth" for event in rig.stream.events):
            return  # old frames that come at the pace at which they were taken cannot be told from a clock set back
        answer = rig.answer()
        for used in answer.stamps.keys() - {"depth"}:
            assert rig.clock.now - answer.stamps[used] <= AGES[used] + 1e-6
