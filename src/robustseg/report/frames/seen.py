"""What models see in a frame in every state of its sensors.

Shapes: M modalities, N states of the sensors, P sensors, H W size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from robustseg.data.resizing import padded
from robustseg.data.sample import Frames, Sample, collate
from robustseg.failures import evaluation_subsets
from robustseg.modalities import Modality, normalise, sensors
from robustseg.models.segmenter import Segmenter
from robustseg.report.frames.choice import Choice, frame_scores
from robustseg.report.frames.embed import fitted, fitting
from robustseg.report.images import display_image
from robustseg.robustness.evaluation import Evaluation

WIDEST = 512
"""Pixels: what is kept of a frame is at most so wide."""

Maps = dict[str, UInt8[np.ndarray, "_H _W"]]
"""State of the sensors, "1101" with a digit per sensor -> train ids."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A frame and what the models see in it, at most 512 pixels wide.

    Attributes:
        choice: Why it is shown.
        name: The frame's.
        tags: The frame's.
        width: Of the frame as it was evaluated.
        inputs: One picture per modality, None = absent.
        truth: Train ids.
        maps: Model -> state -> train ids.
        scores: Model -> state -> mIoU of the frame, None where it was not scored.
    """

    choice: Choice
    name: str
    tags: dict[str, str]
    width: int
    inputs: tuple[UInt8[np.ndarray, "_H _W 3"] | None, ...]
    truth: UInt8[np.ndarray, "_H _W"]
    maps: dict[str, Maps]
    scores: dict[str, dict[str, float | None]]


def see_frames(
    models: Mapping[str, Segmenter],
    evaluations: Mapping[str, Evaluation],
    frames: Frames,
    choices: Sequence[Choice],
    progress: Callable[[int, int], None] | None = None,
) -> list[Seen]:
    """What each model sees in the chosen frames with every state of its sensors.

    Args:
        models: By name, of the frames' modalities.
        evaluations: By the same names, of these frames.
        frames: The split that was evaluated.
        choices: Of frames.
        progress: Called with (done, all) after every frame.

    Raises:
        ValueError: A frame is not the one that was evaluated.
    """
    found = []
    for choice in choices:
        sample = _read(frames, choice.place, evaluations)
        height, width = sample.images.shape[-2:]
        size = fitting((height, width), WIDEST)
        shown = (
            fitted(display_image(sample.images[place], modality), size, labels=False) if here else None
            for place, (modality, here) in enumerate(zip(frames.modalities, sample.present.tolist(), strict=True))
        )
        found.append(
            Seen(
                choice=choice,
                name=sample.name,
                tags=sample.tags,
                width=width,
                inputs=tuple(shown),
                truth=fitted(sample.labels.numpy().astype(np.uint8), size, labels=True),
                maps={name: predict_states(model, sample, size) for name, model in models.items()},
                scores={name: state_scores(entry, choice.place) for name, entry in evaluations.items()},
            )
        )
        if progress:
            progress(len(found), len(choices))
    return found


def states(modalities: Sequence[Modality]) -> dict[str, Bool[Tensor, " M"]]:
    """Every state of the sensors that is not empty, "1101" with a digit per sensor, -> the modalities it leaves.

    With more than 6 sensors only all, all but one, and each alone.
    """
    groups = sensors(modalities)
    feeds = torch.zeros(len(groups), len(modalities), dtype=torch.bool)  # P M
    for row, places in enumerate(groups.values()):
        feeds[row, list(places)] = True
    rows = evaluation_subsets(len(groups))  # N P
    return {_word(row.tolist()): (row[:, None] & feeds).any(dim=0) for row in rows}


def predict_states(model: Segmenter, sample: Sample, size: tuple[int, int]) -> Maps:
    """A model's labels, brought to `size`, for every state in which the frame has anything left.

    States that leave the frame the same modalities share one map.
    """
    batch = collate([sample], [0])
    where = next(model.parameters()).device
    height, width = sample.images.shape[-2:]
    found: Maps = {}
    known: dict[tuple[bool, ...], np.ndarray] = {}
    with torch.inference_mode():
        images = padded(normalise(batch.images.to(where), model.card.modalities))
        encoded = model.encode_batch(images, batch.present.to(where))
        for word, left in states(model.card.modalities).items():
            present = batch.present & left  # 1 M
            mask = tuple(present[0].tolist())
            if not any(mask):
                continue
            if mask not in known:
                fused = model.fuse(encoded.maps, encoded.sample, encoded.modality, present.to(where))
                logits = model.decode(fused, (images.shape[-2], images.shape[-1]))[0, :, :height, :width]
                labels = logits.max(dim=0).indices.to(torch.uint8).cpu().numpy()
                known[mask] = fitted(labels, size, labels=True)
            found[word] = known[mask]
    return found


def state_scores(evaluation: Evaluation, place: int) -> dict[str, float | None]:
    """State of the sensors -> the frame's mIoU as it was evaluated; states that split a sensor are left out."""
    only = torch.zeros(len(evaluation.frames), dtype=torch.bool)
    only[place] = True
    values = frame_scores(evaluation.where(only))[0].tolist()
    names = dict.fromkeys(evaluation.sensors)
    found = {}
    for row, value in zip(evaluation.subsets.tolist(), values, strict=True):
        parts = [{here for here, own in zip(row, evaluation.sensors, strict=True) if own == name} for name in names]
        if all(len(part) == 1 for part in parts):
            found[_word([part == {True} for part in parts])] = None if value != value else round(value, 1)
    return found


def _read(frames: Frames, place: int, evaluations: Mapping[str, Evaluation]) -> Sample:
    if place >= len(frames):
        raise ValueError(f"the data have {len(frames)} frames, fewer than were evaluated: evaluate again")
    sample = frames[place]
    for name, evaluation in evaluations.items():
        if evaluation.frames[place] != sample.name:
            raise ValueError(
                f"frame {place} is {sample.name}, but {name} was evaluated on {evaluation.frames[place]} there: "
                "the data have changed, evaluate again"
            )
    return sample


def _word(row: Sequence[bool]) -> str:
    return "".join("1" if here else "0" for here in row)
