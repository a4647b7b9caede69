import math
from dataclasses import replace

import pytest
import torch
from synthetic import evaluation

from robustseg.metrics import count, mean_iou
from robustseg.report.frames.choice import choose_frames, frame_scores
from robustseg.robustness import Evaluation


def losing(lost: list[tuple[int, int]]) -> Evaluation:
    """Frames of one class, each with the points it loses without camera and without lidar."""
    base = evaluation(modalities=("camera", "lidar"), classes=("road",), frames=len(lost), confident=False)
    hits = torch.tensor([[90 - without_lidar, 90 - without_camera, 90] for without_camera, without_lidar in lost])
    counts = torch.stack([hits, torch.zeros_like(hits), 100 - hits], dim=-1)[:, :, None]
    return replace(base, counts=counts)


def test_sensors_take_turns_each_with_its_largest_losses() -> None:
    chosen = choose_frames(losing([(50, 0), (40, 5), (30, 60), (0, 0), (-5, 1)]), 12)
    told = [(entry.place, entry.sensor, entry.loss) for entry in chosen]
    assert told == [(2, "lidar", 60.0), (0, "camera", 50.0), (1, "lidar", 5.0), (4, "lidar", 1.0)]
    assert len(choose_frames(losing([(50, 0), (40, 5), (30, 60)]), 2)) == 2


def test_nothing_lost_is_nothing_to_show() -> None:
    assert choose_frames(losing([(0, 0), (-3, -1)]), 12) == []
    alone = evaluation(modalities=("camera",), frames=2)
    assert choose_frames(alone, 12) == []


def test_frame_scores_leave_out_what_a_frame_lacks() -> None:
    labels = torch.tensor([[[0, 0, 1, 255]]])
    seen = torch.tensor([[[0, 1, 1, 2]]])
    counts = count(seen, labels, 4)[:, None]  # F 1 K 3; classes 2 and 3 occur nowhere
    base = evaluation(modalities=("rgb",), classes=("a", "b", "c", "d"), frames=1, confident=False)
    found = replace(base, counts=counts)
    assert frame_scores(found)[0, 0].item() == pytest.approx(50.0)  # IoU 1/2 and 1/2
    assert frame_scores(found)[0, 0] == mean_iou(counts.long(), "skip")[0, 0]
    unscored = replace(found, scored=torch.zeros(1, 1, dtype=torch.bool))
    assert math.isnan(frame_scores(unscored)[0, 0])
