from dataclasses import replace
from xml.etree import ElementTree

import pytest
import torch
from synthetic import evaluation

from robustseg.report.charts.svg import number
from robustseg.report.charts.upset import upset_plot

SVG = ElementTree


def rows(drawn: str) -> list[ElementTree.Element]:
    return [node for node in SVG.fromstring(drawn) if node.get("class") == "row"]


def test_a_row_has_its_subsets_dots_bars_and_numbers() -> None:
    teacher, student = evaluation("teacher", skill=0.5), evaluation("student")
    drawn = rows(upset_plot({"teacher": teacher, "student": student}))
    assert len(drawn) == 15
    scores = {tuple(m): (a, b) for m, a, b in zip(student.subsets.tolist(), *both(teacher, student), strict=True)}
    for row in drawn:
        dots = [node.get("class") == "dot" for node in row if node.tag == "circle"]
        bars = [node for node in row if "bar" in (node.get("class") or "").split()]
        before, after = scores.pop(tuple(dots))
        shown = [node.text for node in row if node.tag == "text"]
        assert shown == [number(before), number(after), number(after - before, signed=True)]
        widths = [float(node.get("width", "")) for node in bars]
        assert widths[1] / widths[0] == pytest.approx(after / before, rel=0.01)
        assert [node.get("class") for node in bars] == ["bar other", "bar own"]
    assert not scores


def both(*evaluations):
    return [entry.miou().tolist() for entry in evaluations]


def test_rows_stand_by_size_or_from_best_to_worst() -> None:
    found = evaluation()
    sizes = [sum(node.get("class") == "dot" for node in row) for row in rows(upset_plot({"a": found}))]
    assert sizes == sorted(sizes, reverse=True)
    scores = [float(row[-1].text or "") for row in rows(upset_plot({"a": found}, order="score"))]
    assert scores == sorted(scores, reverse=True)


def test_a_subset_that_was_never_scored_has_no_bar() -> None:
    found = evaluation()
    counts = found.counts.clone()
    counts[:, 0] = 0
    bare = replace(found, counts=counts, scored=found.scored & (torch.arange(15) != 0))
    last = rows(upset_plot({"a": bare}, order="score"))[-1]
    assert not [node for node in last if "bar" in (node.get("class") or "").split()]
    assert last[-1].text == "–"


def test_many_models_and_long_names_stay_inside() -> None:
    names = tuple(f"a very long sensor {place} <b>" for place in range(6))
    found = {f"model {place} <i>": evaluation(modalities=names, seed=place) for place in range(4)}
    tree = SVG.fromstring(upset_plot(found))
    width = float(tree.get("viewBox", "").split()[2])
    assert len(rows(upset_plot(found))) == 63
    assert all(float(node.get("x", 0)) <= width for node in tree.iter())
