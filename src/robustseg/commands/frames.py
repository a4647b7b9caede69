"""Predictions: of a folder, and for the server of a benchmark."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from robustseg.commands.shared import console, model_folder, names
from robustseg.files import make_writable
from robustseg.progress import progress_bar


def predict(
    model: Path,
    source: Path,
    *,
    out: Path = Path("predictions"),
    inputs: str = "",
    rig: Path | None = None,
    video: Path | None = None,
    split: str = "",
    only: str = "",
    without: str = "",
    device: str = "auto",
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
) -> None:
    """Segment frames from a folder, videos, arrays or a recording, with whatever sensors each frame has.

    Results are id maps, overlays, confidence, and a list of all frames.

    Args:
        model: A model folder, or hf://org/name.
        source: Frames, laid out as the model's training data was; labels are not needed. For a model that was trained
            on a benchmark, that benchmark's root. Or a video, an NPZ file, or a recording of ROS 1 or 2 (.bag, .mcap,
            .db3, a folder with metadata.yaml). With --inputs the folder that they start from.
        out: Where the results go.
        inputs: Files of each modality, as in rgb=cam/*.png,depth=depth/*.npy, or videos, as in rgb=a.mp4,thermal=b.mp4.
            NPZ files with an array of each modality: arrays/*.npz.
        rig: A YAML file that says which topics of a recording feed which modality, see docs/sources.md.
        video: Writes the overlays as an .mp4 file, too, which replaces an earlier one when it is complete.
        split: The folder that `{split}` in the file patterns stands for; empty = no such folder level. A benchmark's
            split; empty = the one that the model's recipe reports.
        only: Use these modalities or sensors only, as in rgb,lidar.
        without: Leave these out.
        device: Where to compute: cpu, cuda, cuda:1; auto = a GPU if there is one.
        precision: What to compute in: bf16 is faster on processors that have it, fp16 is for GPUs.
    """
    from robustseg.build import load
    from robustseg.deploy import predict_folder, predict_source
    from robustseg.deploy.sources import is_bag, open_source
    from robustseg.frames import prediction_frames
    from robustseg.recipe_file import RECIPE_FILE, read_recipe

    model = model_folder(model)
    segmenter = load(model, device, precision=precision)
    if inputs or rig or is_bag(source) or source.is_file():
        if split:
            raise ValueError("--split is for folders laid out as the training data were: leave it out")
        frames = open_source(segmenter.card, source, inputs=inputs, rig=rig)
        predicted = partial(predict_source, segmenter, frames)
        for note in frames.notes:
            console.print(f"note: {note}")
    else:
        recipe = model / RECIPE_FILE
        data = read_recipe(recipe).data if segmenter.card.benchmark and recipe.is_file() else None
        predicted = partial(predict_folder, segmenter, prediction_frames(segmenter.card, source, split, data))
    with progress_bar(f"segmenting {source}") as report:
        records = predicted(out, only=names(only), without=names(without), video=video, progress=report)
    done = [record for record in records if not record["skipped"]]
    lacking = sum(bool(record["without"]) for record in done)
    console.print(
        f"{len(done)} of {len(records)} frames segmented: {out}"
        + (f"; {lacking} of them without some sensor" if lacking else "")
        + (f"; {len(records) - len(done)} skipped, see predictions.csv" if len(done) < len(records) else "")
    )
    unread = [record for record in records if "error" in record]
    if unread:
        first = f"{unread[0]['name']}: {unread[0]['error']}"
        raise ValueError(f"{len(unread)} of {len(records)} frames could not be read, the first is {first}")


def submit(
    model: Path,
    out: Path,
    *,
    root: str = "",
    recipe_file: Path | None = None,
    only: str = "",
    without: str = "",
    device: str = "auto",
) -> None:
    """Predict the test scenes of MUSES and zip them as its official server wants them.

    Args:
        model: A model folder, or hf://org/name, of a model trained on MUSES.
        out: The zip to write.
        root: The MUSES folder, if it is not the recipe's.
        recipe_file: Whose data to use; by default the recipe the model was trained with, which lies beside it.
        only: Use these modalities or sensors only, as in camera,lidar.
        without: Leave these out.
        device: Where to compute: cpu, cuda, cuda:1; auto = a GPU if there is one.
    """
    from robustseg.build import load
    from robustseg.deploy import submit as write_zip
    from robustseg.scoring import model_recipe

    model = model_folder(model)
    data = model_recipe(model, recipe_file=recipe_file, root=root).data
    segmenter = load(model, device=device)
    make_writable(out.parent)
    with progress_bar(f"segmenting {data.root}") as report:
        count = write_zip(segmenter, data, out, only=names(only), without=names(without), progress=report)
    console.print(f"{count} scenes: {out}\nnext: upload it at https://www.codabench.org/competitions/14005")
