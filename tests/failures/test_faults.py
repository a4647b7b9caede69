"""What every fault promises: determinism, range, missing pixels, severities in order."""

from itertools import product

import pytest
import torch
from torch import Tensor

from robustseg.failures import FAULTS, SEVERITIES, applies, apply_fault, generator_for, stale
from robustseg.modalities import Modality

CAMERA = Modality("rgb", kind="camera", photometric=True)
FRAMED = Modality("nir", kind="camera", missing=-1.0)
DEPTH = Modality("depth", kind="depth", resample="nearest")
EVENT = Modality("event", kind="event", resample="nearest")
LIDAR = Modality("lidar", kind="lidar", unit="m", resample="nearest")
COUNTED = Modality("lidar8", kind="lidar", resample="nearest")
RADAR = Modality("radar", kind="radar", unit="m", resample="nearest", missing=-2.0)
DOLP = Modality("dolp", kind="polarisation", unit="1", missing=-9.0)
UNKNOWN = Modality("thing", unit="K", missing=-5.0)
ALL = (CAMERA, FRAMED, DEPTH, EVENT, LIDAR, COUNTED, RADAR, DOLP, UNKNOWN)
NOW = [name for name, fault in FAULTS.items() if not fault.temporal]
PAIRS = [(name, modality) for name, modality in product(NOW, ALL) if applies(name, modality)]
ADDS = {("noise", sort) for sort in ("event", "lidar", "radar")}
"""Faults that see what is not there."""
STAY = [(name, m) for name, m in PAIRS if name != "drift" and m is not CAMERA and (name, m.sort) not in ADDS]
"""A camera's 0 is black; drift moves pixels."""

each_pair = pytest.mark.parametrize(("fault", "modality"), PAIRS, ids=[f"{name}-{m.name}" for name, m in PAIRS])


def image_of(modality: Modality, height: int = 48, width: int = 64) -> Tensor:
    """Whole counts of 0..255, sparse where the sensor is; other units lie in 0..90."""
    source = generator_for(0, modality.name)
    image = torch.rand(3, height, width, generator=source) * (256 if modality.unit == "counts" else 90)
    image = image.floor() if modality.unit == "counts" else image
    share = 0.1 if modality.sort in ("lidar", "radar", "event") else 0.9
    return torch.where(torch.rand(height, width, generator=source) < share, image, modality.missing)


def broken(fault: str, modality: Modality, severity: int, seed: int = 0) -> Tensor:
    return apply_fault(fault, image_of(modality), modality, severity, generator_for(seed, fault))


@each_pair
def test_size_type_range_and_input(fault: str, modality: Modality) -> None:
    image = image_of(modality)
    before = image.clone()
    low, high = min(0.0, image.min().item()), max(image.max().item(), 255 if modality.unit == "counts" else 0)
    for severity in SEVERITIES:
        result = apply_fault(fault, image, modality, severity, generator_for(0, fault))
        assert (result.shape, result.dtype) == (image.shape, image.dtype)
        assert torch.equal(image, before)
        assert result.isfinite().all()
        assert low <= result.min()
        assert result.max() <= high
        assert result.data_ptr() != image.data_ptr()
    half = apply_fault(fault, image.double(), modality, 3, generator_for(0, fault))
    assert half.dtype == torch.float64


@pytest.mark.parametrize(("fault", "modality"), STAY, ids=[f"{name}-{m.name}" for name, m in STAY])
def test_missing_pixels_stay_missing(fault: str, modality: Modality) -> None:
    absent = (image_of(modality) == modality.missing).all(dim=0)
    assert absent.any()
    for severity in SEVERITIES:
        assert (broken(fault, modality, severity)[:, absent] == modality.missing).all()


@each_pair
def test_a_seed_gives_one_result_and_severities_are_in_order(fault: str, modality: Modality) -> None:
    image = image_of(modality)
    assert torch.equal(broken(fault, modality, 4, seed=3), broken(fault, modality, 4, seed=3))
    sizes = [(broken(fault, modality, severity) - image).abs().mean().item() for severity in SEVERITIES]
    assert sizes[-1] > sizes[0]
    if fault != "drift":  # of unrelated pixels, one place is as wrong as another
        assert sizes == sorted(sizes)
    if fault not in ("overexposure", "underexposure", "range_loss"):
        assert not torch.equal(broken(fault, modality, 4, seed=3), broken(fault, modality, 4, seed=4))


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (33, 7)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    for fault, modality in PAIRS:
        image = image_of(modality, *size)
        assert apply_fault(fault, image, modality, 5, generator_for(0)).shape == image.shape


def test_nothing_seen_is_no_trouble() -> None:
    for fault, modality in PAIRS:
        empty = torch.full((3, 12, 16), modality.missing)
        result = apply_fault(fault, empty, modality, 5, generator_for(0))
        assert result.isfinite().all()
        if modality.sort in ("lidar", "radar", "depth", "polarisation"):
            assert torch.equal(result, empty)


def test_the_table() -> None:
    assert list(FAULTS) == [
        *("blackout", "frozen_frame", "late_frame", "overexposure", "underexposure", "motion_blur", "lens_dirt"),
        *("beam_loss", "range_loss", "drift", "noise"),
    ]
    for name, fault in FAULTS.items():
        assert fault.name == name
        assert list(fault.values) in (sorted(set(fault.values)), sorted(set(fault.values), reverse=True))
        assert fault.about
        assert fault.unit
    assert [name for name in FAULTS if applies(name, UNKNOWN)] == [
        *("blackout", "frozen_frame", "late_frame", "drift", "noise"),
    ]
    assert [name for name in FAULTS if not applies(name, LIDAR)] == ["overexposure", "underexposure", "motion_blur"]


def test_late_frames_are_old_and_frozen_frames_are_held() -> None:
    for severity in SEVERITIES:
        frames = int(FAULTS["late_frame"].values[severity - 1])
        assert [stale("late_frame", severity, now) for now in range(30)] == list(range(-frames, 30 - frames))
        frames = int(FAULTS["frozen_frame"].values[severity - 1])
        held = [n for n in range(30) for _ in range(frames) if n % frames == 0][:30]
        assert [stale("frozen_frame", severity, now) for now in range(30)] == held


def test_errors_say_what_to_do() -> None:
    image, source = image_of(CAMERA), generator_for(0)
    with pytest.raises(ValueError, match="no fault 'rust'; known are blackout, "):
        applies("rust", CAMERA)
    with pytest.raises(ValueError, match="severity of drift is 1 to 5, got 0"):
        apply_fault("drift", image, CAMERA, 0, source)
    with pytest.raises(ValueError, match=r"beam_loss cannot happen to rgb \(kind 'camera'\)"):
        apply_fault("beam_loss", image, CAMERA, 1, source)
    with pytest.raises(ValueError, match="late_frame shows another frame of the sequence: call stale"):
        apply_fault("late_frame", image, CAMERA, 1, source)
    with pytest.raises(ValueError, match="noise happens within a frame: call apply_fault"):
        stale("noise", 1, 0)
    with pytest.raises(ValueError, match="count from 0, got -1"):
        stale("late_frame", 1, -1)
