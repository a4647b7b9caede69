"""The tables that an evaluation prints: for one model its own, for two the second beside the first."""

from __future__ import annotations

from collections.abc import Mapping

from robustseg.report import tables
from robustseg.report.tables import Grid
from robustseg.robustness import Evaluation

Study = Mapping[str, Evaluation]
"""Protocol -> what it found."""


def study_tables(studies: Mapping[str, Study]) -> list[Grid]:
    """All tables of the last model, those of the clean subsets first; what two models share is a comparison."""
    *_, last = studies.values()
    grids: list[Grid] = []
    for protocol, found in last.items():
        both = {name: study[protocol] for name, study in studies.items()}
        if len(both) > 1:
            grids.append(tables.comparison_table(both))
        elif protocol == "emm":
            grids += [tables.subset_table(found), tables.class_table(found)]
        else:
            grids.append(tables.state_table(found))
        if protocol == "emm":
            grids += [tables.condition_table(found), tables.worth_table(found)]
    return [grid for grid in grids if grid.rows]
