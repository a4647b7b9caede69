"""A model becomes files for other runtimes, checked against itself before they get their names."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from robustseg.deploy.export.calibration import CalibrationFrames, measure_quality
from robustseg.deploy.export.deployed import Deployed, open_files
from robustseg.deploy.export.graphs import OUTPUTS
from robustseg.deploy.export.manifest import (
    MANIFEST_FILE,
    Absent,
    ExportPrecision,
    File,
    Format,
    Manifest,
    holds_export,
    read_manifest,
)
from robustseg.deploy.export.parity import check_parity, require_parity
from robustseg.deploy.export.parts import ENCODER, FUSE_DECODE, TRACED_SMALLEST, Part, split_parts, whole_part
from robustseg.deploy.export.quantising import quantise
from robustseg.deploy.export.writing import write_part
from robustseg.files import sha256, write_text
from robustseg.models.segmenter import Segmenter
from robustseg.recipe import SMALLEST
from robustseg.strict import to_json
from robustseg.version import __version__

UNFINISHED = ".unfinished."
"""How the names of folders begin in which files are made."""


@dataclass(frozen=True)
class ExportSettings:
    """What to export.

    Attributes:
        format: For which runtime.
        split: An encoder and the rest, instead of one file.
        outputs: Some of labels, confidence, logits.
        precision: What the files compute in; less than fp32 is for ONNX alone.
        seed: Of the images that files and model are compared on.
    """

    format: Format = "onnx"
    split: bool = False
    outputs: tuple[str, ...] = ("labels", "confidence")
    precision: ExportPrecision = "fp32"
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [name for name in self.outputs if name not in OUTPUTS]
        if unknown or len(set(self.outputs)) != len(self.outputs):
            raise ValueError(f"outputs are some of {', '.join(OUTPUTS)}, each once, got {', '.join(self.outputs)}")
        if "logits" not in self.outputs and set(self.outputs) != {"labels", "confidence"}:
            raise ValueError("outputs must hold labels and confidence, or logits: nothing else can be checked")
        if self.precision != "fp32" and self.format != "onnx":
            raise ValueError(f"precision {self.precision} is for --format onnx, not {self.format}")


def export_model(
    model: Segmenter,
    out: Path,
    settings: ExportSettings,
    *,
    frames: CalibrationFrames | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Manifest:
    """Writes a model's files and their manifest into a folder, once they answer as the model does.

    Args:
        model: From `robustseg.load`, in fp32 on the CPU; it stays as it is.
        out: The folder; an earlier export there is replaced.
        settings: What to export.
        frames: To calibrate int8 on, which needs them, and to measure lower precisions with.
        progress: Told of (done, all) comparisons.

    Raises:
        ValueError: The model has a part that cannot be exported, or a modality with a reserved name or without mean and
            std; a package is missing; files and model differ, in fp32 alone; or `out` holds files of something else.
    """
    check_names(model, settings)
    if settings.precision == "int8" and frames is None:
        raise ValueError("int8 needs frames to calibrate on: name a recipe or a folder with --calibrate")
    model.eval()
    with staging(out) as folder:
        files = _written(model, folder, settings, frames)
        absent: Absent = "mean image" if settings.split and model.absence == "zero" else "anything"
        deployed = open_files(folder, settings.format, files, model.card.modalities, absent)
        parity = check_parity(model, deployed, seed=settings.seed, progress=progress)
        if settings.precision == "fp32":
            require_parity(parity)
        quality = measure_quality(model, deployed, frames) if frames and settings.precision != "fp32" else None
        card = model.card
        manifest = Manifest(
            form="split" if settings.split else "whole",
            format=settings.format,
            precision=settings.precision,
            files=files,
            modalities=card.modalities,
            absent=absent,
            classes=card.classes,
            outputs=settings.outputs,
            input_size=card.input_size,
            smallest=TRACED_SMALLEST if settings.format == "torch" else SMALLEST,
            resize=card.resize,
            temperatures=card.temperatures,
            weights=card.sha256,
            version=__version__,
            torch=torch.__version__,
            parity=parity,
            quality=quality,
        )
        _publish(folder, out, manifest)
    return manifest


def check_names(model: Segmenter, settings: ExportSettings) -> None:
    """Raises ValueError if a modality is called as another input or output of the whole form."""
    taken = [modality.name for modality in model.card.modalities if modality.name in ("present", *OUTPUTS)]
    if taken and not settings.split:
        raise ValueError(f"modality {taken[0]!r} has the name of another input or output: export with --split")


def parts_of(model: Segmenter, settings: ExportSettings) -> Sequence[Part]:
    """The files to be, in float16 or float32."""
    dtype = torch.float16 if settings.precision == "fp16" else torch.float32
    if settings.split:
        return split_parts(model, settings.outputs, dtype)
    return (whole_part(model, settings.outputs, dtype),)


def _written(
    model: Segmenter, folder: Path, settings: ExportSettings, frames: CalibrationFrames | None
) -> tuple[File, ...]:
    """The files of all parts; those in 8 bits take the place of those in float32."""
    files: list[File] = []
    for part in parts_of(model, settings):
        first, *others = write_part(part, folder, settings.format)
        files.append(File(part.name, first.name, sha256(first), part.inputs, part.outputs))
        files += [File(part.name, path.name, sha256(path)) for path in others]
    if settings.precision != "int8" or frames is None:
        return tuple(files)
    absent: Absent = "mean image" if model.absence == "zero" else "anything"
    exact = open_files(folder, "onnx", files, model.card.modalities, absent)
    low = {file.name: folder / f"int8_{file.name}" for file in files}
    for file in files:
        quantise(folder / file.name, low[file.name], _feeds(exact, file.part, frames))
    for name, path in low.items():
        path.replace(folder / name)
    return tuple(replace(file, sha256=sha256(folder / file.name)) for file in files)


def _feeds(exact: Deployed, part: str, frames: CalibrationFrames) -> Iterator[Mapping[str, np.ndarray]]:
    """The inputs of a part for each frame to calibrate on; absent slots hold zeros, which no range is widened by."""
    for images, present in frames.calibrating():
        shown = np.where(present[:, :, None, None, None], images, 0).astype(np.float32)
        if part == ENCODER:
            for place in np.flatnonzero(present[0]):
                yield {"image": shown[:, place], "modality": np.array([place])}
        elif part == FUSE_DECODE:
            maps = {name: np.nan_to_num(stage) for name, stage in exact.encode(shown, present).items()}
            yield {**maps, "present": present, "size": np.array(images.shape[-2:])}
        else:
            named = {modality.name: shown[:, place] for place, modality in enumerate(exact.modalities)}
            yield {**named, "present": present}


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """A folder inside `out` in which files may be unfinished; it is gone afterwards, and `out` too if it is empty then.

    What a killed export left there is removed, so only one command may export to a folder at a time.

    Raises:
        ValueError: `out` holds files, and no manifest that is one of ours.
    """
    out.mkdir(parents=True, exist_ok=True)
    entries = list(out.iterdir())
    stale = [path for path in entries if path.name.startswith(UNFINISHED)]
    if len(entries) > len(stale) and not holds_export(out):
        raise ValueError(f"{out} holds files that are no export of this version: name a folder of its own")
    for path in stale:
        shutil.rmtree(path, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=out))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not any(out.iterdir()):
            out.rmdir()


def _publish(folder: Path, out: Path, manifest: Manifest) -> None:
    """Gives the files their names; a folder with a manifest is whole at any time."""
    known = out / MANIFEST_FILE
    if known.is_file():
        try:
            earlier = [file.name for file in read_manifest(out).files]
        except (ValueError, FileNotFoundError):
            earlier = []
        known.unlink()
        for name in earlier:
            (out / name).unlink()
    for file in manifest.files:
        (folder / file.name).replace(out / file.name)
    write_text(known, to_json(manifest))
