"""Predicts the test scenes of MUSES for its official server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from robustseg.data.benchmarks.muses import open_muses, submission_names, write_submission
from robustseg.data.sample import FrameError, Frames
from robustseg.deploy.folder import dropped_places
from robustseg.deploy.predictor import Predictor
from robustseg.failures import drop
from robustseg.models.segmenter import Segmenter
from robustseg.recipe import Data
from robustseg.robustness.evaluate import check_frames

SPLIT = "test"


def submit(
    model: Segmenter,
    data: Data,
    out: Path,
    *,
    only: Sequence[str] | None = None,
    without: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Writes the zip that the server takes, of label images as large as the camera's; gives their number.

    The network looks at frames of the size at which the model is evaluated, `data.resize`.

    Args:
        model: With a card.
        data: A recipe's data of kind "muses".
        out: The zip; it appears once all scenes are in it.
        only: Modalities or sensors to use; None = all.
        without: Modalities or sensors to leave out.
        progress: Called with (done, all) after every scene.

    Raises:
        FileNotFoundError: The data are not there, or not all of them.
        ValueError: The recipe is of other data, a name is unknown, or scenes cannot be read: the first, and how many.
    """
    if data.kind != "muses":
        raise ValueError(f"only MUSES has a server to submit to; the recipe's data.kind is {data.kind}")
    frames = open_muses(replace(data, resize=None), SPLIT, training=False)
    check_frames(model, frames)
    names = submission_names(Path(data.root))
    dropped = dropped_places(frames.modalities, only, without)
    predictions = _predictions(Predictor(model), frames, dropped, data.resize, progress)
    write_submission(predictions, out, names)
    return len(names)


def _predictions(
    predictor: Predictor,
    frames: Frames,
    dropped: Sequence[int],
    size: tuple[int, int] | None,
    progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[str, UInt8[np.ndarray, "H W"]]]:
    """All scenes are tried, so that one look names every bad one."""
    bad: list[str] = []
    for index in range(len(frames)):
        try:
            sample = frames[index]
            present = drop(sample.present, dropped)
            if present.any():
                yield sample.name, predictor.predict(sample.images, present, size=size).labels
            else:
                bad.append(f"{sample.name} has no sensor left")
        except FrameError as error:
            bad.append(str(error))
        if progress:
            progress(index + 1, len(frames))
    if bad:
        raise ValueError(f"{len(bad)} of {len(frames)} scenes could not be predicted, the first: {bad[0]}")
