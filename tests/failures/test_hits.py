"""A fault hits all modalities of one sensor alike."""

import pytest
import torch

from robustseg.failures import FAULTS, applies, apply_fault, generator_for, hit_at_random, hit_sensor, sensor_faults
from robustseg.modalities import Modality

RGB = Modality("rgb", kind="camera", photometric=True, sensor="polcam")
DOLP = Modality("dolp", kind="polarisation", unit="1", missing=-9.0, sensor="polcam")
LIDAR = Modality("lidar", kind="lidar", unit="m", resample="nearest")
THING = Modality("thing", unit="K")
MODALITIES = (RGB, LIDAR, DOLP, THING)


def frame(height: int = 40, width: int = 60) -> torch.Tensor:
    return 1 + 99 * torch.rand(4, 3, height, width, generator=generator_for(0))


def test_a_sensor_can_have_what_any_of_its_modalities_can() -> None:
    assert sensor_faults((RGB, DOLP), temporal=False) == (
        *("blackout", "overexposure", "underexposure", "motion_blur", "lens_dirt", "drift", "noise"),
    )
    assert sensor_faults((THING,), temporal=True) == ("blackout", "frozen_frame", "late_frame", "drift", "noise")


@pytest.mark.parametrize("fault", ["blackout", "overexposure", "motion_blur", "lens_dirt", "noise"])
def test_only_the_sensor_is_hit(fault: str) -> None:
    images = frame()
    before = images.clone()
    hit = hit_sensor(fault, images, MODALITIES, 3, places=(0, 2), generator=generator_for(1))
    assert torch.equal(images, before)
    assert torch.equal(hit[[1, 3]], images[[1, 3]])
    assert not torch.equal(hit[0], images[0])
    assert torch.equal(hit[2], images[2]) == (not applies(fault, DOLP))
    seed = int(torch.randint(2**62, (), generator=generator_for(1)))
    alone = apply_fault(fault, images[0], RGB, 3, torch.Generator().manual_seed(seed))
    assert torch.equal(hit[0], alone)


def test_the_same_part_of_the_view_is_hit() -> None:
    hit = hit_sensor("blackout", frame(), MODALITIES, 2, places=(0, 2), generator=generator_for(1))
    assert torch.equal(hit[0] == 0, hit[2] == -9)


def hits(probability: float, number: int) -> torch.Tensor:
    images, present = frame(8, 8), torch.ones(4, dtype=torch.bool)
    changed = []
    for seed in range(number):
        source = generator_for(seed, "hits")
        hit = hit_at_random(images, present, MODALITIES, probability=probability, generator=source)
        changed.append((hit != images).flatten(1).any(dim=1))
    return torch.stack(changed)


def test_each_sensor_breaks_on_its_own_with_the_probability() -> None:
    changed = hits(0.3, 400)
    camera, lidar = changed[:, 0] | changed[:, 2], changed[:, 1]
    # Some hits change nothing: the LiDAR's rings all survive, a drift below half a pixel.
    assert 0.2 < camera.float().mean() < 0.36
    assert 0.2 < lidar.float().mean() < 0.36
    assert abs((camera & lidar).float().mean() - camera.float().mean() * lidar.float().mean()) < 0.05
    assert not hits(0.0, 5).any()


def test_all_faults_and_severities_occur() -> None:
    image = torch.full((1, 3, 50, 4), 100.0)
    thing, here = (Modality("thing"),), torch.tensor([True])
    lost: set[int] = set()
    kinds = 0
    for seed in range(150):
        hit = hit_at_random(image, here, thing, probability=1.0, generator=generator_for(seed))[0, 0]
        rows = (hit == 0).all(dim=1)
        if torch.equal(hit == 0, rows[:, None].expand_as(hit)) and hit[~rows].eq(100).all():
            lost.add(int(rows.sum()))
        else:
            kinds += 1
    assert lost >= {10, 20, 30, 40, 50}  # blackouts of severities 1 to 5
    assert 60 < kinds < 130  # two of three are drift or noise
    assert sum(not fault.temporal and "" in fault.sorts for fault in FAULTS.values()) == 3


def test_absent_modalities_are_left_alone_and_change_no_draw_of_others() -> None:
    images = frame()
    images[0] = torch.nan
    gone = torch.tensor([False, True, True, True])
    all_here = torch.ones(4, dtype=torch.bool)
    for seed in range(10):
        hit = hit_at_random(images, gone, MODALITIES, probability=1.0, generator=generator_for(seed))
        assert hit[0].isnan().all()
        whole = hit_at_random(frame(), all_here, MODALITIES, probability=1.0, generator=generator_for(seed))
        assert torch.equal(hit[1:], whole[1:])
