from collections.abc import Iterator

import numpy as np

from robustseg.deploy.sources.matching import MOST_WAITING, Message, matched

MS = 1_000_000


def said(stream: str, stamp: float, arrival: float | None = None) -> Message:
    return Message(stream, int(stamp * MS), int((stamp if arrival is None else arrival) * MS), None)


def pairs(messages: list[Message], *others: str, tolerance: float = 50, patience: float = 1000) -> list:
    found = matched(messages, "cam", others, tolerance=int(tolerance * MS), patience=int(patience * MS))
    return [
        (instant.leading.stamp / MS, {name: one.stamp / MS for name, one in instant.others.items()})
        for instant in found
    ]


def test_the_nearest_in_time_is_taken_by_its_own_stamp() -> None:
    messages = [said("lidar", 90, 150), said("cam", 100, 160), said("lidar", 103, 170), said("lidar", 120, 180)]
    assert pairs(messages, "lidar") == [(100, {"lidar": 103})]
    assert pairs([*messages[:2], said("lidar", 120, 170)], "lidar") == [(100, {"lidar": 90})]


def test_what_is_too_far_away_is_absent() -> None:
    messages = [said("cam", 100), said("lidar", 150), said("cam", 200), said("lidar", 250.000001)]
    assert pairs(messages, "lidar") == [(100, {"lidar": 150}), (200, {"lidar": 150})]
    assert pairs(messages, "lidar", tolerance=49) == [(100, {}), (200, {})]


def test_agrees_with_a_search_over_all_messages() -> None:
    random = np.random.default_rng(0)
    stamps = {name: np.sort(random.choice(5000, 120, replace=False)) for name in ("cam", "lidar", "depth")}
    delay = {"cam": 30, "lidar": 100, "depth": 0}
    messages = [said(name, stamp, stamp + delay[name]) for name, all_of in stamps.items() for stamp in all_of]
    messages.sort(key=lambda message: message.arrival)
    for stamp, others in pairs(messages, "lidar", "depth"):
        for name in ("lidar", "depth"):
            distances = np.abs(stamps[name] - stamp)
            if distances.min() > 50:
                assert name not in others
            else:
                assert abs(others[name] - stamp) == distances.min()


def test_a_silent_sensor_is_not_waited_for() -> None:
    given = []

    def messages() -> Iterator[Message]:
        for number in range(100):
            yield said("cam", 100 * number)
            assert number - len(given) < 12, "frames pile up"

    for instant in matched(messages(), "cam", ["lidar"], tolerance=50 * MS, patience=1000 * MS):
        given.append(instant)
    assert len(given) == 100


def test_memory_stays_bounded() -> None:
    """Of some thousand messages at most some dozens are alive, whichever sensor falls silent."""
    alive, most = 0, 0

    class Content:
        def __init__(self) -> None:
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def messages() -> Iterator[Message]:
        for number in range(4000):
            time = 30 * MS * number
            if not 500 < number < 1500:
                yield Message("cam", time, time, Content())
            if not 2000 < number < 3500:
                yield Message("lidar", time + MS, time + MS, Content())

    count = sum(1 for _ in matched(messages(), "cam", ["lidar"], tolerance=50 * MS, patience=1000 * MS))
    assert count == 4000 - 999
    assert most < 80
    assert most < MOST_WAITING
