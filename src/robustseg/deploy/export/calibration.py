"""Frames for lower precisions: some to find the ranges of values, others to measure what is lost.

Shapes: M modalities, H W image size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.data.resizing import padded, resized_frame, resized_labels
from robustseg.data.sample import Frames
from robustseg.data.stats import spread
from robustseg.deploy.export.manifest import Quality
from robustseg.deploy.export.parity import Answers, expected_outputs, labels_of
from robustseg.failures.subsets import keep_some
from robustseg.frames import open_frames, prediction_frames
from robustseg.labels import IGNORE
from robustseg.metrics import count, mean_iou
from robustseg.modalities import Modality
from robustseg.models.card import ModelCard
from robustseg.models.segmenter import Segmenter
from robustseg.recipe_file import RECIPE_FILE, read_recipe
from robustseg.robustness.evaluate import check_frames

Shown = tuple[Float[Tensor, "1 M 3 H W"], Int64[Tensor, "1 H W"], Bool[Tensor, "1 M"]]


@dataclass(frozen=True, eq=False)
class CalibrationFrames:
    """Frames as the network sees them.

    Attributes:
        frames: Of the model's modalities.
        source: What people call them.
        modalities: Of the model's card.
        resize: See `ModelCard.resize`.
        limit: At most so many to calibrate on, and as many others to measure.
    """

    frames: Frames
    source: str
    modalities: tuple[Modality, ...]
    resize: tuple[int, int] | None
    limit: int = 16

    @property
    def places(self) -> tuple[Sequence[int], Sequence[int]]:
        """Those to calibrate on and those to measure; the same where there is only one frame."""
        chosen = list(spread(len(self.frames), 2 * self.limit))
        return (chosen[::2], chosen[1::2]) if len(chosen) > 1 else (chosen, chosen)

    def shown(self, place: int) -> Shown | None:
        """Images in their units, labels with 255 in the padding, and what is present; None for a frame with nothing."""
        sample = self.frames[place]
        if not sample.present.any():
            return None
        images, size = sample.images, self.resize or (sample.images.shape[-2], sample.images.shape[-1])
        if tuple(images.shape[-2:]) != size:
            images = resized_frame(images, size, self.modalities)
        labels = torch.from_numpy(resized_labels(sample.labels.numpy(), size))
        images = padded(images)
        whole = torch.full(images.shape[-2:], IGNORE)
        whole[: size[0], : size[1]] = labels
        return images[None], whole[None], sample.present[None]

    def calibrating(self, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Images and presence of each frame to calibrate on: once all that it has, once a drawn set of it."""
        generator = torch.Generator().manual_seed(seed)
        for place in self.places[0]:
            if (frame := self.shown(place)) is None:
                continue
            images, _, present = frame
            noise = torch.rand(1, present.shape[1] + 1, generator=generator)
            for some in (present, keep_some(present, noise)):
                yield images.numpy(), some.numpy()


def find_frames(card: ModelCard, model: Path, source: Path | None, *, root: str = "") -> CalibrationFrames:
    """The frames that a user names: a recipe, whose training split is taken, or a folder as `predict` takes it.

    Args:
        card: The model's.
        model: Its folder.
        source: A recipe file or a folder of frames; None = the recipe beside the model.
        root: The data folder, if it is not the recipe's.

    Raises:
        FileNotFoundError: There is no such file, or no recipe beside the model.
        ValueError: The frames are not of the model's modalities.
    """
    path = source or model / RECIPE_FILE
    if path.is_dir():
        return CalibrationFrames(prediction_frames(card, path, ""), str(path), card.modalities, card.resize)
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}: name a recipe or a folder of frames with --calibrate")
    data = read_recipe(path, ["--data.root", root] if root else []).data
    frames = open_frames(data, data.train)
    return CalibrationFrames(frames, f"split {data.train} of {path.name}", card.modalities, card.resize)


@torch.inference_mode()
def measure_quality(model: Segmenter, deployed: Answers, frames: CalibrationFrames) -> Quality:
    """What the exported files lose on the frames that were not calibrated on.

    Raises:
        ValueError: No frame has anything, or they are not of the model's modalities.
    """
    check_frames(model, frames.frames)
    classes, equal, pixels, used = len(model.card.classes), 0, 0, 0
    counts = torch.zeros(2, classes, 3, dtype=torch.int64)
    for place in frames.places[1]:
        if (frame := frames.shown(place)) is None:
            continue
        images, labels, present = frame
        expected = torch.from_numpy(expected_outputs(model, images, present)["labels"])
        found = torch.from_numpy(labels_of(deployed(images.numpy(), present.numpy()))).long()
        equal, pixels, used = equal + int((found == expected).sum()), pixels + found.numel(), used + 1
        counts += torch.stack([count(found, labels, classes)[0], count(expected, labels, classes)[0]])
    if not used:
        raise ValueError(f"{frames.source}: no frame has a modality to measure on")
    scores = mean_iou(counts).tolist() if bool(counts.any()) else (None, None)
    return Quality(used, frames.source, equal / pixels, *scores)
