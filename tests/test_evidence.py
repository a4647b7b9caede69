"""What docs/experiments.md tells is what the runs found; the files of the comparisons can be read."""

import json
import re
from pathlib import Path

import pytest

from robustseg.experiments.check import check_methods
from robustseg.experiments.grid import read_grid

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "evidence"
ROW = re.compile(r"^\| `(\w+)` \|.*?\| ([0-9.]+|-) \| ([0-9.]+) \| ([0-9.]+) \| ([0-9.]+) \|$", re.MULTILINE)
STAGES = {"The stage": "world", "Floods as four modalities": "ombria_four"}  # of docs/experiments.md, and their results


@pytest.mark.parametrize(
    "grid", sorted((ROOT / "recipes" / "evidence").glob("*_grid.yaml")), ids=lambda path: path.stem
)
def test_grids_are_read(grid):
    comparison = read_grid(grid)
    assert len(comparison.methods) > 1
    assert comparison.differences
    if grid.stem.startswith("world"):  # the others' data are not here
        check_methods(comparison, comparison.with_needs(list(comparison.methods)))


@pytest.mark.parametrize(("heading", "stage"), STAGES.items())
def test_what_was_tried_is_told_as_it_was_measured(heading, stage):
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    told = ROW.findall(page.split(f"\n## {heading}\n")[1].split("\n## ")[0])
    assert len(told) > 3
    for method, selected, *scores in told:
        result = json.loads((RESULTS / stage / method / "seed_1.json").read_text(encoding="utf-8"))
        found, chosen = result["protocols"]["emm"], dict(map(tuple, result["selection"]["scores"]))
        assert scores == [f"{found[key]:.2f}" for key in ("mean", "all", "worst")], method
        assert selected in ("-", f"{chosen[result['selection']['epoch']]:.2f}"), method


def test_every_row_of_what_was_tried_is_in_a_section_that_is_checked():
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    unchecked = [part for part in page.split("\n## ") if part.split("\n")[0] not in STAGES]
    assert not [row for part in unchecked for row in ROW.findall(part)]
