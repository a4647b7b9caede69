"""The picture that shows what a missing sensor costs: frames by subsets, inputs, labels and what each model sees.

Shapes: S subsets, M modalities, H W size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Integer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor

from robustseg.data.sample import Frames, Sample
from robustseg.deploy.predictor import Predictor
from robustseg.failures import subset_name
from robustseg.files import write_atomically
from robustseg.labels import LabelClass, colorize
from robustseg.metrics import count, mean_iou
from robustseg.modalities import Modality
from robustseg.models.segmenter import Segmenter
from robustseg.report.images import display_image
from robustseg.robustness.evaluation import Evaluation

Predictions = Mapping[str, Mapping[str, Sequence[Integer[np.ndarray, "_H _W"]]]]
"""Subset -> model -> one label image per frame; frames may differ in size."""

INK = "#1b1f24"
FAINT = "#6b737c"
CELL, GAP, GROUP_GAP = 1.5, 0.05, 0.22  # inches
LEFT, RIGHT, TOP, BOTTOM = 0.36, 0.1, 0.92, 0.62


@dataclass(frozen=True)
class _Column:
    """A column of cells: its name, the group it begins or continues, and one image and mark per row."""

    name: str
    group: str
    images: tuple[np.ndarray, ...]
    marks: tuple[str, ...] = ()


def subset_picture(
    path: Path,
    samples: Sequence[Sample],
    predictions: Predictions,
    *,
    modalities: Sequence[Modality],
    classes: Sequence[LabelClass],
    captions: Sequence[str] = (),
    title: str = "",
) -> None:
    """Writes a PNG with a row per frame: its inputs, its label, then for each subset what each model sees.

    Args:
        path: Of the PNG.
        samples: The frames.
        predictions: Subset -> model -> train ids of every frame, see `predict_subsets`.
        modalities: Of the frames' slots.
        classes: For colors and the legend.
        captions: One per frame, such as its condition; empty = the frames' names.
        title: Above it all.

    Raises:
        ValueError: There is no frame, or not one prediction and caption for each.
    """
    _check(samples, predictions, captions)
    columns = [_input_column(samples, place, modality) for place, modality in enumerate(modalities)]
    columns.append(_Column("label", "truth", tuple(colorize(sample.labels.numpy(), classes) for sample in samples)))
    for subset, models in predictions.items():
        for model, maps in models.items():
            marks = tuple(_score(found, sample, len(classes)) for found, sample in zip(maps, samples, strict=True))
            columns.append(_Column(model, subset, tuple(colorize(found, classes) for found in maps), marks))
    figure = _draw(columns, captions or [sample.name for sample in samples], title)
    _legend(figure, classes)
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=120, facecolor="white"))


def predict_subsets(
    models: Mapping[str, Segmenter], samples: Sequence[Sample], subsets: Bool[Tensor, "S M"]
) -> dict[str, dict[str, list[np.ndarray]]]:
    """What each model sees with each subset: the `predictions` of `subset_picture`.

    A frame that has nothing of a subset is all 255 there.
    """
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    for subset in subsets:
        first = next(iter(models.values()))
        name = "all sensors" if bool(subset.all()) else subset_name(subset, first.card.modalities)
        found[name] = {model: [_predict(Predictor(net), s, subset) for s in samples] for model, net in models.items()}
    return found


def telling_subsets(model: Evaluation, other: Evaluation, number: int = 3) -> Bool[Tensor, "S M"]:
    """All sensors, then the subsets where a model gains most on another, one of each size while there are sizes."""
    gains = (model.miou() - other.miou()).nan_to_num(nan=-torch.inf)[:-1]
    sizes = model.subsets.sum(dim=1).tolist()
    ranked: list[int] = gains.argsort(descending=True, stable=True).tolist()
    best = {size: next(place for place in ranked if sizes[place] == size) for size in set(sizes[:-1])}
    fresh = [place for place in ranked if place in best.values()]
    others = [place for place in ranked if place not in fresh]
    chosen = sorted([*fresh, *others][: number - 1], reverse=True)  # large subsets first
    return model.subsets[[len(sizes) - 1, *chosen]]


def one_per_value(frames: Frames, key: str, most: int = 5) -> dict[str, int]:
    """Value of a tag -> the first complete frame with it, for a picture with a row per condition."""
    found: dict[str, int] = {}
    for place in range(len(frames)):
        sample = frames[place]
        value = sample.tags.get(key, "")
        if value and value not in found and bool(sample.present.all()):
            found[value] = place
        if len(found) == most:
            break
    return found


def _predict(predictor: Predictor, sample: Sample, subset: Bool[Tensor, " M"]) -> np.ndarray:
    present = sample.present & subset
    if not present.any():
        return np.full(sample.labels.shape, 255, np.uint8)
    return predictor.predict(sample.images, present).labels


def _input_column(samples: Sequence[Sample], place: int, modality: Modality) -> _Column:
    blank = np.full((1, 1, 3), 235, np.uint8)
    images = tuple(display_image(s.images[place], modality) if s.present[place] else blank for s in samples)
    return _Column(modality.name, "inputs", images, tuple("" if s.present[place] else "absent" for s in samples))


def _score(labels: np.ndarray, sample: Sample, num_classes: int) -> str:
    """The frame's mIoU; empty where nothing was predicted or labelled."""
    if (labels == 255).all():
        return "absent"
    value = mean_iou(count(torch.from_numpy(labels.astype(np.int64))[None], sample.labels[None], num_classes), "skip")
    return "" if value.isnan() else f"{value.item():.0f}"


