import math
from xml.etree import ElementTree

from robustseg.report.charts.bars import bars
from robustseg.report.charts.lines import BOTTOM, LEFT, TOP, Axis, Series, chart, numbers_axis, score_axis


def test_points_stand_where_their_numbers_say() -> None:
    y = Axis(0, 100, ((0, "0"), (100, "100")))
    series = Series("lidar", ((0, 0), (5, 100)), place=3, lone=((5, 50),), band=((0, 0, 10), (5, 90, 100)))
    tree = ElementTree.fromstring(chart([series], x=Axis(0, 5, ()), y=y, label="x", size=(260, 190), unit=" mIoU"))
    marks = [node for node in tree.iter() if (node.get("class") or "").startswith("mark")]
    places = [tuple(map(float, node.get("transform", "")[10:-1].split())) for node in marks]
    assert places == [(LEFT, 190 - BOTTOM), (246, TOP), (246, (TOP + 190 - BOTTOM) / 2)]
    assert [node.get("class") for node in marks] == ["mark c3", "mark c3", "mark c3 hollow"]
    assert [node[0].text for node in marks] == ["lidar: 0.0 mIoU", "lidar: 100.0 mIoU", "lidar: 50.0 mIoU"]
    assert sum("area" in (node.get("class") or "") for node in tree.iter()) == 1


def test_names_are_escaped() -> None:
    drawn = chart([Series("<script>", ((0, 1),))], x=numbers_axis(0, 1), y=numbers_axis(0, 1), label='"<script>')
    assert "<script" not in drawn


def test_an_axis_of_scores_holds_all_of_them() -> None:
    series = [Series("a", ((0, 41), (1, math.nan)), lone=((2, 63),)), Series("b", (), band=((0, 35, 61),))]
    assert (score_axis(series).low, score_axis(series).high) == (0, 70)
    assert (score_axis(series, from_zero=False).low, score_axis(series, from_zero=False).high) == (30, 70)
    assert score_axis([]).high == 10


def test_bars_grow_from_zero_to_both_sides() -> None:
    tree = ElementTree.fromstring(bars({"rgb": 10.0, "event": -5.0, "x<y": math.nan}, label="worth"))
    drawn = [node for node in tree if node.tag == "rect"]
    zero = float(drawn[0].get("x", ""))
    assert float(drawn[1].get("x", "")) + float(drawn[1].get("width", "")) == zero
    assert float(drawn[0].get("width", "")) == 2 * float(drawn[1].get("width", ""))
    assert [node.get("class") for node in drawn] == ["bar own", "bar harm"]
    texts = [node.text for node in tree if node.tag == "text"]
    assert texts == ["rgb", "+10.0", "event", "\u22125.0", "x<y", "not known"]
