"""The page of evidence is filled from what `robustseg compare` writes, or not at all."""

import json
import math

import pytest

from robustseg.experiments.as_json import difference_json
from robustseg.experiments.bootstrap import Interval
from robustseg.experiments.measured import Compared

PARTS = ("world methods", "world sets teacher, rgb_alone", "world differences", "world runs")


def page_text(*markers: str) -> str:
    parts = (f"<!-- {marker} -->\nold\n<!-- end of {marker} -->\n\nwords after it\n" for marker in markers)
    return "# Evidence\n\nwords\n\n" + "\n".join(parts)


def method(name: str, subsets: dict, **changed) -> dict:
    """A method of table.json."""
    about = {"method": name, "seeds": 2, "sets": len(subsets), "seed_numbers": [1, 2], "subsets": subsets}
    scores = {"mean": 43.049, "mean_sd": 0.674, "all": 60.8, "all_sd": 0.02, "worst": 19.1, "worst_sd": 0.2}
    costs = {"parameters_in_m": 1.068, "gmac": 0.06, "minutes": 50.6, "minutes_alone": 24.4}
    return about | scores | {"worst_set": "event", "harmful": 3} | costs | changed


@pytest.fixture
def results(tmp_path):
    """Two methods of which each has a set that the other lacks, three differences, the runs' own files."""
    stage = tmp_path / "results" / "world"
    nothing = {"all": None, "all_sd": None, "mean_sd": None, "worst_sd": None, "minutes": None}
    table = {
        "rgb_alone": method("rgb_alone", {"rgb": 30.0}, seeds=1, seed_numbers=[1], **nothing),
        "teacher": method("teacher", {"depth": 20.0, "rgb+depth": 60.0}),
    }
    unknown = Interval(math.nan, math.nan, math.nan)
    sure, unsure = Interval(1.5, 0.5, 2.5), Interval(-0.25, -1.0, 0.5)
    found = [
        Compared("teacher", "rgb_alone", 2, {"mean": sure, "all": unknown, "worst": unsure, "harms": unsure}, {}),
        Compared("rgb_alone", "teacher", 1, {"mean": sure, "all": unsure, "worst": unsure, "harms": unsure}, {}),
    ]
    for name, seed, threads in (("teacher", 1, 1), ("teacher", 2, 2), ("rgb_alone", 1, 1)):
        path = stage / name / f"seed_{seed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        made = {"minutes": 20 * seed, "date": f"2026-11-2{seed}", "torch": "2.13.0", "threads": threads}
        path.write_text(json.dumps({"made": made}))
    (stage / "table.json").write_text(json.dumps(table))
    (stage / "differences.json").write_text(difference_json(found))
    return tmp_path / "results"


@pytest.fixture
def evidence_page(script):
    return script("evidence_page")


def test_all_parts_are_filled_and_words_stay(evidence_page, results, tmp_path):
    path = tmp_path / "evidence.md"
    path.write_text(page_text(*PARTS))
    evidence_page.write_page(path, results)
    text = path.read_text()
    assert "| `teacher` | 2 | 43.05 ± 0.67 | 60.80 ± 0.02 | 19.10 ± 0.20 (event) | 3 | 1.07 M | 60.0 | 51 |" in text
    assert "| `rgb_alone` | 1 | 43.05 |  | 19.10 (event) | 3 | 1.07 M | 60.0 |  |" in text
    assert "| `teacher` − `rgb_alone` | 2 | **+1.50 (+0.50 to +2.50)** |  | −0.25 (−1.00 to +0.50) |" in text
    assert "| `rgb_alone` − `teacher` | 1 | +1.50 (+0.50 to +2.50) |" in text
    assert (
        "3 runs, 1.3 hours of training on 1 thread or 2 threads each, 2026-11-21 to 2026-11-22, torch 2.13.0." in text
    )
    assert "old" not in text
    assert text.count("words after it") == len(PARTS)
    assert [line for line in text.splitlines() if line.startswith("<!--")] == [
        f"<!-- {end}{marker} -->" for marker in PARTS for end in ("", "end of ")
    ]
    evidence_page.write_page(path, results)
    assert path.read_text() == text


