"""Tables, plots and pages of made-up results."""

import json
import math
from dataclasses import replace

import pytest

from robustseg.cli import main
from robustseg.experiments.as_json import failure_json, method_json
from robustseg.experiments.bootstrap import Interval
from robustseg.experiments.cells import ONE_SEED, minutes, spelled
from robustseg.experiments.grid import Comparison, Method, read_grid
from robustseg.experiments.measured import compared, gather
from robustseg.experiments.outputs import find, page, write_all
from robustseg.experiments.packing import pack, unpack
from robustseg.experiments.plots import mean_curve
from robustseg.experiments.result import Rows, found_rows, write_result
from robustseg.experiments.section import sentence
from robustseg.experiments.tables import (
    difference_subset_table,
    difference_table,
    failure_tables,
    headroom_table,
    method_table,
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
    assert (row["parameters in M"], row["GMAC"], row["minutes"]) == (1.0, 0.42, pytest.approx(26.4))
    about = json.loads(method_json(found.methods))
    assert about["kl"]["mean"] == pytest.approx(row["mean"], abs=1e-3)
    assert len(about["kl"]["subsets"]) == 15
    assert about["kl"]["seed_numbers"] == [1, 2, 3]
    assert about["kl"]["minutes"] == pytest.approx(26.4)
    assert about["kl"]["minutes_alone"] == pytest.approx(13.7)


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


def test_minutes_are_those_of_all_that_a_method_needs(results):
    made = results({"teacher": 0.7, "kl": 0.9, "longer": 0.9, "alone": 0.9}, seeds=(1, 2))
    took = {key: result.made.minutes for key, result in made.items()}
    made = {
        (name, seed): replace(
            result,
            teacher=result.teacher if name != "alone" else "",
            start={"longer": "kl", "alone": "scratch"}.get(name, result.start),
        )
        for (name, seed), result in made.items()
    }
    methods = gather(made)
    needed = {
        "teacher": ["teacher"],
        "kl": ["teacher", "kl"],  # once, though it both taught and was started from
        "longer": ["teacher", "kl", "longer"],
        "alone": ["alone"],
    }
    for name, names in needed.items():
        runs = [sum(took[other, seed] for other in names) for seed in (1, 2)]
        assert minutes(methods[name], methods) == pytest.approx(sum(runs) / 2)
    fewer = gather({key: result for key, result in made.items() if key != ("teacher", 2)})
    alone = took["teacher", 1] + (took["kl", 1] + took["kl", 2]) / 2
    assert minutes(fewer["kl"], fewer) == pytest.approx(alone)
    none = gather({key: result for key, result in made.items() if key[0] != "teacher"})
    assert {name: minutes(entry, none) is None for name, entry in none.items()} == {
        "kl": True,
        "longer": True,
        "alone": False,
    }
    assert [row[-1] is None for row in method_table(none).rows] == [
        minutes(entry, none) is None for entry in none.values()
    ]
    about = json.loads(method_json(none))["longer"]
    assert about["minutes"] is None
    assert about["minutes_alone"] == pytest.approx((took["longer", 1] + took["longer", 2]) / 2)


def with_protocol(made: dict, protocol: str, rows: dict) -> dict:
    """Results with one more protocol, those that have rows of it."""
    return {
        key: replace(result, protocols=result.protocols | ({protocol: rows[key]} if key in rows else {}))
        for key, result in made.items()
    }


def first_cases(rows: Rows, shape: tuple[int, ...], count: int) -> Rows:
    """What would be there had only some cases been scored."""
    scores = dict(list(rows.scores.items())[:count])
    known = [score for score in scores.values() if score is not None]
    counts = pack(unpack(rows.counts, shape)[:, :count])
    mean = sum(known) / len(known)
    return Rows(scores, mean=mean, all=None, worst=min(known), present=rows.present[:count], counts=counts)


@pytest.fixture
def failed(results, evaluated):
    """Findings by emm and faults, and the rows of faults: the teacher lacks a seed, kl all seeds but one and cases."""
    made = results(SKILLS)
    rows = {
        key: found_rows(evaluated(skill=0.5 * SKILLS[key[0]], seed=key[1]))
        for key in made
        if key not in (("teacher", 3), ("kl", 2), ("kl", 3))
    }
    rows["kl", 1] = first_cases(rows["kl", 1], (12, 15, 4, 3), 6)
    pairs = (("robustseg", "kl"), ("robustseg", "teacher"))
    grid = replace(comparison([*SKILLS], pairs), protocols=("emm", "faults"))
    return find(grid, with_protocol(made, "faults", rows)), rows


def test_other_failures(failed):
    found, rows = failed
    grids = failure_tables(found.failing)
    assert list(grids) == ["failures", "failure_differences"]
    methods, differences = grids.values()
    assert methods.head == ("method", "seeds", "faults, mean", "faults, worst", "faults, cases")
    means = {name: [rows[key].mean for key in rows if key[0] == name] for name in SKILLS}
    for name, _, mean, worst, _ in methods.rows:
        assert mean == pytest.approx(sum(means[name]) / len(means[name]), abs=1e-3)
        assert worst < mean
    assert [(row[0], row[1], row[4]) for row in methods.rows] == [
        ("teacher", "2", 15),
        ("kl", "1", 6),
        ("robustseg", "3", 15),
    ]
    assert [(row[0], row[1], row[4]) for row in differences.rows] == [
        ("robustseg − kl", ONE_SEED, 6),
        ("robustseg − teacher", "2", 15),
    ]
    assert "over the cases that both methods share" in differences.caption
    assert f"{ONE_SEED}: the interval says nothing about other seeds" in differences.caption
    value = found.failing["faults"].differences[0].statistics["mean"]
    shared = [list(rows[name, 1].scores.values())[:6] for name in ("robustseg", "kl")]
    assert value.value == pytest.approx(sum(shared[0]) / 6 - sum(shared[1]) / 6, abs=1e-3)
    assert differences.rows[0][2] == spelled(value)


def test_seeds_of_several_protocols(failed):
    found, rows = failed
    results = {(name, run.seed): run for name, entry in found.methods.items() for run in entry.results}
    more = with_protocol(results, "nm", {key: rows[key] for key in (("teacher", 1), ("robustseg", 1))})
    grid = replace(found.comparison, protocols=("emm", "faults", "nm"))
    methods, differences = failure_tables(find(grid, more).failing).values()
    assert [row[1] for row in methods.rows] == ["2, 1", "1", "3, 1"]
    assert methods.rows[1][5:] == (None, None, None)
    assert [row[1] for row in differences.rows] == [ONE_SEED, f"2, {ONE_SEED}"]


def test_cases_are_no_sets_of_sensors(failed):
    """Nothing is said of every sensor or of sensors that are added, where rows are cases."""
    found, rows = failed
    about = json.loads(failure_json(found.failing))["faults"]
    kl = about["methods"]["kl"]
    scores = ("mean", "mean_sd", "worst", "worst_sd", "worst_case")
    assert list(kl) == ["method", "seeds", *scores, "seed_numbers", "cases", "runs"]
    assert kl["seeds"] == 1
    assert kl["cases"] == pytest.approx(rows["kl", 1].scores, abs=1e-3)
    assert kl["worst_case"] == min(kl["cases"], key=kl["cases"].get)
    difference = about["differences"][0]
    assert list(difference["statistics"]) == ["mean", "worst"]
    assert list(difference["cases"]) == list(kl["cases"])
    assert "subsets" not in difference
    assert bool(found.failing["faults"].methods["kl"].overall.harms.isnan().all())


def test_failures_are_written_and_forgotten(tmp_path, failed):
    found, _ = failed
    write_all(found, tmp_path)
    assert "# Differences under other failures" in (tmp_path / "failures.md").read_text()
    assert (tmp_path / "failures.json").is_file()
    assert 'id="other_failures"' in (tmp_path / "report.html").read_text()
    section = next(section for section in found.sections() if section.key == "other_failures")
    assert list(section.grids) == ["failures", "failure_differences"]
    write_all(replace(found, failing={}), tmp_path)
    assert not list(tmp_path.glob("failures.*"))
    assert (tmp_path / "differences.md").is_file()


def test_the_command_lists_what_was_written(tmp_path, failed, capsys):
    found, _ = failed
    (tmp_path / "tiny.yaml").write_text("data: {kind: world}\n")
    text = "name: w\nrecipe: tiny.yaml\nseeds: [1, 2]\nmethods: {teacher: {stage: teacher}}\nprotocols: [emm, faults]\n"
    (tmp_path / "grid.yaml").write_text(text)
    recipe = read_grid(tmp_path / "grid.yaml").methods["teacher"].recipe
    for run in found.methods["teacher"].results:
        path = tmp_path / "results" / "teacher" / f"seed_{run.seed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_result(path, replace(run, recipe=recipe))
    words = ["compare", str(tmp_path / "grid.yaml"), f"--results={tmp_path / 'results'}", "--table"]
    assert main(words) == 0
    assert "subsets.md, failures.md, .json" in " ".join(capsys.readouterr().out.split())
    (tmp_path / "grid.yaml").write_text(text.replace(", faults", ""))
    assert main(words) == 0
    assert "subsets.md, .json" in " ".join(capsys.readouterr().out.split())
