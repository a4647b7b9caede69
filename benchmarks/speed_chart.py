"""The picture of `speed_curves.py`: a panel per curve, both sides on one logarithmic axis of seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from robustseg.files import write_atomically

INK, FAINT, GRID = "#1b1f24", "#5b636c", "#e2e5e8"
COLORS = {"opponent": "#8a949e", "ours": "#1f6aa8"}
MARKS = {"opponent": "s", "ours": "o"}
WORDS = {"opponent": "as released", "ours": "RobustSeg"}


@dataclass(frozen=True)
class Panel:
    """A curve: the labels of its points, evenly spaced, and seconds by side and label."""

    title: str
    labels: Sequence[str]
    seconds: Mapping[str, Mapping[str, float]]


def draw(path: Path, panels: Sequence[Panel]) -> None:
    """Writes a PNG, two panels wide."""
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(9.6, 3.5 * rows), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    for place, panel in enumerate(panels):
        _panel(figure.add_subplot(rows, 2, place + 1), panel, named=place == 0)
    figure.supylabel("seconds per batch", color=FAINT, fontsize=9)
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=130, facecolor="white"))


def _panel(axes: Axes, panel: Panel, *, named: bool) -> None:
    places = {label: place for place, label in enumerate(panel.labels)}
    for side, seconds in panel.seconds.items():
        x, y = [places[label] for label in seconds], list(seconds.values())
        axes.plot(x, y, color=COLORS[side], marker=MARKS[side], markersize=5, linewidth=1.8)
        if named and x:
            shift = 9 if side == "opponent" else -20
            style = {"color": COLORS[side], "fontsize": 9, "fontweight": "bold", "ha": "right"}
            axes.annotate(WORDS[side], (x[-1], y[-1]), (5, shift), textcoords="offset points", **style)
    for label, both in _ratios(panel).items():
        middle = (panel.seconds["opponent"][label] * panel.seconds["ours"][label]) ** 0.5
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        style = {"color": FAINT, "fontsize": 8, "ha": "center", "va": "center", "bbox": ground}
        axes.annotate(f"{both:.1f}x", (places[label], middle), **style)
    _style(axes, panel)


def _ratios(panel: Panel) -> dict[str, float]:
    """Of the points that both sides have."""
    opponent, ours = panel.seconds["opponent"], panel.seconds["ours"]
    return {label: opponent[label] / ours[label] for label in opponent if label in ours}


def _style(axes: Axes, panel: Panel) -> None:
    axes.set_title(panel.title, loc="left", fontsize=10, color=INK)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xticks(range(len(panel.labels)), panel.labels)
    axes.margins(x=0.06, y=0.18)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=8.5, length=0)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(GRID)
