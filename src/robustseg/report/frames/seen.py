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

from robustseg.data.sample import Frames, Sample, collate
from robustseg.failures import evaluation_subsets
from robustseg.modalities import Modality, sensors
from robustseg.models.segmenter import Segmenter
from robustseg.models.upsampling import labels_at
from robustseg.recipe import Scoring
from robustseg.report.frames.choice import Choice, frame_scores
from robustseg.report.frames.embed import fitted, fitting
from robustseg.report.images import display_image
from robustseg.robustness.cases import CLEAN, Case
from robustseg.robustness.encodings import Encodings, ZeroImages
from robustseg.robustness.evaluation import Evaluation
from robustseg.robustness.variants import History, Images
from robustseg.robustness.views import frame_views

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
    *,
    scoring: Scoring,
    progress: Callable[[int, int], None] | None = None,
) -> list[Seen]:
    """What each model sees in the chosen frames with every state of its sensors.

    Args:
        models: By name, of the frames' modalities.
        evaluations: By the same names, of these frames.
        frames: The split that was evaluated.
        choices: Of frames.
        scoring: How a frame becomes a prediction, as when it was evaluated.
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
                maps={
                    name: predict_states(model, frames, sample, choice.place, scoring=scoring, size=size)
                    for name, model in models.items()
                },
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


def predict_states(
    model: Segmenter, frames: Frames, sample: Sample, place: int, *, scoring: Scoring, size: tuple[int, int]
) -> Maps:
    """A model's labels, brought to `size`, for every state in which the frame has anything left, as evaluation sees it.

    Args:
        model: With a card.
        frames: That the sample is of.
        sample: The frame.
        place: Where it stands among the frames.
        scoring: How a frame becomes a prediction.
        size: Height and width of the result.
    """
    where = next(model.parameters()).device
    height, width = sample.images.shape[-2:]
    rows = {word: tuple(left.tolist()) for word, left in states(model.card.modalities).items()}
    cases = [Case(tuple(CLEAN if here else None for here in row), row) for row in rows.values()]
    found: Maps = {}
    with torch.inference_mode():
        batch = collate([sample], [place])
        images = Images(batch, model.card.modalities, History(frames), device=where, seed=0)
        views = frame_views(scoring, (height, width))
        encodings = Encodings(model, images, views=views, cases=cases, zeros=ZeroImages(model))
        words = list(rows)
        for seen in encodings.predictions(range(len(cases)), (height, width)):
            labels = labels_at(seen.logits, (height, width)).to(torch.uint8).cpu().numpy()
            for number, one in zip(seen.case, labels, strict=True):
                found[words[number]] = fitted(one, size, labels=True)
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
