import math
from dataclasses import replace

import pytest
import torch
from synthetic import evaluation

from robustseg.report.subsets import by_size, devices, losses, phrase, ranking, without


def test_a_failing_sensor_takes_all_its_modalities() -> None:
    found = evaluation(modalities=("rgb", "aolp", "nir"), sensors=("camera", "camera", "nir"))
    assert devices(found) == ("camera", "nir")
    assert without(found, "camera") == (False, False, True)
    scores = dict(zip(found.names, found.miou().tolist(), strict=True))
    full = scores["rgb+aolp+nir"]
    expected = {"camera": full - scores["nir"], "nir": full - scores["rgb+aolp"]}
    assert losses(found) == pytest.approx(expected)


def test_what_was_not_evaluated_is_not_known() -> None:
    found = evaluation(modalities=("rgb", "depth"), confident=False)
    few = replace(found, counts=found.counts[:, [2]], scored=found.scored[:, [2]], subsets=found.subsets[[2]])
    assert all(math.isnan(value) for value in losses(few).values())


def test_scores_by_size() -> None:
    found = evaluation(modalities=("rgb", "depth", "lidar"))
    scores = found.miou().tolist()
    grouped = by_size(found)
    assert list(grouped) == [3, 2, 1]
    assert grouped == {3: scores[6:], 2: scores[3:6], 1: scores[:3]}
    dropped = replace(found, counts=found.counts * (torch.arange(7) != 0)[:, None, None])
    assert by_size(dropped)[1] == scores[1:3]


def test_words() -> None:
    names = ("rgb", "depth", "event", "lidar")
    assert phrase((True, True, False, True), names) == "rgb, depth and lidar"
    assert phrase((True,) * 4, names) == "all sensors"
    assert phrase((False,) * 4, names) == "nothing"
    assert phrase((True,), ("rgb",)) == "rgb"
    assert ranking({"a": 1.0, "b": math.nan, "c": 2.0}) == ["c", "a", "b"]
