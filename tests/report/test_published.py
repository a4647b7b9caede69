import json

import pytest

from robustseg.failures import all_subsets
from robustseg.report.published import ROWS_FILE, PublishedRow, PublishedRows, field_order, published_rows
from robustseg.robustness.protocols import failure_weights
from robustseg.strict import from_plain, read_json

DELIVER = ["R", "D", "E", "L", "RD", "RE", "RL", "DE", "DL", "EL", "RDE", "RDL", "REL", "DEL", "RDEL"]


def rows(dataset: str, complete: bool = False) -> list[PublishedRow]:
    found = [row for row in published_rows() if row.dataset == dataset]
    return (
        [row for row in found if row.subsets and len(row.subsets) == 2 ** len(row.sensors) - 1] if complete else found
    )


def test_subsets_stand_in_the_fields_order():
    assert list(field_order("RDEL")) == DELIVER
    assert list(field_order("FEL")) == ["F", "E", "L", "FE", "FL", "EL", "FEL"]
    assert field_order("") == ()


def test_complete_rows_have_their_printed_mean():
    found = {(row.dataset, row.method): row for name in ("deliver", "muses") for row in rows(name, complete=True)}
    assert len(found) == 13
    for (_, method), row in found.items():
        recomputed = sum(row.subsets.values()) / len(row.subsets)
        if method == "FunEntropy":
            assert recomputed == pytest.approx({"deliver": 48.03, "muses": 46.32}[row.dataset], abs=0.006)
            assert f"{recomputed:.2f}" in row.note
        else:
            assert recomputed == pytest.approx(row.mean, abs=0.011), row
        assert row.full == row.subsets[row.sensors]


@pytest.mark.parametrize(
    ("dataset", "method", "regime", "letters", "score"),
    [
        ("deliver", "AnySeg", "removed", "EL", 21.47),
        ("deliver", "MAGIC++", "removed", "DL", 53.18),
        ("muses", "AnySeg", "removed", "EL", 35.21),
        ("muses", "CMX", "removed", "FL", 41.25),
        ("deliver", "CMNeXt", "one model per set", "RDL", 65.50),
        ("mcubes", "MMSFormer", "one model per set", "RAD", 52.03),
    ],
)
def test_numbers_are_those_of_the_tables(dataset: str, method: str, regime: str, letters: str, score: float):
    (row,) = [row for row in rows(dataset) if row.method == method and row.regime == regime and letters in row.subsets]
    assert row.subsets[letters] == score


def test_zero_filled_expectations_are_near_the_full_score():
    """A published E lies between the average and the full score, near what the full set's weight allows."""
    found = [row for row in rows("deliver") if "emm_zero expected 0.05" in row.protocols]
    assert len(found) == 5
    for row in found:
        scores = row.protocols
        weight = failure_weights(all_subsets(4), 0.05)[-1].item()
        assert weight * row.full < scores["emm_zero expected 0.05"] < row.full
        order = [scores[f"emm_zero {what}"] for what in ("average", "expected 0.2", "expected 0.1", "expected 0.05")]
        assert order == sorted(order)
        assert len(scores) == 4 + 3 * 4 + 3


def test_rows_say_where_they_are_from_and_what_is_odd():
    assert all(row.source and row.grade for row in published_rows())
    notes = {(row.method, row.regime): row.note for row in rows("deliver")}
    assert "swapped" in notes["CMNeXt", "removed"]
    assert "60.37, likely a misprint" in notes["MAGIC", "zero-fill"]
    assert {row.split for row in rows("mcubes")} == {"test"}
    assert {row.split for row in rows("deliver")} == {"val", "test"}


def test_the_file_is_read_strictly(tmp_path):
    about = json.loads(ROWS_FILE.read_text())
    assert from_plain(about, PublishedRows).rows == published_rows()
    for change, said in (
        ({"regime": "dropped"}, r"rows\[0\]\.regime must be one of"),
        ({"means": 3}, "unknown key 'means'"),
        ({"subsets": {"X": 3.0}}, "'X' is no subset of 'RDEL'"),
        ({"full": 123.0}, "scores in percent"),
    ):
        (tmp_path / "rows.json").write_text(json.dumps({"rows": [about["rows"][0] | change]}))
        with pytest.raises(ValueError, match=said):
            read_json(tmp_path / "rows.json", PublishedRows)
