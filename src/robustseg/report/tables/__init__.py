"""Tables of evaluations: first as plain grids of text and numbers, then for terminals, Markdown, LaTeX, CSV, JSON."""

from robustseg.report.tables.faults import fault_table
from robustseg.report.tables.grid import Cell, Grid
from robustseg.report.tables.published import (
    field_table,
    published_full_table,
    published_protocol_table,
    published_table,
)
from robustseg.report.tables.scores import (
    class_table,
    comparison_table,
    condition_table,
    sensor_table,
    subset_table,
)
from robustseg.report.tables.states import state_table
from robustseg.report.tables.summaries import expectation_table, protocol_table
from robustseg.report.tables.worth import (
    gain_table,
    harm_table,
    worth_class_table,
    worth_condition_table,
    worth_table,
)
from robustseg.report.tables.writers import comma_separated, json_text, latex, markdown, terminal, write_grid

__all__ = [
    "Cell",
    "Grid",
    "class_table",
    "comma_separated",
    "comparison_table",
    "condition_table",
    "expectation_table",
    "fault_table",
    "field_table",
    "gain_table",
    "harm_table",
    "json_text",
    "latex",
    "markdown",
    "protocol_table",
    "published_full_table",
    "published_protocol_table",
    "published_table",
    "sensor_table",
    "state_table",
    "subset_table",
    "terminal",
    "worth_class_table",
    "worth_condition_table",
    "worth_table",
    "write_grid",
]
