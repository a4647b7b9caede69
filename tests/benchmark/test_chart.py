from dataclasses import replace
from itertools import pairwise

import cv2
import pytest

from robustseg.benchmark.chart import bars, draw, front, spread, trade_off


def test_nothing_on_the_front_is_beaten(measured):
    found = measured("rgb", "depth", "lidar")
    scores = (30.0, 50.0, 40.0, 45.0, 60.0, 55.0, 59.0)  # all three are worse than two
    rows = [replace(row, miou=score) for row, score in zip(found.rows, scores, strict=True)]
    assert [row.sensors.name for row in front(rows)] == ["depth", "rgb+lidar"]
    rows[1] = replace(rows[1], miou=None)
    assert [row.sensors.name for row in front(rows)] == ["lidar", "rgb+lidar"]


@pytest.mark.parametrize("places", [[], [1.0], [0.0, 0.1, 0.2, 5.0], [3.0, 3.0, 3.0], [0.0, 2.0, 2.1, 2.2, 4.0]])
def test_names_are_moved_apart(places):
    found = spread(places, 1.0)
    assert all(after - before >= 1 - 1e-9 for before, after in pairwise(found))
    assert sum(found) == pytest.approx(sum(places))
    if all(after - before >= 1 for before, after in pairwise(places)):
        assert found == places


def texts(figure) -> set[str]:
    return {text.get_text() for text in [*figure.texts, *figure.axes[0].texts]}


def test_points_are_named(measured):
    said = texts(trade_off(measured("rgb", "depth", "event", "lidar")))
    assert {"rgb", "rgb+lidar", "without lidar", "all sensors"} <= said
    assert any("one sensor off saves 20 % of the time" in text for text in said)


def test_many_sets_are_told_by_letters(measured):
    said = texts(trade_off(measured("rgb", "depth", "event", "lidar", "nir", "sonar")))
    assert {"rgb", "RDELN", "all sensors"} <= said
    assert any("R rgb, D depth" in text for text in said)


def test_bars_without_an_evaluation(measured):
    assert {"20.0   saves 33 %", "30.0"} <= texts(bars(measured("rgb", "lidar", split="")))


@pytest.mark.parametrize("split", ["val", ""])
@pytest.mark.parametrize("names", [("rgb",), ("rgb", "lidar"), tuple("abcdefg")])
def test_the_picture_is_written(measured, tmp_path, split, names):
    draw(measured(*names, split=split), tmp_path / "picture.png")
    image = cv2.imread(str(tmp_path / "picture.png"))
    assert image.shape[1] > 1000
    assert 100 < image.mean() < 255
