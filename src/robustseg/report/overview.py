"""The tables that an evaluation prints: for one model its own, for two the second beside the first."""

from __future__ import annotations

from collections.abc import Mapping

from robustseg.report import tables
from robustseg.report.tables import Grid
from robustseg.robustness import Evaluation
from robustseg.robustness.nothing import unknown_worth
from robustseg.robustness.worth import knows_worth

Study = Mapping[str, Evaluation]
"""Protocol -> what it found."""


def study_tables(studies: Mapping[str, Study]) -> list[Grid]:
    """All tables of the last model; where two models share a protocol of few rows, a comparison instead."""
    *_, last = studies.values()
    grids: list[Grid] = []
    for protocol, found in last.items():
        both = {name: study[protocol] for name, study in studies.items()}
        if protocol == "faults":
            grids.append(tables.fault_table(found, last.get("emm")))
        elif len(both) > 1:
            grids.append(tables.comparison_table(both))
        elif protocol == "emm":
            grids += [tables.subset_table(found), tables.class_table(found)]
        else:
            grids.append(tables.state_table(found))
        if protocol == "emm":
            grids.append(tables.condition_table(found))
            grids += [tables.worth_table(found)] if knows_worth(found) else [_unknown_worth(found)]
    if len(last) > 1:
        grids.append(tables.protocol_table(last))
    return [grid for grid in grids if grid.rows]


def _unknown_worth(evaluation: Evaluation) -> Grid:
    return Grid(
        title="what each sensor is worth",
        head=("sensor", "points"),
        rows=(("unknown", None),),
        caption=unknown_worth(evaluation),
    )
