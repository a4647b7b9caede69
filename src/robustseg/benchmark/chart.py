"""The picture: what each set of sensors costs against how good it is or, without an evaluation, the costs alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from robustseg.benchmark.result import Benchmark, Row
from robustseg.benchmark.tables import where
from robustseg.files import write_atomically
from robustseg.report.charts.svg import number
from robustseg.report.pictures import FAINT, INK

OWN, GRID, LINE = "#1f6aa8", "#eceef0", "#c3cad1"
FEW_TO_ALL = LinearSegmentedColormap.from_list("sensors", ["#8fc1e6", "#3b7bb0", "#0b3a63"])
MARKS = ("o", "s", "^", "D", "v", "P", "h", "d")
"""One for each number of sensors, so that color is never alone."""
MOST_NAMES = 16
"""With more sets than this only the telling ones are named, most of them by letters."""
LONGEST = 24
"""Letters of a set's name that fit beside its point; longer ones are told by their first letters."""
WIDTH, HEIGHT = 9.2, 5.8  # inches, as the next ones
HEAD, FOOT, LABEL = 0.92, 0.86, 0.165


def draw(found: Benchmark, path: Path) -> None:
    """Writes the PNG."""
    figure = trade_off(found) if any(row.miou is not None for row in found.rows) else bars(found)
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=160, facecolor="white"))


def trade_off(found: Benchmark) -> Figure:
    """A point for each set that was scored, and a line through its front."""
    rows = [row for row in found.rows if row.miou is not None]
    figure, axes = _canvas(found, HEIGHT, "What each set of sensors costs and how good it is")
    best = front(rows)
    fastest, slowest = min(row.times.median for row in rows), max(row.times.median for row in rows)
    span = max(slowest - fastest, 0.2 * slowest)
    axes.set_xlim(max(0.0, fastest - 0.25 * span), slowest + 0.32 * span)
    lowest, highest = min(_miou(row) for row in rows), max(_miou(row) for row in rows)
    margin = max(1.0, 0.08 * (highest - lowest))
    axes.set_ylim(lowest - margin, highest + margin)
    x, y = [row.times.median for row in best], [_miou(row) for row in best]
    axes.plot(x, y, color=OWN, linewidth=1.4, alpha=0.55, zorder=2)
    for row in rows:
        _point(axes, row, found, [row.times.median], [_miou(row)])
    _labels(axes, rows, best, found)
    axes.set_xlabel("milliseconds" + _batch(found), color=FAINT, fontsize=9.5)
    axes.set_ylabel(f"mIoU in percent, {found.split}, frames at their own size", color=FAINT, fontsize=9.5)
    axes.grid(color=GRID, linewidth=0.9)
    _legend(axes, rows, found)
    return figure


def bars(found: Benchmark) -> Figure:
    """A bar for each set, to its median, with a line to its 95th percentile."""
    height = HEAD + FOOT + 0.29 * len(found.rows)
    figure, axes = _canvas(found, height, "What each set of sensors costs")
    rows = found.rows[::-1]  # the first at the top
    longest = max(row.times.slow for row in rows)
    for place, row in enumerate(rows):
        axes.barh(place, row.times.median, height=0.62, color=_color(row, found), zorder=2)
        axes.plot([row.times.median, row.times.slow], [place, place], color=FAINT, linewidth=1, zorder=3)
        label = f"{row.times.median:.{_decimals(longest)}f}"
        if row is not found.full:
            label += f"   saves {number(found.time_saved(row), 0)} %"
        axes.text(row.times.slow + 0.012 * longest, place, label, va="center", color=INK, fontsize=9)
    axes.set_yticks(range(len(rows)), [_name(row, found) for row in rows], color=INK, fontsize=9.5)
    axes.set_xlim(0, 1.2 * longest)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel(
        f"milliseconds{_batch(found)}; the thin line ends at the 95th percentile", color=FAINT, fontsize=9.5
    )
    axes.grid(axis="x", color=GRID, linewidth=0.9)
    return figure


def front(rows: Sequence[Row]) -> list[Row]:
    """The scored sets that no other one beats in both time and quality, the fastest first.

    Sets of as many modalities do the same work: they count as equally fast, whatever the clock said.
    """
    chosen: list[Row] = []
    for _, group in groupby(sorted(rows, key=lambda row: row.sensors.size), lambda row: row.sensors.size):
        best = max((row for row in group if row.miou is not None), key=_miou, default=None)
        if best is not None and (not chosen or _miou(best) > _miou(chosen[-1])):
            chosen.append(best)
    return chosen


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places, moved as little as possible until neighbours are at least `gap` apart.

    Example:
        >>> spread([0.0, 1.0, 1.0, 5.0], 1.0)
        [-0.3333333333333333, 0.6666666666666667, 1.6666666666666667, 5.0]
    """
    blocks: list[tuple[float, int]] = []  # sum and number of places that touch, each less its own share of gaps
    for before, place in enumerate(places):
        total, count = place - before * gap, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            others, more = blocks.pop()
            total, count = total + others, count + more
        blocks.append((total, count))
    starts = [total / count for total, count in blocks for _ in range(count)]
    return [start + before * gap for before, start in enumerate(starts)]


def _canvas(found: Benchmark, height: float, title: str) -> tuple[Figure, Axes]:
    """Empty axes below a headline and above a line on what was measured."""
    figure = Figure(figsize=(WIDTH, height))
    names = max(len(_name(row, found)) for row in found.rows)
    left = 0.75 if any(row.miou is not None for row in found.rows) else 0.4 + 0.082 * names
    axes = figure.add_axes((left / WIDTH, FOOT / height, 1 - (left + 0.25) / WIDTH, 1 - (HEAD + FOOT) / height))
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=LINE)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=9, length=0)
    edge = 0.25 / WIDTH
    figure.text(edge, 1 - 0.36 / height, title, color=INK, fontsize=13, fontweight="bold")
    figure.text(edge, 1 - 0.62 / height, _subtitle(found), color=FAINT, fontsize=9.5)
    figure.text(edge, 0.16 / height, where(found) + _key(found), color=FAINT, fontsize=8)
    return figure, axes


def _subtitle(found: Benchmark) -> str:
    """What one sensor's absence saves at most and at least."""
    savings = {name: found.time_saved(row) for name, row in found.without().items()}
    if not savings:
        return f"{found.model}: {found.frames_per_second(found.full):.1f} frames a second"
    text = f"{found.model}: {found.frames_per_second(found.full):.1f} frames a second with all sensors; "
    least, most = min(savings.values()), max(savings.values())
    span = number(least, 0) if round(least) == round(most) else f"{number(least, 0)} to {number(most, 0)}"
    return text + f"one sensor off saves {span} % of the time"


