import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from robustseg.report.charts.svg import clipped, drawing, element, key, mark, number, path, text, ticks

NASTY = "\"><script>alert(1)</script><a title='"


def test_names_and_attributes_are_escaped() -> None:
    drawn = element("g", NASTY, text(1, 2, NASTY), aria_label=NASTY, class_=NASTY)
    tree = ElementTree.fromstring(drawn)
    assert tree.attrib == {"aria-label": NASTY, "class": NASTY}
    assert tree.text == NASTY
    assert tree[0].text == NASTY
    assert "<script" not in drawn


def test_attributes_are_named_as_in_svg_and_short() -> None:
    assert element("rect", x=1.23456, y=2.0, stroke_width=3, hidden=True, open=False, id=None) == (
        '<rect x="1.23" y="2" stroke-width="3" hidden></rect>'
    )


def test_a_drawing_is_one_image_with_a_label() -> None:
    tree = ElementTree.fromstring(drawing(100.0, 50.0, f"what {NASTY}"))
    assert tree.get("role") == "img"
    assert tree.get("aria-label") == f"what {NASTY}"
    assert tree.get("viewBox") == "0 0 100 50"


def test_long_names_are_cut_and_told_in_full() -> None:
    assert clipped(0, 0, "lidar", 200) == text(0, 0, "lidar")
    tree = ElementTree.fromstring(clipped(0, 0, "<a very long name of a sensor>", 60))
    assert (tree.text or "").endswith("…")
    assert tree[0].text == "<a very long name of a sensor>"


def test_a_line_breaks_where_nothing_is_known() -> None:
    assert 'd="M0 1L1 2M3 4L4 5"' in path([(0, 1), (1, 2), (2, math.nan), (3, 4), (4, 5)], "line")
    assert path([(0, math.nan)], "line") == ""
    assert mark(0, math.nan, 0) == ""


def test_every_series_has_a_shape_of_its_own() -> None:
    shapes = [ElementTree.fromstring(mark(0, 0, series)).get("d") for series in range(8)]
    assert len(set(shapes)) == 8
    assert key(["a", "b"], series=[3, 5]).count("<li>") == 2


@pytest.mark.parametrize(("low", "high", "most"), [(0, 70, 6), (0, 0.3, 5), (-3, 12, 6), (30, 41, 4), (0, 12345, 6)])
def test_ticks_are_few_round_and_inside(low: float, high: float, most: int) -> None:
    found = ticks(low, high, most)
    steps = {round(b - a, 9) for a, b in pairwise(found)}
    assert 2 <= len(found) <= most
    assert len(steps) == 1
    assert low <= found[0] <= found[-1] <= high
    step = steps.pop()
    assert round(step / 10 ** math.floor(math.log10(step)), 6) in (1, 2, 5)


def test_numbers_are_as_people_write_them() -> None:
    assert [number(value) for value in (1.25, -2.0, -0.01, math.nan, None)] == ["1.2", "\u22122.0", "0.0", "–", "–"]
    assert [number(value, signed=True) for value in (1.0, -1.0, 0.0)] == ["+1.0", "\u22121.0", "+0.0"]
