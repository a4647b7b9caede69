"""The tables in README and docs are those that the benchmarks wrote."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def first_table(text: str) -> str:
    lines = text.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("|"))
    end = next((place for place in range(start, len(lines)) if not lines[place].startswith("|")), len(lines))
    return "\n".join(lines[start:end])


@pytest.mark.parametrize(("name", "page"), [("demo", "README"), ("world", "README"), ("ombria", "docs/measured")])
def test_tables_are_the_measured_ones(name, page):
    measured = (ROOT / "benchmarks" / "results" / f"{name}.md").read_text(encoding="utf-8")
    assert first_table(measured) in (ROOT / f"{page}.md").read_text(encoding="utf-8")
