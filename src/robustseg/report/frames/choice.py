"""Which frames a report shows: for each sensor those that lose most when it goes, taken in turn.

Shapes: F frames, S subsets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from robustseg.metrics import mean_iou
from robustseg.report.subsets import Mask, devices, without
from robustseg.robustness.evaluation import Evaluation


@dataclass(frozen=True)
class Choice:
    """A frame worth showing.

    Attributes:
        place: In the evaluation and in the dataset.
        sensor: Without which it loses.
        loss: Points of the frame's mIoU, classes that it lacks left out.
    """

    place: int
    sensor: str
    loss: float


def frame_scores(evaluation: Evaluation) -> Float[Tensor, "F S"]:
    """Each frame's mIoU with each subset, classes that it lacks left out; NaN where it was not scored."""
    return mean_iou(evaluation.counts.long(), "skip").masked_fill(~evaluation.scored, math.nan)


def choose_frames(evaluation: Evaluation, number: int) -> list[Choice]:
    """So many frames at most, each once: the sensors take turns, each with the frame that loses most without it.

    Sensors come in the order of their largest loss; frames that lose nothing are not shown.
    """
    queues = [_queue(evaluation, sensor) for sensor in devices(evaluation)]
    queues = sorted((queue for queue in queues if queue), key=lambda queue: -queue[0].loss)
    chosen: dict[int, Choice] = {}
    while queues and len(chosen) < number:
        for queue in queues:
            while queue and queue[0].place in chosen:
                queue.pop(0)
            if queue and len(chosen) < number:
                choice = queue.pop(0)
                chosen[choice.place] = choice
        queues = [queue for queue in queues if queue]
    return list(chosen.values())


def _queue(evaluation: Evaluation, sensor: str) -> list[Choice]:
    """The frames that lose something without a sensor, the largest loss first."""
    rows: list[Mask] = [tuple(row) for row in evaluation.subsets.tolist()]
    left = without(evaluation, sensor)
    if left not in rows:
        return []
    scores = frame_scores(evaluation)
    lost = (scores[:, -1] - scores[:, rows.index(left)]).tolist()
    found = [Choice(place, sensor, loss) for place, loss in enumerate(lost) if loss > 0]  # NaN is not above 0
    return sorted(found, key=lambda choice: -choice.loss)
