"""An evaluation as its sensors see it: modalities of one device come and go together."""

from __future__ import annotations

from dataclasses import replace

import torch

from robustseg.robustness.evaluation import Evaluation


def sensor_view(evaluation: Evaluation) -> Evaluation:
    """The rows that hold whole sensors only, with sensors in the place of modalities: every table can show it.

    Rows stand by number of sensors, then in the sensors' order. The very evaluation comes back if each sensor feeds one
    modality of its own name.

    Raises:
        ValueError: No row holds whole sensors.
    """
    sensors = tuple(dict.fromkeys(evaluation.sensors))
    if sensors == evaluation.modalities:
        return evaluation
    feeds = torch.tensor([[device == sensor for device in evaluation.sensors] for sensor in sensors])  # P M
    present = (evaluation.subsets[:, None] & feeds).any(dim=2)  # S P
    whole = (evaluation.subsets == (present[:, :, None] & feeds).any(dim=1)).all(dim=1)  # S
    kept = whole.nonzero().flatten().tolist()
    if not kept:
        raise ValueError("no subset that was evaluated holds whole sensors: evaluate again with --subsets all")
    # Stable, so that rows of one subset that differ in their state keep their order.
    kept.sort(key=lambda row: (int(present[row].sum()), present[row].nonzero().flatten().tolist()))
    return replace(
        evaluation,
        counts=evaluation.counts[:, kept],
        scored=evaluation.scored[:, kept],
        subsets=present[kept],
        modalities=sensors,
        sensors=sensors,
        states=tuple(evaluation.states[row] for row in kept) if evaluation.states else (),
        confidence=None if evaluation.confidence is None else evaluation.confidence[:, kept],
    )
