"""Blackout, drift and noise against hand-worked numbers."""

import math

import pytest
import torch

from robustseg.failures import apply_fault, generator_for
from robustseg.modalities import Modality

CAMERA = Modality("rgb", kind="camera", photometric=True)
LIDAR = Modality("lidar", kind="lidar", unit="m", resample="nearest")
EVENT = Modality("event", kind="event", unit="events", resample="nearest")
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)


def test_blackout_takes_one_run_of_rows_and_grows() -> None:
    image = torch.full((3, 50, 20), 9.0)
    lost = torch.zeros(50, dtype=torch.bool)
    for severity, share in enumerate(SHARES, start=1):
        dark = apply_fault("blackout", image, CAMERA, severity, generator_for(2)) == 0
        rows = dark.all(dim=2).all(dim=0)
        assert torch.equal(dark, rows[None, :, None].expand_as(dark))
        assert rows.sum() == round(50 * share)
        assert rows.int().diff().clamp(min=0).sum() <= 1  # one run
        assert rows[lost].all()
        lost = rows


def test_blackout_takes_a_sector_of_a_spinning_sensor() -> None:
    image = torch.full((3, 20, 50), 9.0)
    dark = apply_fault("blackout", image, LIDAR, 2, generator_for(2)) == 0
    columns = dark.all(dim=1).all(dim=0)
    assert columns.sum() == 20
    assert torch.equal(dark, columns[None, None].expand_as(dark))


@pytest.mark.parametrize(("severity", "degrees"), [(1, 0.25), (3, 1.0), (5, 4.0)])
def test_drift_moves_the_middle_by_its_degrees(severity: int, degrees: float) -> None:
    size = 401
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    ramp = torch.stack([0.5 * x, 0.5 * y, 50 + 0 * x]).float()
    for seed in range(4):
        moved = apply_fault("drift", ramp, CAMERA, severity, generator_for(seed))
        shift = 2 * (ramp - moved)[:2, 200, 200]
        expected = size / 2 * math.tan(math.radians(degrees))  # 90 degrees of view: focal length = half the width
        assert shift.norm().item() == pytest.approx(expected, abs=0.1 + expected * math.radians(degrees))
        right = 2 * (ramp - moved)[:2, 200, 300] - shift  # 100 pixels off the middle, a roll moves it across
        assert right.norm().item() == pytest.approx(100 * math.radians(degrees), abs=0.1)


def test_drift_leaves_nothing_at_the_border_it_came_from() -> None:
    image = torch.full((3, 60, 80), 100.0)
    modality = Modality("thing", missing=-3.0)
    moved = apply_fault("drift", image, modality, 5, generator_for(0))
    assert set(moved.round(decimals=3).unique().tolist()) == {-3.0, 100.0}
    assert 0.02 < (moved == -3).float().mean() < 0.2


def test_nearest_drift_invents_no_value() -> None:
    image = torch.where(torch.rand(40, 60, generator=generator_for(1)) < 0.2, 7.0, 0.0).expand(3, -1, -1).contiguous()
    assert set(apply_fault("drift", image, LIDAR, 4, generator_for(0)).unique().tolist()) == {0.0, 7.0}


def test_grain_and_stripes_have_the_size_of_the_table() -> None:
    image = torch.full((3, 400, 400), 128.0)
    noisy = apply_fault("noise", image, CAMERA, 1, generator_for(0)) - 128
    stripes = noisy.mean(dim=(0, 2))
    assert noisy.std().item() == pytest.approx(0.05 * 255 * math.sqrt(1.25), rel=0.02)
    assert stripes.std().item() == pytest.approx(0.05 * 255 * 0.5, rel=0.1)  # 400 stripes


def test_an_event_storm_fires_in_a_share_of_all_pixels_with_values_seen_elsewhere() -> None:
    image = torch.zeros(3, 100, 100)
    image[:, 50, 50], image[:, 7, 7] = torch.tensor([2.0, 0.0, 1.0]), torch.tensor([0.0, 3.0, 1.0])
    for severity, share in enumerate((0.05, 0.1, 0.2, 0.35, 0.5), start=1):
        storm = apply_fault("noise", image, EVENT, severity, generator_for(0))
        assert storm.any(dim=0).float().mean().item() == pytest.approx(share, abs=0.02)
        assert {tuple(pixel) for pixel in storm.flatten(1).T.tolist()} == {(0, 0, 0), (2, 0, 1), (0, 3, 1)}
    calm = apply_fault("noise", torch.zeros(3, 100, 100), EVENT, 5, generator_for(0))
    assert calm[0].mean().item() == pytest.approx(0.5, abs=0.02)
    assert not calm[1:].any()


def test_false_echoes_are_a_share_of_all_echoes() -> None:
    true = torch.rand(200, 200, generator=generator_for(5)) < 0.02
    image = torch.where(true, torch.rand(3, 200, 200, generator=generator_for(6)) + 1, 0.0)
    for severity, share in enumerate((0.05, 0.1, 0.2, 0.35, 0.5), start=1):
        cluttered = apply_fault("noise", image, LIDAR, severity, generator_for(0))
        echoes = cluttered.any(dim=0)
        false = echoes & ~true
        assert false.sum().item() / echoes.sum().item() == pytest.approx(share, rel=0.25, abs=0.01)
        assert torch.isin(cluttered, image).all()
