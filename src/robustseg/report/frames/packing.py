"""Frames as data of a page: every image once, and no more bytes than the page may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from robustseg.labels import LabelClass
from robustseg.modalities import Modality, leading, sensors
from robustseg.report.frames.embed import label_uri, picture_uri
from robustseg.report.frames.seen import WIDEST, Seen

WIDTHS = (WIDEST, 384, 288, 208)
"""Of the stored images in pixels: the widest that fits into the page is taken."""

NARROW, ENOUGH = 288, 6
"""From this width down, so many frames are better than all of them narrower still."""

OVERHEAD = 2000
"""Bytes of a frame's data besides its images, about; states and their scores are counted apart."""

PER_STATE = 24


@dataclass(frozen=True)
class Packed:
    """Frames as the page's script wants them, and what was given up for the page's size; empty = nothing."""

    data: dict[str, Any]
    remark: str


def pack(seen: Sequence[Seen], modalities: Sequence[Modality], classes: Sequence[LabelClass], *, limit: int) -> Packed:
    """Frames that fit into `limit` bytes: if they do not, their images become narrower, then frames go, and it is said.

    Args:
        seen: At least one frame, those that matter most first.
        modalities: Of the frames.
        classes: For their colors.
        limit: Bytes.
    """
    largest = max(entry.truth.shape[1] for entry in seen)
    kept, width = [], largest
    for width in (largest, *(width for width in WIDTHS if width < largest)):
        kept = _fitting(seen, modalities, classes, width, limit)
        if len(kept) == len(seen) or (width <= NARROW and len(kept) >= ENOUGH):
            break
    remarks = []
    before = max(entry.width for entry in seen)
    if width < before:
        remarks.append(f"Images are shown {width} pixels wide; the model saw {before}.")
    if len(kept) < len(seen):
        remarks.append(f"{len(seen) - len(kept)} of {len(seen)} frames were left out to keep this file small.")
    groups = sensors(modalities)
    data = {
        "sensors": list(groups),
        "inputs": [[modalities[place].name for place in places] for places in groups.values()],
        "models": list(seen[0].maps),
        "frames": kept,
    }
    return Packed(data, " ".join(remarks))


def _fitting(
    seen: Sequence[Seen], modalities: Sequence[Modality], classes: Sequence[LabelClass], width: int, limit: int
) -> list[dict[str, Any]]:
    """The first frames that fit at a width; the work ends with the first one that does not."""
    kept: list[dict[str, Any]] = []
    for entry in seen:
        frame = pack_frame(entry, modalities, classes, width)
        limit -= _size(frame)
        if limit < 0:
            break
        kept.append(frame)
    return kept


def pack_frame(seen: Seen, modalities: Sequence[Modality], classes: Sequence[LabelClass], width: int) -> dict[str, Any]:
    """One frame: `images` holds each image once, numbers elsewhere point into it.

    `inputs` has a list per sensor (None = absent), `models` a dict per model: state -> [image, mIoU or None].
    """
    store: dict[str, int] = {}

    def keep(uri: str) -> int:
        return store.setdefault(uri, len(store))

    shown = [None if picture is None else keep(picture_uri(picture, width)) for picture in seen.inputs]
    groups = sensors(modalities)
    views = {
        name: {
            word: [keep(label_uri(labels, classes, width)), seen.scores[name].get(word)]
            for word, labels in maps.items()
        }
        for name, maps in seen.maps.items()
    }
    order = leading_order([entry is not None for entry in shown], modalities)
    return {
        "name": seen.name,
        "tags": seen.tags,
        "sensor": seen.choice.sensor,
        "loss": round(seen.choice.loss, 1),
        "inputs": [[shown[place] for place in places] for places in groups.values()],
        "backdrops": [[shown[place], list(groups).index(modalities[place].device)] for place in order],
        "truth": keep(label_uri(seen.truth, classes, width)),
        "size": [seen.truth.shape[1], seen.truth.shape[0]],
        "models": views,
        "images": list(store),
    }


def leading_order(present: Sequence[bool], modalities: Sequence[Modality]) -> list[int]:
    """The modalities that are there, the best backdrop first: what `leading` chooses, then of the rest, and so on."""
    left, found = list(present), []
    while any(left):
        found.append(leading(left, modalities))
        left[found[-1]] = False
    return found


def _size(frame: dict[str, Any]) -> int:
    states = sum(map(len, frame["models"].values()))
    return sum(len(uri) + 3 for uri in frame["images"]) + PER_STATE * states + OVERHEAD