def _draw(columns: Sequence[_Column], captions: Sequence[str], title: str) -> Figure:
    rows = len(captions)
    largest = max(columns[-1].images, key=lambda image: image.shape[0])
    height = CELL * largest.shape[0] / largest.shape[1]
    starts = [column.group != before.group for before, column in pairwise(columns)]
    lefts = LEFT + np.cumsum([0.0, *(CELL + (GROUP_GAP if start else GAP) for start in starts)])
    wide, high = lefts[-1] + CELL + RIGHT, TOP + rows * (height + GAP) + BOTTOM
    figure = Figure(figsize=(wide, high))
    for column, left in zip(columns, lefts, strict=True):
        for row, image in enumerate(column.images):
            bottom = high - TOP - (row + 1) * height - row * GAP
            axes = figure.add_axes((left / wide, bottom / high, CELL / wide, height / high))
            _cell(axes, image, column.marks[row] if column.marks else "")
        figure.text((left + CELL / 2) / wide, 1 - (TOP - 0.08) / high, column.name, ha="center", color=INK, fontsize=9)
    for group, left, right in _groups(columns, lefts):
        middle, line = (left + right) / 2 / wide, 1 - (TOP - 0.27) / high
        figure.text(middle, line + 0.05 / high, group, ha="center", color=INK, fontsize=10, fontweight="bold")
        figure.add_artist(_rule(figure, left / wide, right / wide, line))
    for row, caption in enumerate(captions):
        middle = high - TOP - row * (height + GAP) - height / 2
        figure.text(
            (LEFT - 0.12) / wide, middle / high, caption, rotation=90, ha="center", va="center", color=INK, fontsize=9
        )
    figure.text(LEFT / wide, 1 - 0.28 / high, title, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure


def _cell(axes: Axes, image: np.ndarray, mark: str) -> None:
    axes.imshow(image, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    if mark:
        box = {"facecolor": "white", "alpha": 0.82, "edgecolor": "none", "boxstyle": "round,pad=0.2"}
        axes.text(0.97, 0.06, mark, transform=axes.transAxes, ha="right", va="bottom", fontsize=7, color=INK, bbox=box)


def _groups(columns: Sequence[_Column], lefts: np.ndarray) -> list[tuple[str, float, float]]:
    """Name, left and right edge of each group of columns; the truth needs no headline."""
    spans: dict[str, tuple[float, float]] = {}
    for column, left in zip(columns, lefts, strict=True):
        spans[column.group] = (spans.get(column.group, (float(left), 0.0))[0], float(left) + CELL)
    return [(name, left, right) for name, (left, right) in spans.items() if name != "truth"]


def _rule(figure: Figure, left: float, right: float, height: float) -> Line2D:
    return Line2D([left, right], [height, height], color=FAINT, linewidth=0.8, transform=figure.transFigure)


def _legend(figure: Figure, classes: Sequence[LabelClass]) -> None:
    handles = [Patch(facecolor=_hex(entry), edgecolor="none", label=entry.name) for entry in classes]
    per_row = max(1, int(figure.get_figwidth() // 1.25))
    figure.legend(
        handles=handles,
        loc="lower center",
        ncol=min(len(classes), per_row),
        frameon=False,
        fontsize=9,
        handlelength=1.1,
    )
    figure.text(
        1 - RIGHT / figure.get_figwidth(),
        1 - 0.28 / figure.get_figheight(),
        "numbers: mIoU of the frame, classes it lacks left out",
        ha="right",
        color=FAINT,
        fontsize=8,
    )


def _hex(entry: LabelClass) -> str:
    return "#{:02x}{:02x}{:02x}".format(*entry.color)


def _check(samples: Sequence[Sample], predictions: Predictions, captions: Sequence[str]) -> None:
    if not samples or not predictions:
        raise ValueError("a picture needs at least one frame and one prediction")
    numbers = {len(maps) for models in predictions.values() for maps in models.values()} | {len(captions or samples)}
    if numbers != {len(samples)}:
        raise ValueError(f"{len(samples)} frames need as many predictions and captions, got {sorted(numbers)}")
