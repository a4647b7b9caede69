"""The views of a frame that one prediction is made of: other sizes, mirrored, a sliding window.

Shapes: N images, B batch, K classes, H W the frame's size, h w a view's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from robustseg.modalities import Modality
from robustseg.recipe import SMALLEST, Scoring

Box = tuple[int, int, int, int]
"""Top, left, bottom, right."""

VIEWS = "several views of a frame"
"""How notes on evaluations begin that were scored so."""


@dataclass(frozen=True)
class View:
    """A part of the frame at some size.

    Attributes:
        size: Height and width that the whole frame is brought to.
        flip: Whether it is mirrored, before the box is cut.
        box: The part that is shown.
    """

    size: tuple[int, int]
    flip: bool
    box: Box

    @property
    def whole(self) -> bool:
        """Whether all of the frame is shown."""
        return self.box == (0, 0, *self.size)


def frame_views(scoring: Scoring, size: tuple[int, int]) -> tuple[View, ...]:
    """The views of frames of a size, those of one size and direction together.

    Example:
        >>> len(frame_views(Scoring(scales=(1.0, 0.5), flip=True), (64, 64)))
        4
    """
    found = []
    for scale in scoring.scales:
        height, width = (max(SMALLEST, round(side * scale)) if scale != 1 else side for side in size)
        for flip in (False, True) if scoring.flip else (False,):
            found += [View((height, width), flip, box) for box in windows((height, width), scoring)]
    return tuple(found)


def views_note(scoring: Scoring) -> str:
    """What a reader of scores must know of the views behind them; empty = each frame is shown once, whole.

    Example:
        >>> views_note(Scoring(scales=(1.0, 0.5), flip=True))
        'several views of a frame: scales 1, 0.5; mirrored'
    """
    told = [
        f"scales {', '.join(f'{scale:g}' for scale in scoring.scales)}" if scoring.scales != (1.0,) else "",
        "mirrored" if scoring.flip else "",
        "sliding window {}x{}".format(*scoring.window) if scoring.window else "",
    ]
    return f"{VIEWS}: {'; '.join(filter(None, told))}" if any(told) else ""


def windows(size: tuple[int, int], scoring: Scoring) -> tuple[Box, ...]:
    """The boxes of a sliding window, evenly spaced and never over the edge; the whole frame without one."""
    if scoring.window is None:
        return ((0, 0, *size),)
    tall, wide = (min(side, length) for side, length in zip(scoring.window, size, strict=True))
    tops, lefts = (_starts(s, w, scoring.overlap) for s, w in zip(size, (tall, wide), strict=True))
    return tuple((top, left, top + tall, left + wide) for top in tops for left in lefts)


def shown(images: Float[Tensor, "N 3 H W"], view: View, modality: Modality) -> Float[Tensor, "N 3 h w"]:
    """Normalised images of one modality as a view shows them."""
    if view.size != tuple(images.shape[-2:]):
        images = _resized(images, view.size, modality.resample)
    if view.flip:
        images = mirrored(images, modality)
    top, left, bottom, right = view.box
    return images[..., top:bottom, left:right]


def mirrored(images: Float[Tensor, "N 3 H W"], modality: Modality) -> Float[Tensor, "N 3 H W"]:
    """Normalised images of one modality, left and right exchanged; angles change their sign, see `Modality.mirror`."""
    flipped = images.flip(-1)
    if all(factor == 1 for factor in modality.mirror):
        return flipped
    sign, mean, std = (
        torch.tensor(values, dtype=images.dtype, device=images.device)[:, None, None]
        for values in (modality.mirror, modality.mean or (0.0, 0.0, 0.0), modality.std or (1.0, 1.0, 1.0))
    )
    return flipped * sign + (sign - 1) * mean / std


def merged(
    views: Sequence[View],
    logits: Callable[[View, tuple[int, int]], Float[Tensor, "B K _h _w"]],
    size: tuple[int, int],
) -> Float[Tensor, "B K H W"]:
    """The logits of a single whole view, or the logarithm of the mean of all views' class probabilities.

    Args:
        views: As `frame_views` gives them.
        logits: `(view, size)` -> its logits at that size.
        size: Of the result.
    """
    if len(views) == 1 and views[0].whole and not views[0].flip:
        return logits(views[0], size)
    groups = [list(group) for _, group in groupby(views, key=lambda view: (view.size, view.flip))]
    total = sum((_group(group, logits, size) for group in groups), start=torch.zeros(()))
    return (total / len(groups)).clamp(min=torch.finfo(torch.float32).tiny).log()


def _group(
    views: Sequence[View],
    logits: Callable[[View, tuple[int, int]], Float[Tensor, "B K _h _w"]],
    size: tuple[int, int],
) -> Float[Tensor, "B K H W"]:
    """The class probabilities of the views that tile one frame, overlaps averaged."""
    first = views[0]
    if first.whole:
        probabilities = logits(first, size).softmax(dim=1)
    else:
        probabilities = _tiled(views, logits)
        if first.size != size:
            probabilities = F.interpolate(probabilities, size=size, mode="bilinear", align_corners=False)
    return probabilities.flip(-1) if first.flip else probabilities


def _tiled(
    views: Sequence[View], logits: Callable[[View, tuple[int, int]], Float[Tensor, "B K _h _w"]]
) -> Float[Tensor, "B K H W"]:
    total, weight = torch.zeros(()), torch.zeros(())
    for view in views:
        top, left, bottom, right = view.box
        part = logits(view, (bottom - top, right - left)).softmax(dim=1)
        if not total.ndim:
            total, weight = part.new_zeros(*part.shape[:2], *view.size), part.new_zeros(view.size)
        total[..., top:bottom, left:right] += part
        weight[top:bottom, left:right] += 1
    return total / weight


def _resized(images: Float[Tensor, "N 3 H W"], size: tuple[int, int], resample: str) -> Float[Tensor, "N 3 h w"]:
    if resample == "nearest":
        return F.interpolate(images, size=size, mode="nearest-exact")
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)


def _starts(length: int, window: int, overlap: float) -> list[int]:
    count = 1 + math.ceil((length - window) / max(1, int(window * (1 - overlap))))
    return [round(place * (length - window) / max(1, count - 1)) for place in range(count)]
