"""What was measured, as tables."""

from __future__ import annotations

from robustseg.benchmark.result import Benchmark
from robustseg.report.tables import Grid


def sets_table(found: Benchmark) -> Grid:
    """A row for each set of sensors."""
    unit, scale = ("GMAC", 1.0) if found.full.gmac >= 10 else ("MMAC", 1000.0)
    head = ("sensors", "ms", "95 % ms", "frames/s", unit, "time saved %", "mIoU")
    rows = tuple(
        (
            row.sensors.name,
            row.times.median,
            row.times.slow,
            found.frames_per_second(row),
            scale * row.gmac,
            found.time_saved(row),
            row.miou,
        )
        for row in found.rows
    )
    caption = f"{where(found)}; median of {found.settings.runs} runs; {_scored(found)}"
    return _without_last(Grid(f"{found.model}: every set of sensors", head, rows, caption=caption), bool(found.split))


def switched_off_table(found: Benchmark) -> Grid:
    """What each sensor's absence saves and costs, below what nothing's absence takes."""
    head = ("off", "ms", "time saved %", "operations saved %", "mIoU points")
    nothing = ("nothing", found.full.times.median, None, None, None)
    rows = tuple(
        (name, row.times.median, found.time_saved(row), found.gmac_saved(row), _difference(row.miou, found.full.miou))
        for name, row in found.without().items()
    )
    caption = f"{where(found)}; median of {found.settings.runs} runs"
    grid = Grid("one sensor off", head, (nothing, *rows), signed=frozenset({4}), caption=caption)
    return _without_last(grid, bool(found.split))


def parts_table(found: Benchmark) -> Grid:
    """Where the time goes."""
    rows = tuple((name, times.median, times.slow) for name, times in found.parts.items())
    return Grid("parts", ("part", "ms", "95 % ms"), rows, caption=f"Memory: {found.memory.how}.")


def model_lines(found: Benchmark) -> list[str]:
    """The model and its memory in plain words."""
    lines = [
        f"{found.model}: {found.backbone}, width {found.width}, {found.parameters / 1e6:.2f} million parameters",
        where(found),
    ]
    if found.memory.peak is None or found.memory.predicting is None:
        return [*lines, f"peak memory {found.memory.how}"]
    return [*lines, f"peak memory {found.memory.peak:.0f} MB, {found.memory.predicting:.0f} MB of it for predicting"]


def spread_sheet(found: Benchmark) -> Grid:
    """What the CSV holds."""
    head = (
        *("sensors", "modalities", "median_ms", "p95_ms", "frames_per_second"),
        *("gmac", "time_saved_percent", "gmac_saved_percent", "miou"),
    )
    rows = tuple(
        (
            row.sensors.name,
            row.sensors.modalities,
            row.times.median,
            row.times.slow,
            found.frames_per_second(row),
            row.gmac,
            found.time_saved(row),
            found.gmac_saved(row),
            row.miou,
        )
        for row in found.rows
    )
    return Grid("", head, rows)


def where(found: Benchmark) -> str:
    """What was measured where, in a line."""
    height, width = found.settings.size
    threads = f"{found.machine.threads} thread{'s' * (found.machine.threads > 1)}"
    return (
        f"{height}x{width}, batch {found.settings.batch}, {found.settings.precision}; {found.machine.processor}, "
        f"{threads}, torch {found.machine.torch}, {found.machine.date}"
    )


def _scored(found: Benchmark) -> str:
    if not found.split:
        return "not evaluated"
    return f"mIoU on {found.split}, frames at their own size" + (f" ({found.note})" if found.note else "")


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _without_last(grid: Grid, keep: bool) -> Grid:
    """The table without its last column, unless there is something in it."""
    if keep:
        return grid
    rows = tuple(row[:-1] for row in grid.rows)
    return Grid(grid.title, grid.head[:-1], rows, caption=grid.caption)
