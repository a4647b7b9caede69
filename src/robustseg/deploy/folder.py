"""Predicts a whole dataset into a folder of images, and says what each frame was done without."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8, UInt16
from PIL import Image

from robustseg.data.sample import FrameError, Frames, Sample
from robustseg.deploy.predictor import Prediction, Predictor
from robustseg.failures import drop
from robustseg.files import below, write_text
from robustseg.labels import LabelClass
from robustseg.modalities import Modality, leading, places
from robustseg.models.segmenter import Segmenter
from robustseg.report.images import display_image, overlay
from robustseg.robustness.evaluate import check_frames

Progress = Callable[[int, int], None]

LIST_FILE = "predictions.json"
KINDS = ("labels", "overlay", "confidence")


def predict_folder(
    model: Segmenter,
    frames: Frames,
    out: Path,
    *,
    only: Sequence[str] | None = None,
    without: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Writes for every frame `labels/NAME.png`, `overlay/NAME.png` and `confidence/NAME.png`, and a list of all.

    `labels` holds ids as the label files do (a class's first id, 8-bit, or 16-bit if an id needs it); `confidence` is
    8-bit, 255 = certain. `predictions.json` and `.csv` tell for each frame which modalities it had and lacked. A frame
    left with no modality is listed as skipped, and gets no images; so is one that cannot be read, with its `error`. The
    lists are written in any case, of the frames until then if something stops the work.

    Args:
        model: With a card.
        frames: Of the model's modalities; their labels are not read.
        out: The folder.
        only: Modalities or sensors to use; None = all.
        without: Modalities or sensors to leave out.
        size: Height and width at which the network looks, see `Predictor`.
        progress: Called with (done, all) after every frame.

    Raises:
        ValueError: A name is unknown, no modality is left for any frame, or `out` holds files of something else.
        OSError: A file could not be written; the message names it and how far it got.
    """
    check_frames(model, frames)
    _make_room(out)
    dropped = dropped_places(frames.modalities, only, without)
    predictor, records = Predictor(model), []
    try:
        _write_lists(out, records, frames.classes)  # from now on the folder is one of results
        try:
            for done in range(len(frames)):
                records.append(_predict_frame(predictor, frames, done, out, dropped, size))
                if progress:
                    progress(done + 1, len(frames))
        finally:
            _write_lists(out, records, frames.classes)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"{reason}; {len(records)} of {len(frames)} frames are done in {out}") from error
    return records


def dropped_places(
    modalities: Sequence[Modality], only: Sequence[str] | None, without: Sequence[str] | None
) -> tuple[int, ...]:
    """Where the modalities stand that are not to be used.

    Raises:
        ValueError: A name is unknown, or nothing is left.
    """
    kept = set(places(only, modalities)) if only is not None else set(range(len(modalities)))
    kept -= set(places(without or (), modalities))
    if not kept:
        raise ValueError(f"no modality is left with only={only} and without={without}")
    return tuple(place for place in range(len(modalities)) if place not in kept)


def _make_room(out: Path) -> None:
    """Deletes an earlier command's pictures, and nothing else: a data folder's labels/ would be written over.

    Raises:
        ValueError: The folder holds something, and no list of predictions that says what.
    """
    if not out.exists() or not any(out.iterdir()):
        return
    try:
        names = [str(frame["name"]) for frame in json.loads((out / LIST_FILE).read_text())["frames"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{out} holds files that are no predictions: give --out a folder of its own") from None
    for name in names:
        for kind in KINDS:
            below(out, f"{kind}/{name}.png").unlink(missing_ok=True)


def _predict_frame(
    predictor: Predictor,
    frames: Frames,
    index: int,
    out: Path,
    dropped: Sequence[int],
    size: tuple[int, int] | None,
) -> dict[str, Any]:
    try:
        sample = frames[index]
    except FrameError as error:
        return _skipped(error.name, []) | {"error": str(error)}
    present = drop(sample.present, dropped)
    if not present.any():
        return _skipped(sample.name, [modality.name for modality in predictor.modalities])
    prediction = predictor.predict(sample.images, present, size=size)
    _write_images(prediction, sample, present, out, predictor.modalities, frames.classes)
    return {
        "name": sample.name,
        "used": list(prediction.used),
        "without": list(prediction.without),
        "confidence": round(float(prediction.confidence.mean()), 4),
        "skipped": False,
    }


def _skipped(name: str, without: list[str]) -> dict[str, Any]:
    return {"name": name, "used": [], "without": without, "confidence": None, "skipped": True}


def _write_images(
    prediction: Prediction,
    sample: Sample,
    present: torch.Tensor,
    out: Path,
    modalities: Sequence[Modality],
    classes: Sequence[LabelClass],
) -> None:
    place = leading(present.tolist(), modalities)
    image = display_image(sample.images[place], modalities[place])
    pictures = (
        file_ids(classes)[prediction.labels],
        overlay(image, prediction.labels, classes),
        (255 * prediction.confidence).round().astype(np.uint8),
    )
    for kind, pixels in zip(KINDS, pictures, strict=True):
        path = below(out, f"{kind}/{sample.name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def file_ids(classes: Sequence[LabelClass]) -> UInt8[np.ndarray, " K"] | UInt16[np.ndarray, " K"]:
    """Of each train id the id that label files use for it, the first if there are several."""
    ids = [entry.ids[0] if entry.ids else place for place, entry in enumerate(classes)]
    return np.array(ids, np.uint8 if max(ids) < 256 else np.uint16)


def _write_lists(out: Path, records: Sequence[dict[str, Any]], classes: Sequence[LabelClass]) -> None:
    write_text(out / LIST_FILE, _as_json(records, classes))
    write_text(out / "predictions.csv", _as_csv(records))


def _as_json(records: Sequence[dict[str, Any]], classes: Sequence[LabelClass]) -> str:
    ids = file_ids(classes).tolist()
    legend = [
        {"id": file_id, "train_id": place, "name": entry.name, "color": entry.color}
        for place, (file_id, entry) in enumerate(zip(ids, classes, strict=True))
    ]
    return json.dumps({"ids": "as in the label files", "classes": legend, "frames": records}, indent=1) + "\n"


def _as_csv(records: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["name", "used", "without", "confidence", "error"])
    for record in records:
        confidence = "" if record["skipped"] else record["confidence"]
        names = ("+".join(record[key]) for key in ("used", "without"))
        rows.writerow([record["name"], *names, confidence, record.get("error", "")])
    return text.getvalue()
