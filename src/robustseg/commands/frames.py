"""Predictions: of a folder, and for the server of a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from robustseg.commands.shared import console, names
from robustseg.files import make_writable
from robustseg.progress import progress_bar


def predict(
    model: Path,
    folder: Path,
    *,
    out: Path = Path("predictions"),
    split: str = "",
    only: str = "",
    without: str = "",
    device: str = "auto",
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
) -> None:
    """Segment a folder of frames, with whatever sensors each frame has: id maps, overlays, confidence.

    Args:
        model: A model folder.
        folder: Frames, laid out as the model's training data was; labels are not needed. For a model that was trained
            on a benchmark, that benchmark's root.
        out: Where the results go.
        split: The folder that `{split}` in the file patterns stands for; empty = no such folder level. A benchmark's
            split; empty = the one that the model's recipe reports.
        only: Use these modalities or sensors only, as in rgb,lidar.
        without: Leave these out.
        device: Where to compute: cpu, cuda, cuda:1; auto = a GPU if there is one.
        precision: What to compute in: bf16 is faster on processors that have it, fp16 is for GPUs.
    """
    from robustseg.build import load
    from robustseg.deploy import predict_folder
    from robustseg.frames import prediction_frames
    from robustseg.recipe_file import RECIPE_FILE, read_recipe

    segmenter = load(model, device, precision=precision)
    recipe = model / RECIPE_FILE
    data = read_recipe(recipe).data if segmenter.card.benchmark and recipe.is_file() else None
    frames = prediction_frames(segmenter.card, folder, split, data)
    with progress_bar(f"segmenting {folder}") as report:
        records = predict_folder(segmenter, frames, out, only=names(only), without=names(without), progress=report)
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
        model: A model folder, of a model trained on MUSES.
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

    data = model_recipe(model, recipe_file=recipe_file, root=root).data
    segmenter = load(model, device=device)
    make_writable(out.parent)
    with progress_bar(f"segmenting {data.root}") as report:
        count = write_zip(segmenter, data, out, only=names(only), without=names(without), progress=report)
    console.print(f"{count} scenes: {out}\nnext: upload it at https://www.codabench.org/competitions/14005")
