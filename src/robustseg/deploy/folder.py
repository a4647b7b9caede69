"""Predicts a dataset, or frames from anywhere, into a folder of images, and says what each was done without."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8, UInt16
from PIL import Image

from robustseg.data.sample import Frames
from robustseg.deploy.predictor import Prediction, Predictor
from robustseg.deploy.sources import FramesSource, Images, Source, SourceFrame
from robustseg.deploy.video import VideoOut, video_out
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
    video: Path | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Segments a dataset of the model's modalities, whose labels are not read; see `predict_source`."""
    check_frames(model, frames)
    return predict_source(
        model,
        FramesSource(frames),
        out,
        classes=frames.classes,
        only=only,
        without=without,
        size=size,
        video=video,
        progress=progress,
    )


def predict_source(
    model: Segmenter,
    source: Source,
    out: Path,
    *,
    classes: Sequence[LabelClass] | None = None,
    only: Sequence[str] | None = None,
    without: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    video: Path | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Writes for every frame `labels/NAME.png`, `overlay/NAME.png` and `confidence/NAME.png`, and a list of all.

    `labels` holds ids as the label files do (a class's first id, 8-bit, or 16-bit if an id needs it); `confidence` is
    8-bit, 255 = certain. `predictions.json` and `.csv` tell for each frame which modalities it had and lacked, and its
    time, if it has one. A frame left with no modality is listed as skipped, and gets no images; so is one that cannot
    be read, with its `error`. The lists are written in any case, of the frames until then if something stops the work.

    Args:
        model: With a card.
        source: Frames of the model's modalities.
        out: The folder.
        classes: Their ids and colors; None = the model's.
        only: Modalities or sensors to use; None = all.
        without: Modalities or sensors to leave out.
        size: Height and width at which the network looks, see `Predictor`.
        video: An .mp4 file for the overlays, too, at the source's rate or, if that is unknown, 10 frames a second. It
            gets its name when all frames are done.
        progress: Called with (done, all) after every frame.

    Raises:
        ValueError: A name is unknown, no modality is left for any frame, `out` holds files of something else, or the
            video cannot be written or is one of the source's files.
        OSError: A file could not be written; the message names it and how far it got.
    """
    modalities = model.card.modalities
    dropped = {modalities[place].name for place in dropped_places(modalities, only, without)}
    with video_out(video, source.rate, keep=source.files) as film:
        _make_room(out)
        work = _Work(Predictor(model), out, classes or model.card.classes, dropped, size, film)
        return work.run(source, progress)


@dataclass(frozen=True, eq=False)
class _Work:
    """What is the same for all frames."""

    predictor: Predictor
    out: Path
    classes: Sequence[LabelClass]
    dropped: Collection[str]
    size: tuple[int, int] | None
    film: VideoOut

    def run(self, source: Source, progress: Progress | None) -> list[dict[str, Any]]:
        """Predicts all frames and writes the lists; gives the records."""
        records: list[dict[str, Any]] = []
        try:
            _write_lists(self.out, records, self.classes)  # from now on the folder is one of results
            try:
                for frame in source:
                    records.append(self.predict(frame))
                    if progress:
                        progress(len(records), source.length or len(records))
            finally:
                _write_lists(self.out, records, self.classes)
        except OSError as error:
            reason, total = error.strerror or str(error), f"of {source.length} " if source.length else ""
            raise OSError(error.errno, f"{reason}; {len(records)} {total}frames are done in {self.out}") from error
        return records

    def predict(self, frame: SourceFrame) -> dict[str, Any]:
        """Predicts one frame and writes its pictures; gives its record."""
        known = {"name": frame.name} | ({} if frame.time is None else {"time": round(frame.time, 6)})
        images = {name: image for name, image in frame.images.items() if name not in self.dropped}
        if not images:
            without = [] if frame.error else [modality.name for modality in self.predictor.modalities]
            skipped = {"used": [], "without": without, "confidence": None, "skipped": True}
            return known | skipped | ({"error": frame.error} if frame.error else {})
        prediction = self.predictor(images, size=self.size)
        self.write(frame.name, prediction, images)
        return known | {
            "used": list(prediction.used),
            "without": list(prediction.without),
            "confidence": round(float(prediction.confidence.mean()), 4),
            "skipped": False,
        }

    def write(self, name: str, prediction: Prediction, images: Images) -> None:
        """Writes a frame's pictures, and appends the overlay to the video."""
        modalities = self.predictor.modalities
        first = modalities[leading([modality.name in images for modality in modalities], modalities)]
        backdrop = torch.from_numpy(np.ascontiguousarray(images[first.name].transpose(2, 0, 1)))  # 3 H W
        painted = overlay(display_image(backdrop, first), prediction.labels, self.classes)
        pictures = (
            file_ids(self.classes)[prediction.labels],
            painted,
            (255 * prediction.confidence).round().astype(np.uint8),
        )
        for kind, pixels in zip(KINDS, pictures, strict=True):
            path = below(self.out, f"{kind}/{name}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
        self.film(painted)


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
    timed = any("time" in record for record in records)
    rows.writerow(["name", *["time"] * timed, "used", "without", "confidence", "error"])
    for record in records:
        time = [record.get("time", "")] * timed
        confidence = "" if record["skipped"] else record["confidence"]
        names = ("+".join(record[key]) for key in ("used", "without"))
        rows.writerow([record["name"], *time, *names, confidence, record.get("error", "")])
    return text.getvalue()
