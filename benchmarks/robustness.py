"""What breaks a run's models: the published protocols, what each sensor is worth, faults by severity.

    robustseg evaluate RUN/student --against RUN/teacher --protocols all --processes 2
    python benchmarks/robustness.py RUN --out benchmarks/results/world_robustness.md

Reads what the first command has stored and writes its tables.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import torch

from robustseg.files import write_text
from robustseg.report.tables import (
    Grid,
    expectation_table,
    fault_table,
    markdown,
    protocol_table,
    worth_table,
)
from robustseg.robustness import Evaluation, load_study, stored_evaluation
from robustseg.robustness.expectation import parse_failures


def main() -> None:
    """Writes the tables of a run."""
    parser = argparse.ArgumentParser(description="What breaks the models of a run.")
    parser.add_argument("run", type=Path, help="a run's folder, with teacher/ and student/")
    parser.add_argument("--failure", default="", help="as of robustseg expect")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    studies = {name: load_study(stored_evaluation(arguments.run / name)) for name in ("teacher", "student")}
    failure = f" --failure {arguments.failure}" if arguments.failure else ""
    student = studies["student"]
    grids = [*(protocol_table(study) for study in studies.values()), worth_table(student["emm"])]
    grids.append(fault_table(student["faults"], student["emm"]))
    if arguments.failure:
        grids.append(expectation_table(student["emm"], parse_failures(arguments.failure), most=5))
    commands = (
        "`robustseg evaluate RUN/student --against RUN/teacher --protocols all`, then "
        f"`python benchmarks/robustness.py RUN{failure}`"
    )
    head = f"{commands}, {date.today()}, torch {torch.__version__.partition('+')[0]}; {_size(student)}.\n"
    write_text(arguments.out, head + "".join(f"\n### {_title(grid)}\n\n{markdown(grid)}" for grid in grids))
    print(arguments.out)


def _size(study: dict[str, Evaluation]) -> str:
    rows = sum(len(found.subsets) for found in study.values())
    frames = len(study["emm"].frames)
    return f"{frames} frames, {rows} rows of {len(study)} protocols"


def _title(grid: Grid) -> str:
    return grid.title[:1].upper() + grid.title[1:]


if __name__ == "__main__":
    main()
