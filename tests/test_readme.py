"""The tables in README and docs are those that the benchmarks wrote."""

import json
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def first_table(text: str) -> str:
    lines = text.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("|"))
    end = next((place for place in range(start, len(lines)) if not lines[place].startswith("|")), len(lines))
    return "\n".join(lines[start:end])


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("demo", "README"),
        ("world", "README"),
        ("world_robustseg", "docs/measured"),
        ("ombria_robustseg", "docs/measured"),
        ("explorer", "docs/explorer"),
    ],
)
def test_tables_are_the_measured_ones(name, page):
    measured = (ROOT / "benchmarks" / "results" / f"{name}.md").read_text(encoding="utf-8")
    assert first_table(measured) in (ROOT / f"{page}.md").read_text(encoding="utf-8")


def test_speed_is_the_measured_one():
    rows = json.loads((ROOT / "benchmarks" / "results" / "as_released.json").read_text(encoding="utf-8"))
    told = (ROOT / "README.md").read_text(encoding="utf-8")
    pairs = {
        "inference 1024x1024": [("opponent, 4", "ours, 4"), ("opponent, 1", "ours, 1")],
        "all 15 subsets 512x512": [("opponent", "ours")],
        "all 15 subsets 1024x1024": [("opponent", "ours")],
        "student step 512x512, batch 2": [("opponent", "ours")],
    }
    for work, sides in pairs.items():
        values = rows[f"{work} | 2 threads"]["values"]
        for theirs, mine in sides:
            ratio = statistics.median(a / b for a, b in zip(values[theirs], values[mine], strict=True))
            seconds = f"{statistics.median(values[theirs]):.1f} s | {statistics.median(values[mine]):.2f} s"
            assert f"| {seconds} | {ratio:.1f}x |" in told, work


def test_health_is_the_measured_one():
    measured = json.loads((ROOT / "benchmarks" / "results" / "health.json").read_text(encoding="utf-8"))
    told = (ROOT / "README.md").read_text(encoding="utf-8")
    names = {
        "blackout": "blackout",
        "frozen_frame": "frozen",
        "noise": "noise",
        "lens_dirt": "dirt on the lens",
        "drift": "mounting turned",
        "overexposure": "too much light",
    }
    for fault, name in names.items():
        rows = [row for row in measured["seen"] if row["fault"] == fault and row["severity"] == 5]
        noticed, left_out = (100 * statistics.mean(row[key] for row in rows) for key in ("noticed", "left_out"))
        regained = {row["sensor"]: row["watched"] - row["trusted"] for row in rows}
        cells = f"{noticed:.0f} | {left_out:.0f} | {statistics.mean(regained.values()):+.2f} | {regained['rgb']:+.2f}"
        assert f"| {name} | {cells} |" in told, fault
    assert min(row["watched"] - row["trusted"] for row in measured["seen"]) > -0.355
    assert sum(entry["left_out"] for entry in measured["alarms"]) == 2
    page = (ROOT / "docs" / "health.md").read_text(encoding="utf-8")
    assert first_table((ROOT / "benchmarks" / "results" / "health.md").read_text(encoding="utf-8")) in page
