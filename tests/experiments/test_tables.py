"""Tables, plots and pages of made-up results."""

import json
import math
from dataclasses import replace

import pytest

from robustseg.experiments.bootstrap import Interval
from robustseg.experiments.grid import Comparison, Method
from robustseg.experiments.measured import compared, gather
from robustseg.experiments.outputs import find, page, write_all
from robustseg.experiments.plots import mean_curve
from robustseg.experiments.result import found_rows
from robustseg.experiments.section import sentence
from robustseg.experiments.tables import (
    difference_subset_table,
    difference_table,
    failure_tables,
    headroom_table,
    method_json,
    method_table,
    spelled,
    subset_table,
)
from robustseg.recipe import Recipe

SKILLS = {"teacher": 0.7, "kl": 0.9, "robustseg": 1.0}


@pytest.fixture
def made(results, result):
    return results(SKILLS) | {("rgb_alone", 1): result("rgb_alone", stage="teacher", modalities=("rgb",), skill=1.2)}


def comparison(names, differences=(), floors=None) -> Comparison:
    methods = {name: Method(name, "student", Recipe(), (1,)) for name in names}
    return Comparison("world", methods, ("emm",), differences, floors or {})


@pytest.fixture
def found(made):
    pairs = (("robustseg", "kl"), ("robustseg", "later"), ("rgb_alone", "kl"))
    return find(comparison([*SKILLS, "rgb_alone", "later"], pairs, {"rgb": "rgb_alone"}), made)


def test_methods(found):
    grid = method_table(found.methods)
    row = dict(zip(grid.head, grid.rows[1], strict=True))
    runs = [result.protocols["emm"].mean for result in found.methods["kl"].results]
    assert (row["method"], row["seeds"], row["sets"], row["worst set"]) == ("kl", 3, 15, "event")
    assert row["mean"] == pytest.approx(sum(runs) / 3, abs=1e-3)
    assert grid.rows[1][4] == pytest.approx(math.sqrt(sum((run - sum(runs) / 3) ** 2 for run in runs) / 2), abs=1e-3)
    assert grid.rows[3][:3] == ("rgb_alone", 1, 1)
    assert grid.rows[3][4] is None
    assert (row["parameters in M"], row["GMAC"], row["minutes"]) == (1.0, 0.42, pytest.approx(13.7))
    about = json.loads(method_json(found.methods))
    assert about["kl"]["mean"] == pytest.approx(row["mean"], abs=1e-3)
    assert len(about["kl"]["subsets"]) == 15
    assert about["kl"]["seed_numbers"] == [1, 2, 3]


def test_differences_of_what_is_there(found):
    grid = difference_table(found.differences)
    assert [row[:3] for row in grid.rows] == [("robustseg − kl", "3", 15), ("rgb_alone − kl", "1 (frames only)", 1)]
    assert str(grid.rows[0][3]).startswith("+")
    assert grid.rows[1][4] == ""  # kl with every sensor has no counterpart
    rows = {row[0]: row[1:] for row in difference_subset_table(found.differences).rows}
    assert len(rows) == 15
    assert rows["depth"][1] is None


def test_subsets_and_headroom(found):
    rows = {row[0]: row[1:] for row in subset_table(found.methods).rows}
    assert rows["depth"][3] is None
    grid = headroom_table(found.methods, {"rgb": "rgb_alone", "depth": "depth_alone"})
    assert grid
    assert grid.head == ("method", "rgb alone")
    assert grid.rows[0][1] == pytest.approx(rows["rgb"][3])
    assert [row[0] for row in grid.rows[1:]] == list(SKILLS)
    assert headroom_table(found.methods, {"depth": "depth_alone"}) is None


def test_words(results):
    assert spelled(Interval(math.nan, math.nan, math.nan)) == ""
    assert spelled(Interval(-1.0, -2.0, 0.3), 0) == "−1 (−2 to 0)"
    measured = gather(results(SKILLS))
    for one, other, word in (("robustseg", "kl", "points above kl"), ("kl", "robustseg", "points below robustseg")):
        difference = compared(measured[one], measured[other], resamples=100)
        assert difference
        assert word in sentence(difference)
    same = compared(measured["kl"], measured["kl"], resamples=10)
    assert same
    assert "are not told apart on the mean over 15 sets" in sentence(same)


def test_everything_is_written(tmp_path, found):
    write_all(found, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    tables = {f"{stem}.{end}" for stem in ("table", "differences") for end in ("md", "json")}
    assert names == tables | {"subsets.md", "subsets.png", "differences.png", "curves.png", "report.html"}
    text = (tmp_path / "differences.md").read_text()
    assert "# Differences of every set of sensors" in text
    assert "zero lies outside" in text
    assert all((tmp_path / name).read_bytes()[:4] == b"\x89PNG" for name in names if name.endswith(".png"))


def test_one_method_and_no_difference(tmp_path, result):
    single = find(comparison(["kl"]), {("kl", 1): result()})
    write_all(single, tmp_path)
    assert not (tmp_path / "differences.md").exists()
    assert "is best on the mean" in (tmp_path / "report.html").read_text()


def test_the_page_stands_alone(found):
    html = page(found)
    assert 'id="methods"' in html
    assert 'id="learning"' in html
    assert "http:" not in html
    assert "https:" not in html
    assert [section.key for section in found.sections()] == ["methods", "sets", "learning"]


def test_curves_are_averaged_where_all_have_a_score():
    assert mean_curve([]) == []
    assert mean_curve([[(1, 10.0), (2, 20.0)], [(2, 30.0), (3, 5.0)]]) == [(2, 25.0)]


def test_other_failures(tmp_path, results, evaluated):
    made = results(SKILLS)
    rows = {
        key: found_rows(evaluated(skill=0.5 * SKILLS[key[0]], seed=key[1])) for key in made if key != ("teacher", 3)
    }
    made = {
        key: replace(result, protocols=result.protocols | ({"faults": rows[key]} if key in rows else {}))
        for key, result in made.items()
    }
    pairs = (("robustseg", "kl"), ("kl", "teacher"))
    found = find(replace(comparison([*SKILLS], pairs), protocols=("emm", "faults")), made)
    methods, differences = failure_tables(found.failing)
    assert methods.head == ("method", "faults, mean", "faults, worst")
    means = {name: [rows[key].mean for key in rows if key[0] == name] for name in SKILLS}
    for name, mean, worst in methods.rows:
        assert mean == pytest.approx(sum(means[name]) / len(means[name]), abs=1e-3)
        assert worst < mean
    assert [row[0] for row in differences.rows] == ["robustseg − kl", "kl − teacher"]
    assert found.failing["faults"].differences[1].seeds == 2  # the third teacher was not scored by it
    value = found.failing["faults"].differences[0].statistics["mean"]
    assert value.value == pytest.approx(methods.rows[2][1] - methods.rows[1][1], abs=1e-3)
    assert differences.rows[0][1] == spelled(value)
    write_all(found, tmp_path)
    assert "# Differences under other failures" in (tmp_path / "failures.md").read_text()
    assert json.loads((tmp_path / "failures.json").read_text())["faults"]["methods"]["kl"]["seeds"] == 3
    assert 'id="other_failures"' in (tmp_path / "report.html").read_text()
