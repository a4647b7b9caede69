"""Curves as they are kept, tabulated and drawn."""

import json

import pytest


@pytest.fixture
def curves(script):
    return script("speed_curves")


@pytest.fixture
def rows(curves):
    known = {"date": "2026-01-01", "processor": "P", "torch": "2", "clock": "wall"}
    opponent = {
        curves.row_name("side", label, 2): {"seconds": {"opponent": [4.0, 6.0, 5.0]}} for label in ("256", "512")
    }
    found = {
        curves.row_name("side", label, 2): {"seconds": {"ours": [1.0, 0.5, 0.9]}} for label in ("256", "512", "2048")
    }
    for name, row in opponent.items():
        found[name]["seconds"] |= row["seconds"]
    return {name: row | known for name, row in found.items()}


def test_the_table_has_what_was_measured(curves, rows):
    lines = curves.table(rows, "side", 2)
    assert lines[0].endswith("| 256 | 512 | 2048 |")
    assert lines[2:5] == [
        "| opponent, s | 5.00 | 5.00 |  |",
        "| ours, s | 0.900 | 0.900 | 0.900 |",
        "| ratio | 5.6x | 5.6x |  |",
    ]
    assert curves.table(rows, "batch", 2) == []
    assert curves.table(rows, "side", 1) == []


def test_both_sides_are_measured_where_the_opponent_has_the_memory(curves, script):
    case = script("sides").Case("mit_nano", 16, (64, 64), modalities=3)
    clock = script("timing").CLOCKS["cpu"]
    found = curves.measure(curves.Point("x", case, 2), clock)["seconds"]
    assert {name: len(seconds) for name, seconds in found.items()} == {"opponent": 3, "ours": 3}
    assert [point.label for point in curves.CURVES["side"] if not point.opponent] == ["1536", "2048"]


def test_an_interrupted_script_goes_on_to_picture_and_page(curves, rows, tmp_path, monkeypatch, capsys):
    (tmp_path / "curves.json").write_text(json.dumps(rows))
    monkeypatch.setitem(
        curves.CURVES, "side", tuple(p for p in curves.CURVES["side"] if p.label in ("256", "512", "2048"))
    )
    monkeypatch.setattr(curves, "measure", lambda *_: pytest.fail("measured again"))
    words = [
        "speed_curves.py",
        "--only",
        "side",
        "--out",
        str(tmp_path / "curves.json"),
        "--page",
        str(tmp_path / "p.md"),
    ]
    monkeypatch.setattr("sys.argv", words)
    curves.main()
    assert "| ratio | 5.6x | 5.6x |  |" in (tmp_path / "p.md").read_text()
    assert (tmp_path / "speed_curves.png").stat().st_size > 10_000