def test_sets_are_those_of_any_method(evidence_page, results):
    lines = evidence_page.measured_lines(results, "world sets teacher, rgb_alone")
    assert lines[0] == "| set | `teacher` | `rgb_alone` |"
    assert lines[2:] == ["| depth | 20.0 |  |", "| rgb+depth | 60.0 |  |", "| rgb |  | 30.0 |"]


def test_what_sensors_at_fault_cost(evidence_page, results):
    """One of two gravest faults is worse than its sensor switched off; a fault of less severity is not counted."""
    cases = {"fog@rgb:5": 19.9, "fog@rgb:1": 10.0, "noise@depth:5": 50.0, "jump@depth:5": None}
    faults = {"seeds": 2, "mean": 26.63, "worst": 10.0, "worst_case": "fog@rgb:1", "cases": cases}
    noise = {"cases": {"low": 40.0, "mid": 30.04, "high": 20.0}}
    found = {"faults": {"methods": {"teacher": faults}}, "nm": {"methods": {"teacher": noise}}}
    (results / "world" / "failures.json").write_text(json.dumps(found))
    stored = json.loads((results / "world" / "table.json").read_text())
    stored["teacher"]["subsets"]["rgb"] = 45.0
    (results / "world" / "table.json").write_text(json.dumps(stored))
    (row,) = evidence_page.measured_lines(results, "world failures teacher")[2:]
    assert row == "| `teacher` | 2 | 60.8 | 26.6 | 10.0 (fog@rgb:1) | 1 of 2 | 40.0 | 30.0 | 20.0 |"


def test_a_choice_is_shown_alone_and_in_its_order(evidence_page, results):
    lines = evidence_page.measured_lines(results, "world methods teacher, rgb_alone")
    assert [line.split("`")[1] for line in lines[2:]] == ["teacher", "rgb_alone"]
    lines = evidence_page.measured_lines(results, "world differences rgb_alone-teacher")
    assert [line[:27] for line in lines[2:]] == ["| `rgb_alone` − `teacher` |"]
    assert "on 1 thread each, 2026-11-21, torch" in evidence_page.measured_lines(results, "world runs rgb_alone")[0]


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("world methods teacher, kl", "no method 'kl'; there are rgb_alone, teacher"),
        ("world sets teacher rgb_alone", "no method 'teacher rgb_alone'; there are rgb_alone, teacher"),
        ("world runs kl", "no method 'kl'"),
        ("world differences teacher-kl", "no difference 'teacher-kl'; there are teacher-rgb_alone, rgb_alone-teacher"),
        ("world method", "no kind 'method'; there are methods, sets, differences, failures, runs"),
        ("world", "no kind ''; there are methods"),
        ("wrold methods", "no stage 'wrold'; there are world"),
    ],
)
def test_what_is_not_known(evidence_page, results, tmp_path, marker, said):
    """The message names the marker, and the page stays as it was, its other parts too."""
    path = tmp_path / "evidence.md"
    text = page_text("world methods", marker)
    path.write_text(text)
    with pytest.raises(ValueError, match=f"<!-- {marker} -->: {said}"):
        evidence_page.write_page(path, results)
    assert path.read_text() == text


def test_an_end_that_is_missing(evidence_page, results, tmp_path):
    path = tmp_path / "evidence.md"
    twice = page_text("world runs", "world runs").replace("<!-- end of world runs -->", "", 1)
    for text in (page_text("world sets", "world runs").replace("<!-- end of world sets -->", ""), twice):
        path.write_text(text)
        with pytest.raises(ValueError, match="--> has no line <!-- end of world"):
            evidence_page.write_page(path, results)
        assert path.read_text() == text


def test_a_page_that_is_missing(evidence_page, results, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no .*evidence\.md: write it first"):
        evidence_page.write_page(tmp_path / "evidence.md", results)


def test_the_pages_are_what_the_results_say(evidence_page):
    for page in evidence_page.PAGES:
        text = page.read_text(encoding="utf-8")
        assert evidence_page.filled(text, evidence_page.RESULTS) == text, "run python benchmarks/evidence_page.py"
