"""Lost beams and lost echoes against hand-worked numbers."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from robustseg.failures import apply_fault, generator_for
from robustseg.failures.ranging import survival
from robustseg.modalities import Modality

METRES = Modality("lidar", kind="lidar", unit="m", resample="nearest")


@pytest.mark.parametrize(
    ("severity", "lost"), [(1, 6), (2, 16), (3, 32), (4, 48), (5, 58)]
)  # of 64: 10, 25, 50, 75, 90 %
def test_whole_beams_are_lost(severity: int, lost: int) -> None:
    height, width = 120, 160
    gone = (apply_fault("beam_loss", torch.ones(3, height, width), METRES, severity, generator_for(0)) == 0).all(dim=0)
    bands: dict[int, set[bool]] = {}
    steepest = math.atan(height / width)  # 90 degrees of view: focal length = half the width
    for y in range(height):
        for x in range(width):
            elevation = math.atan((y + 0.5 - height / 2) / math.hypot(width / 2, x + 0.5 - width / 2))
            place = (elevation / steepest + 1) * 32
            if abs(place - round(place)) > 1e-6:  # not on the line between two
                bands.setdefault(int(place), set()).add(bool(gone[y, x]))
    assert set(bands) == set(range(64))
    assert all(len(fates) == 1 for fates in bands.values())
    assert sum(True in fates for fates in bands.values()) == lost


def test_lost_beams_stay_lost_when_it_gets_worse() -> None:
    image = torch.ones(3, 120, 160)
    lost = [apply_fault("beam_loss", image, METRES, severity, generator_for(1)) == 0 for severity in (1, 2, 3, 4, 5)]
    assert all(worse[better].all() for better, worse in pairwise(lost))


def test_survival_by_hand() -> None:
    # Visibility 50 m, echo from 25 m: there and back is 50 m, which leaves 0.02 of the power. In clear air the pulse
    # has (100 / 25)^2 = 16 times the power that is seen half of the time: 16 / 17. Now 0.32: 0.32 / 1.32.
    assert survival(np.float32([[25.0]]), 50.0).item() == pytest.approx(0.32 / 1.32 / (16 / 17), rel=1e-4)
    near, far = survival(np.float32([[2.0, 80.0]]), 100.0).ravel()
    assert near > 0.99
    assert far < 0.01


@pytest.mark.parametrize(("modality", "value"), [(METRES, 25.0), (Modality("l", kind="lidar", metres=0.25), 100.0)])
def test_echoes_are_lost_by_their_range(modality: Modality, value: float) -> None:
    image = torch.full((3, 200, 200), value)
    image[:, :, 100:] /= 5  # 5 m
    kept = apply_fault("range_loss", image, modality, 4, generator_for(0)).any(dim=0).float()
    assert kept[:, :100].mean().item() == pytest.approx(0.2576, abs=0.015)
    assert kept[:, 100:].mean().item() == pytest.approx(survival(np.float32([[5.0]]), 50.0).item(), abs=0.01)


def test_an_unknown_range_counts_as_twenty_metres() -> None:
    counts = Modality("lidar", kind="lidar")
    image = torch.rand(3, 200, 200, generator=generator_for(4)) * 200 + 10
    kept = apply_fault("range_loss", image, counts, 4, generator_for(0)).any(dim=0)
    assert kept.float().mean().item() == pytest.approx(survival(np.float32([[20.0]]), 50.0).item(), abs=0.015)
    lost = [apply_fault("range_loss", image, counts, severity, generator_for(1)) == 0 for severity in (1, 3, 5)]
    assert lost[1][lost[0]].all()
    assert lost[2][lost[1]].all()
