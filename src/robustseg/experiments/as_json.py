"""A comparison's tables as JSON: four decimals, null for what is unknown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from robustseg.experiments.cells import method_row, minutes_alone, score_cells
from robustseg.experiments.measured import Compared, Failing, Measured


def method_json(methods: Mapping[str, Measured]) -> str:
    """Everything that `method_table` and `subset_table` hold, by name; minutes_alone: without what a method needs."""
    return _json({name: _about(entry, methods) for name, entry in methods.items()})


def difference_json(found: Sequence[Compared]) -> str:
    """Everything that the tables of differences hold; null = unknown."""
    return _json([asdict(entry) for entry in found])


def failure_json(failing: Mapping[str, Failing]) -> str:
    """What `failure_tables` hold, by protocol, with every case."""
    return _json(
        {
            protocol: {
                "methods": {name: _about_cases(measured) for name, measured in entry.methods.items()},
                "differences": [_cases_less(found) for found in entry.differences],
            }
            for protocol, entry in failing.items()
        }
    )


def _about(entry: Measured, methods: Mapping[str, Measured]) -> dict[str, Any]:
    return (
        method_row(entry, methods)
        | {"minutes_alone": minutes_alone(entry), "seed_numbers": entry.seeds}
        | _every_row(entry, "subsets")
    )


def _about_cases(entry: Measured) -> dict[str, Any]:
    """What a protocol other than emm tells of a method; what it costs stands beside emm."""
    cells = score_cells(entry)
    worst = {"worst_case": cells.pop("worst_set")}
    head = {"method": entry.name, "seeds": len(entry.results)}
    return head | cells | worst | {"seed_numbers": entry.seeds} | _every_row(entry, "cases")


def _every_row(entry: Measured, rows: str) -> dict[str, Any]:
    scores = dict(zip(entry.subsets, entry.overall.subsets[0].tolist(), strict=True))
    runs = {result.seed: dict(result.protocols[entry.protocol].scores) for result in entry.results}
    return {rows: scores, "runs": runs}


def _cases_less(found: Compared) -> dict[str, Any]:
    about = asdict(found)
    return about | {"cases": about.pop("subsets")}


def _json(value: Any) -> str:
    return json.dumps(_rounded(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _rounded(value: Any) -> Any:
    """Plain values with four decimals, None for what is no number."""
    match value:
        case dict():
            return {key: _rounded(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_rounded(entry) for entry in value]
        case float():
            return round(value, 4) if math.isfinite(value) else None
        case _:
            return value
