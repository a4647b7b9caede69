"""Methods compared: a grid of methods and seeds, trained, scored, laid side by side."""

from __future__ import annotations

from pathlib import Path

from robustseg.commands.shared import console, names
from robustseg.files import make_writable


def compare(
    grid: Path,
    *,
    out: Path | None = None,
    results: Path | None = None,
    root: str = "",
    processes: int = 2,
    only: str = "",
    seeds: str = "",
    redo: str = "",
    table: bool = False,
    show: str = "",
) -> None:
    """Train methods with several seeds, score them, and lay them side by side with intervals, from one short file.

    The file names a recipe, and for each method what is special about it:

        name: world
        recipe: world_small.yaml                 # below the file's own folder
        seeds: [1, 2, 3]
        protocols: [emm, faults]                 # emm: every set of sensors; others as robustseg evaluate has them
        methods:                                 # name: what is special about it
          teacher: {stage: teacher}              # trained on complete sensors
          dropout: {set: {distill.logit_kl: 0, distill.hpdm: 0, distill.rrm: 0}}
          kl: {like: dropout, set: {distill.logit_kl: 10}}
          longer: {like: kl, seeds: [1], start: kl, set: {student.epochs: 80}}
          alone: {like: dropout, teacher: none}  # one stage, from labels alone
        differences: [[kl, dropout]]             # rows "kl minus dropout"
        floors: {rgb: rgb_alone}                 # modality -> method that has it alone

    `like` takes all fields of another method, `set` changes keys of the recipe one by one. A student learns from the
    method `teacher` names, by default the one called teacher, and starts from its weights, or from those of the method
    `start` names, or from scratch; with teacher: none, from labels alone.

    Every run leaves one small JSON below the folder of the results, which holds its counts: all tables, intervals
    and plots are made from these files alone. Runs whose result is there are skipped. Stopped in any way, the same
    command goes on where it was, and two of them share the work.

    Args:
        grid: The file.
        out: Where runs go, with a log file each, OUT/METHOD/seed_K.log; by default runs/NAME.
        results: Where the results and the tables go; by default OUT/results.
        root: The data folder, if it is not the recipe's.
        processes: So many runs at a time; they share the processor's cores.
        only: Some methods, as in kl,dropout, and what they need; by default all.
        seeds: Some seeds, as in 1,2; by default all.
        redo: Methods whose results are thrown away, with those of all that need them, because the file has changed.
            Weights that agree with the recipe stay.
        table: Train nothing; tables and plots from the results that there are.
        show: The page is the whole report of this method's first run, with the comparison in it; needs its weights and
            the data. By default it is of the results alone.
    """
    from robustseg.experiments.compare import Wish, run_comparison, write_tables
    from robustseg.experiments.grid import read_grid
    from robustseg.experiments.job import Places
    from robustseg.experiments.outputs import FAILURES
    from robustseg.report.tables import terminal

    comparison = read_grid(grid)
    runs = out or Path("runs") / comparison.name
    places = Places(runs, results or runs / "results", root)
    wish = Wish(tuple(names(only) or ()), _numbers(seeds), tuple(names(redo) or ()))
    if not table:
        for folder in (places.out, places.results):
            make_writable(folder)
        run_comparison(comparison, wish, places, processes=processes, say=console.print)
    console.print(terminal(write_tables(comparison, places, show=show), decimals=2))
    failures = f" {FAILURES}," if (places.results / FAILURES).is_file() else ""
    console.print(f"{places.results}: table.md, differences.md, subsets.md,{failures} .json, .png, report.html")


def _numbers(text: str) -> tuple[int, ...]:
    words = names(text) or []
    if wrong := [word for word in words if not word.isdecimal()]:
        raise ValueError(f"--seeds needs numbers, as in 1,2,3, got {wrong[0]!r}")
    return tuple(map(int, words))
