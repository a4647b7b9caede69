import statistics
import time

import pytest

from robustseg.benchmark.latency import Times, interleaved


def test_work_runs_in_turns():
    calls, seen = [], []
    work = {name: lambda name=name: calls.append(name) for name in ("a", "b")}
    found = interleaved(work, rounds=2, warm_up=1, progress=lambda done, total: seen.append((done, total)))
    assert calls == ["a", "b"] * 3
    assert seen == [(done, 6) for done in range(1, 7)]
    assert {name: len(times.runs) for name, times in found.items()} == {"a": 2, "b": 2}


def test_what_the_device_still_does_counts():
    found = interleaved({"quick": lambda: None}, rounds=2, warm_up=0, wait=lambda: time.sleep(0.02))
    assert min(found["quick"].runs) >= 20


def test_median_and_slow_runs():
    times = Times(tuple(float(value) for value in range(100, -1, -1)))
    assert times.median == statistics.median(range(101)) == 50
    assert times.slow == pytest.approx(95)