def _labels(axes: Axes, rows: Sequence[Row], best: Sequence[Row], found: Benchmark) -> None:
    """Names in a column right of the points of equal cost, moved apart where they would overlap."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    step = 0.012 * (right - left)
    gap = LABEL * (high - low) / (HEIGHT - HEAD - FOOT)
    halo = [withStroke(linewidth=2.5, foreground="white")]
    for _, group in groupby(sorted(rows, key=lambda row: (row.sensors.size, _miou(row))), lambda row: row.sensors.size):
        column = list(group)
        edge = max(row.times.median for row in column) + step
        named = [row for row in column if row in best or _telling(row, found)]
        places = spread([_miou(row) for row in named], gap)
        over = max(0.0, places[-1] + gap / 2 - high) if places else 0.0
        for row, place in zip(named, [place - over for place in places], strict=True):
            axes.plot([row.times.median, edge + 0.6 * step], [_miou(row), place], color=LINE, linewidth=0.7, zorder=1)
            text = axes.text(edge + step, place, _name(row, found), va="center", color=INK, fontsize=8.5)
            text.set(fontweight="bold" if row in best else "normal", path_effects=halo)


def _telling(row: Row, found: Benchmark) -> bool:
    everything = len(found.full.sensors.sensors)
    return not _crowded(found) or len(row.sensors.sensors) in (1, everything - 1, everything)


def _crowded(found: Benchmark) -> bool:
    return len(found.rows) > MOST_NAMES


def _legend(axes: Axes, rows: Sequence[Row], found: Benchmark) -> None:
    """A mark for each number of sensors, and the line."""
    kinds = {len(row.sensors.sensors): row for row in rows}
    for count, row in sorted(kinds.items()):
        _point(axes, row, found, [], [], label=f"{count} sensor{'s' * (count > 1)}")
    if len(front(rows)) > 1:
        axes.plot([], [], color=OWN, linewidth=1.4, alpha=0.55, label="no set of as little work is better")
    axes.legend(loc="lower right", frameon=False, fontsize=9, labelcolor=INK)


def _point(
    axes: Axes, row: Row, found: Benchmark, x: Sequence[float], y: Sequence[float], label: str | None = None
) -> None:
    """A set's mark at a place, or at none, for the legend."""
    axes.plot(
        x,
        y,
        label=label,
        marker=MARKS[(len(row.sensors.sensors) - 1) % len(MARKS)],
        markersize=7.5,
        color=_color(row, found),
        linestyle="none",
        markeredgecolor="white",
        markeredgewidth=0.8,
        zorder=3,
    )


def _color(row: Row, found: Benchmark) -> str:
    """From light for one sensor to dark for all."""
    return to_hex(FEW_TO_ALL((len(row.sensors.sensors) - 1) / max(1, len(found.full.sensors.sensors) - 1)))


def _name(row: Row, found: Benchmark) -> str:
    """A set as people say it: what is missing where that is shorter, letters where a name would be too long."""
    everything, own = found.full.sensors.sensors, row.sensors.sensors
    missing = [name for name in everything if name not in own]
    if not missing and len(own) > 1:
        return "all sensors"
    if len(missing) == 1 and len(own) > 2 and not _crowded(found):
        return f"without {missing[0]}"
    fits = len(row.sensors.name) <= LONGEST and not _crowded(found)
    return row.sensors.name if fits or len(own) == 1 else row.sensors.letters


def _key(found: Benchmark) -> str:
    """What the letters mean, if some set is told by them."""
    lettered = any(_name(row, found) == row.sensors.letters for row in found.rows)
    singles = {row.sensors.letters: row.sensors.name for row in found.rows if len(row.sensors.sensors) == 1}
    return "; " + ", ".join(f"{short} {name}" for short, name in singles.items()) if lettered else ""


def _miou(row: Row) -> float:
    assert row.miou is not None
    return row.miou


def _batch(found: Benchmark) -> str:
    batch = found.settings.batch
    return f" for a batch of {batch}" if batch > 1 else " for a frame"


def _decimals(longest: float) -> int:
    return 2 if longest < 10 else 1 if longest < 100 else 0
