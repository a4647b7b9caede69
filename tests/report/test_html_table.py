import math
from xml.etree import ElementTree

import torch

from robustseg.report.html_table import grid_html, heat_map, heat_step
from robustseg.report.tables import Grid

GRID = Grid(
    title="<b>title</b>",
    head=("sensors", "mIoU", "difference", "note"),
    rows=(("rgb & <i>", 41.26, -1.0, "a"), ("lidar", math.nan, 2.5, None)),
    summary=(("mean", 41.26, 0.01, ""),),
    signed=frozenset({2}),
    caption="what it <means>",
)


def parts(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<div>{drawn}</div>".replace("&nbsp;", " "))


def test_a_grid_is_a_table_with_named_rows_and_columns() -> None:
    tree = parts(grid_html(GRID))
    table = tree.find(".//table")
    assert table is not None
    assert table.findtext("caption") == "<b>title</b>"
    assert [node.get("scope") for node in table.findall("./thead/tr/th")] == ["col"] * 4
    assert [node.text for node in table.findall("./tbody/tr/th")] == ["rgb & <i>", "lidar"]
    cells = [[node.text or "" for node in row.findall("td")] for row in table.findall("./tbody/tr")]
    assert cells == [["41.3", "\u22121.0", "a"], ["", "+2.5", ""]]
    assert [node.get("class") for node in table.findall("./tbody/tr/td")[1::3]] == ["num loss", "num gain"]
    foot = table.findall("./tfoot/tr/td")
    assert [node.get("class") for node in foot] == ["num", "num", None]
    assert tree.findtext("p") == "what it <means>"


def test_what_is_wide_scrolls_and_says_what_it_is() -> None:
    region = parts(grid_html(GRID)).find("div")
    assert region is not None
    assert (region.get("role"), region.get("tabindex"), region.get("aria-label")) == ("region", "0", "<b>title</b>")


def test_a_heat_map_prints_its_numbers_and_colors_them() -> None:
    values = torch.tensor([[0.0, 100.0], [math.nan, 50.0]])
    drawn = heat_map(values, rows=["<road>", "car"], columns=["R", "RD"], hints=["rgb", "all"], title="t", corner="c")
    tree = parts(drawn)
    cells = [(node.text, node.get("class")) for node in tree.iter("td")]
    assert cells == [("0.0", "h0"), ("100.0", "h10 strong"), ("–", "none"), ("50.0", "h5")]
    assert [(node.text, node.get("title")) for node in tree.iter("abbr")] == [("R", "rgb"), ("RD", "all")]
    assert [node.text for node in tree.findall(".//tbody/tr/th")] == ["<road>", "car"]


def test_colors_rise_with_the_value() -> None:
    steps = [heat_step(value) for value in range(0, 101, 5)]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, 10)
