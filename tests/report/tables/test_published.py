from dataclasses import replace

import pytest
import torch

from robustseg.report.beside import RunFacts
from robustseg.report.tables import (
    field_table,
    latex,
    markdown,
    published_full_table,
    published_protocol_table,
    published_table,
)

DELIVER = ("R", "D", "E", "L", "RD", "RE", "RL", "DE", "DL", "EL", "RDE", "RDL", "REL", "DEL", "RDEL")
FACTS = RunFacts("deliver", "mit_b0", "val", "RDEL", "removed", "1024x1024", "published", "reported", pretrained=True)


@pytest.fixture
def found(made):
    return made(("lidar", "rgb", "depth", "event"))


def test_the_fields_columns_as_markdown_and_latex(found):
    grid = field_table({"student": found, "teacher": replace(found, note="selected on val")}, "deliver")
    assert grid.head == ("model", *DELIVER, "mean")
    own = dict(zip(found.names, found.miou().tolist(), strict=True))
    cells = dict(zip(grid.head, grid.rows[0], strict=True))
    assert cells["RE"] == own["rgb+event"]
    assert cells["RDEL"] == own["lidar+rgb+depth+event"]
    assert cells["mean"] == pytest.approx(found.mean())
    assert "teacher: selected on val." in grid.caption
    assert markdown(grid).splitlines()[0] == "| model | " + " | ".join(DELIVER) + " | mean |"
    assert "model & " + " & ".join(DELIVER) + r" & mean \\" in latex(grid)
    assert field_table({"student": found}).head[1:5] == ("L", "R", "D", "E")
    with pytest.raises(ValueError, match="other was evaluated on other subsets than student"):
        field_table({"student": found, "other": replace(found, subsets=found.subsets.flip(0))})


def test_rows_that_are_no_subsets_are_refused(found):
    twice = replace(found, subsets=torch.ones_like(found.subsets), protocol="nm")
    for dataset in ("deliver", ""):
        with pytest.raises(ValueError, match="protocol 'nm' are no subsets of sensors"):
            field_table({"student": twice}, dataset)


def test_own_rows_stand_above_marked_published_ones(found):
    grid = published_table({"teacher": found, "student": found}, FACTS)
    assert grid.head[4:-2] == (*DELIVER, "mean")
    assert [row[0] for row in grid.rows[:2]] == ["teacher", "student"]
    assert grid.rows[0][-2] == "this run"
    rows = {(row[0], row[3]): dict(zip(grid.head, row, strict=True)) for row in grid.rows[2:]}
    anyseg = rows["AnySeg", "removed"]
    assert (anyseg["EL"], anyseg["mean"], anyseg["differs in"]) == (21.47, 46.64, "nothing known")
    assert rows["Any2Seg", "removed"]["differs in"] == "backbone mit_b2"
    assert rows["CMNeXt", "one model per set"]["E"] is None
    assert "DEL and RDEL look swapped" in grid.caption
    strict = published_table({"student": found}, replace(FACTS, conventions="strict"))
    assert all("conventions" in row[-2] for row in strict.rows[1:])


def test_a_mean_over_other_subsets_is_not_shown(made):
    three = made(("rgb", "depth", "lidar"))
    grid = published_table({"student": three}, replace(FACTS, sensors="RDL"))
    cells = dict(zip(grid.head, grid.rows[0], strict=True))
    assert cells["RL"] == three.miou()[4].item()
    assert (cells["E"], cells["mean"]) == (None, None)


def test_all_sensors(found):
    grid = published_full_table({"student": found}, replace(FACTS, regime="zero-fill"))
    rows = [dict(zip(grid.head, row, strict=True)) for row in grid.rows]
    assert rows[0]["mIoU"] == found.full()
    assert not any("missing" in row["differs in"] or "per set" in row["differs in"] for row in rows)
    test = [row for row in rows if row["split"] == "test"]
    assert test
    assert all("test split" in row["differs in"] for row in test)


def test_protocols_are_compared_with_zero_fill_only(found):
    facts = replace(FACTS, backbone="mit_b2")
    grid = published_protocol_table({"emm": found, "faults": replace(found, protocol="faults")}, facts)
    assert grid.rows[0][3:-2] == (None,) * 19
    zero = replace(found, protocol="emm_zero")
    grid = published_protocol_table({"emm": found, "emm_zero": zero, "rmm_0.5": zero}, facts)
    own = grid.rows[0]
    assert own[3] == pytest.approx(zero.mean())
    assert own[11] == own[3]  # RMM 0.5 Avg, of the same counts
    magic = next(row for row in grid.rows if row[0] == "MAGIC")
    assert magic[3:7] == (44.97, 58.66, 62.68, 64.47)
    assert magic[-5:-2] == (24.03, 13.31, 3.98)
    assert magic[-2] == "nothing known"
    filled = published_protocol_table({"emm": replace(found, absence="zero")}, facts)
    assert filled.rows[0][3] == pytest.approx(found.mean())
