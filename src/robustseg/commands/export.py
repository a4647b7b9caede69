"""Models as files for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from robustseg.commands.shared import console, model_folder, names
from robustseg.progress import progress_bar


def export_files(
    model: Path,
    out: Path,
    *,
    format: Literal["onnx", "openvino", "torch"] = "onnx",
    split: bool = False,
    outputs: str = "labels,confidence",
    precision: Literal["fp32", "fp16", "int8"] = "fp32",
    calibrate: Path | None = None,
    root: str = "",
    seed: int = 0,
    benchmark: bool = False,
    beside: str = "",
    runs: int = 20,
) -> None:
    """Write a model as files for ONNX Runtime, OpenVINO or torch.export, checked against the model.

    Images go in in each modality's own unit, with `present`, which says what is there; labels and confidence come out.
    Every set of modalities is compared with the model before the files get their names. manifest.json beside them tells
    all that a program needs to feed them.

    Args:
        model: A model folder.
        out: The folder to write; an earlier export there is replaced.
        format: For which runtime.
        split: Write an encoder, to run once for each modality that is there, and fuse_decode, to run once: what is
            absent costs nothing then. Else one file, which encodes what is absent as well.
        outputs: What comes out, as in labels,confidence,logits.
        precision: What the files compute in; fp16 and int8 are for onnx.
        calibrate: A recipe, whose training split is taken, or a folder of frames: int8 is calibrated on some of them,
            and the loss of fp16 and int8 measured on others; for int8 the recipe beside the model by default.
        root: The data folder, if it is not the recipe's.
        seed: Of the images on which files and model are compared.
        benchmark: Measure the time of each number of modalities, beside the model in PyTorch.
        beside: Other exports of the model to measure as well, as in exports/onnx,exports/openvino.
        runs: How often each is measured.
    """
    from robustseg.build import load
    from robustseg.deploy.export import ExportSettings, export_model, find_frames

    settings = ExportSettings(format, split, tuple(names(outputs) or ()), precision, seed)
    model = model_folder(model)
    segmenter = load(model)
    wanted = precision == "int8" or (precision == "fp16" and calibrate is not None)
    frames = find_frames(segmenter.card, model, calibrate, root=root) if wanted else None
    with progress_bar(f"comparing {out} with {model}") as report:
        manifest = export_model(segmenter, out, settings, frames=frames, progress=report)
    found = manifest.parity
    console.print(
        f"{found.subsets} sets of modalities: {found.compared} differ from the model's by at most "
        f"{found.largest_difference:.2g}, {100 * found.equal_labels:.4f} % equal labels"
    )
    if lost := manifest.quality:
        scores = "" if lost.miou is None else f", mIoU {lost.miou:.2f} against {lost.miou_fp32:.2f} in fp32"
        console.print(f"{lost.frames} frames of {lost.source}: {100 * lost.equal_labels:.2f} % equal labels{scores}")
    console.print(f"{out}: {', '.join(file.name for file in manifest.files)}, manifest.json")
    if benchmark:
        from robustseg.benchmark.runtimes import runtimes_table
        from robustseg.report.tables import terminal

        with progress_bar(f"running {out}") as report:
            exports = [out, *(Path(name) for name in names(beside) or ())]
            table = runtimes_table(segmenter, exports, runs=runs, progress=report)
        console.print(terminal(table))
