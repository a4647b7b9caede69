"""Exposure, blur and dirt in linear light, against hand-worked numbers and naive loops."""

import math

import numpy as np
import pytest
import torch

from robustseg.failures import apply_fault, generator_for
from robustseg.failures.optics import _line
from robustseg.modalities import Modality

CAMERA = Modality("rgb", kind="camera", photometric=True)
DOLP = Modality("dolp", kind="polarisation", unit="1", missing=-9.0)
DEPTH = Modality("depth", kind="depth")


def light(values: torch.Tensor) -> torch.Tensor:
    return (values.double() / 255) ** 2.2


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_stops_multiply_light(severity: int) -> None:
    values = torch.tensor([0.0, 1.0, 20.0, 100.0, 200.0, 255.0])
    image = values.expand(3, 1, 6).contiguous()
    over = apply_fault("overexposure", image, CAMERA, severity, generator_for(0))
    expected = [round(min(255.0, 255 * (2**severity * (v / 255) ** 2.2) ** (1 / 2.2))) for v in values.tolist()]
    assert over[1, 0].tolist() == pytest.approx(expected, abs=1e-3)
    bright = torch.full((3, 100, 100), 230.0)
    under = light(apply_fault("underexposure", bright, CAMERA, severity, generator_for(0)))
    assert under.mean().item() == pytest.approx(light(bright[0, 0, 0]).item() / 2**severity, rel=0.02)
    assert under.std().item() == pytest.approx(0.002, rel=0.3)  # the camera's own noise


def test_other_units_are_exposed_within_their_range() -> None:
    image = torch.rand(3, 8, 8, generator=generator_for(1))
    over = apply_fault("overexposure", image, Modality("nir", kind="camera", unit="1"), 1, generator_for(0))
    assert torch.allclose(over, (image * 2 ** (1 / 2.2)).clamp(max=image.max()), atol=1e-5)
    wide = (image * 4000).round()
    over = apply_fault("overexposure", wide, CAMERA, 1, generator_for(0))  # 12-bit counts
    assert torch.allclose(over, (wide * 2 ** (1 / 2.2)).clamp(max=wide.max()).round(), atol=1.01)


@pytest.mark.parametrize(("length", "angle"), [(0.3, 0.0), (4.0, 0.0), (7.0, math.pi / 2), (9.3, 0.7), (12.0, 2.5)])
def test_the_line_has_its_length_and_direction(length: float, angle: float) -> None:
    kernel = _line(length, angle)
    y, x = np.mgrid[: kernel.shape[0], : kernel.shape[1]] - kernel.shape[0] // 2
    assert kernel.sum() == pytest.approx(1)
    along = x * math.cos(angle) + y * math.sin(angle)
    across = -x * math.sin(angle) + y * math.cos(angle)
    assert (kernel * along).sum() == pytest.approx(0, abs=1e-4)
    assert (kernel * along**2).sum() == pytest.approx(length**2 / 12, abs=0.5 + 0.1 * length)  # of a uniform line
    assert (kernel * across**2).sum() < 0.3
    assert np.abs(along[kernel > 0]).max() <= length / 2 + 1.5


def test_blur_keeps_light_and_flat_images() -> None:
    flat = torch.full((3, 40, 60), 77.0)
    assert torch.allclose(apply_fault("motion_blur", flat, CAMERA, 5, generator_for(0)), flat, atol=1e-2)
    spark = torch.zeros(3, 101, 101)
    spark[:, 50, 50] = 255
    blurred = apply_fault("motion_blur", spark, CAMERA, 5, generator_for(0))
    assert light(blurred).sum().item() == pytest.approx(3, rel=1e-3)
    y, x = (blurred[0] > 1).nonzero().float().sub(50).T
    assert 8.08 / 2 - 1 < torch.hypot(x, y).max().item() < 8.08 / 2 + 2  # 8 % of 101 pixels


def test_blur_against_a_loop_that_leaves_missing_pixels_out() -> None:
    image = torch.rand(3, 14, 30, generator=generator_for(1))
    image[:, 3:6, 10:20] = DOLP.missing
    result = apply_fault("motion_blur", image, DOLP, 4, generator_for(2))
    kernel = _line(0.04 * 30, math.pi * float(torch.rand((), generator=generator_for(2))))
    reach = kernel.shape[0] // 2
    for y in range(14):
        for x in range(30):
            if image[0, y, x] == DOLP.missing:
                assert (result[:, y, x] == DOLP.missing).all()
                continue
            total, weight = np.zeros(3), 0.0
            for dy in range(-reach, reach + 1):
                for dx in range(-reach, reach + 1):
                    value = image[:, min(max(y + dy, 0), 13), min(max(x + dx, 0), 29)].numpy()
                    if value[0] != DOLP.missing:
                        total += kernel[dy + reach, dx + reach] * value
                        weight += kernel[dy + reach, dx + reach]
            assert result[:, y, x].numpy() == pytest.approx(total / weight, abs=1e-4)


def test_dirt_covers_its_share_and_grows() -> None:
    image = torch.full((3, 192, 256), 100.0)
    before = torch.zeros(192, 256, dtype=torch.bool)
    for severity, share in enumerate((0.05, 0.1, 0.2, 0.35, 0.5), start=1):
        empty = (apply_fault("lens_dirt", image, DEPTH, severity, generator_for(3)) == 0).all(dim=0)
        assert empty.float().mean().item() == pytest.approx(share, abs=0.01)
        assert empty[before].all()
        before = empty


def test_dirt_is_dark_and_brown_and_as_bright_as_the_frame() -> None:
    image = torch.full((3, 96, 128), 200.0)
    dirty = apply_fault("lens_dirt", image, CAMERA, 5, generator_for(3))
    darkest = light(dirty).amin(dim=(1, 2)) / light(image[0, 0, 0])
    assert darkest.tolist() == pytest.approx([0.30, 0.25, 0.20], abs=0.01)
    assert dirty.max().item() == pytest.approx(200, abs=1e-2)
