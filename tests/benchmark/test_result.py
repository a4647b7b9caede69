import csv
import io
import json

import pytest

from robustseg.benchmark.tables import model_lines, parts_table, sets_table, spread_sheet, switched_off_table
from robustseg.report.tables.writers import comma_separated


def test_what_a_missing_sensor_saves(measured):
    found = measured("rgb", "depth", "event", "lidar")
    row = found.without()["lidar"]
    assert row.sensors.name == "rgb+depth+event"
    assert found.time_saved(row) == pytest.approx(100 * 10 / 50)
    assert found.gmac_saved(row) == pytest.approx(100 * 1 / 6)
    assert found.time_saved(found.full) == 0
    assert found.frames_per_second(found.full) == pytest.approx(2 / 0.050)


def test_one_sensor_has_nothing_to_switch_off(measured):
    assert measured("rgb").without() == {}


def test_json_holds_all_of_it(measured):
    about = json.loads(measured("rgb", "lidar").json())
    assert about["sets"][-1] == {
        "name": "rgb+lidar",
        "sensors": ["rgb", "lidar"],
        "modalities": "rgb+lidar",
        "milliseconds": {"median": 30.0, "p95": 30.0, "least": 30.0, "runs": [30.0] * 4},
        "frames_per_second": pytest.approx(66.667),
        "gmac": 4.0,
        "time_saved": 0.0,
        "gmac_saved": 0.0,
        "miou": 40.0,
    }
    assert about["parts"]["encode one modality"]["median"] == 10.0
    assert (about["size"], about["batch"], about["threads"], about["precision"]) == ([64, 96], 2, 1, "fp32")
    assert about["memory_mb"] == {"peak": 300.0, "predicting": 20.0, "how": "somehow"}


def test_csv_has_a_row_for_each_set(measured):
    rows = list(csv.DictReader(io.StringIO(comma_separated(spread_sheet(measured("rgb", "lidar"))))))
    assert [row["sensors"] for row in rows] == ["rgb", "lidar", "rgb+lidar"]
    assert float(rows[0]["time_saved_percent"]) == pytest.approx(100 / 3, abs=1e-3)


def test_tables_without_an_evaluation_have_no_empty_column(measured):
    with_scores, without = measured("rgb", "lidar"), measured("rgb", "lidar", split="")
    for table, last in ((sets_table, "mIoU"), (switched_off_table, "mIoU points")):
        assert table(with_scores).head == (*table(without).head, last)
    assert switched_off_table(without).rows[0] == ("nothing", 30.0, None, None)
    assert switched_off_table(with_scores).rows[1] == ("rgb", 20.0, pytest.approx(100 / 3), 25.0, -20.0)
    assert parts_table(without).rows == (("encode one modality", 10.0, pytest.approx(10.9)),)
    assert "300 MB, 20 MB" in "\n".join(model_lines(without))


def test_files_of_other_settings_lie_beside_it(measured):
    assert measured("rgb").stem == "64x96_batch2_fp32_1thread"
