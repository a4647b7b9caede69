import math

import pytest

from robustseg.modalities import Modality, leading

ONES = (1.0, 1.0, 1.0)


def test_a_camera_leads_where_there_is_one():
    modalities = [Modality("lidar"), Modality("rgb", photometric=True), Modality("nir")]
    assert leading([True, True, True], modalities) == 1
    assert leading([False, False, True], modalities) == 2
    with pytest.raises(ValueError, match="no modality"):
        leading([False] * 3, modalities)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_are_finite(value):
    for key in ("scale", "offset", "missing"):
        with pytest.raises(ValueError, match=f"'depth': {key} must be finite"):
            Modality("depth", **{key: value})
    with pytest.raises(ValueError, match="mean must be finite"):
        Modality("depth", mean=(0.0, value, 0.0), std=ONES)
    with pytest.raises(ValueError, match="std must be finite"):
        Modality("depth", mean=ONES, std=(1.0, 1.0, value))


def test_scale_is_not_zero():
    with pytest.raises(ValueError, match="scale 0"):
        Modality("depth", scale=0.0)


def test_a_lidar_may_tell_its_ranges() -> None:
    assert Modality("lidar", kind="lidar", unit="m").range_scale == 1
    assert Modality("lidar", kind="lidar", metres=0.25).range_scale == 0.25
    assert Modality("lidar", kind="lidar").range_scale == 0
    assert Modality("depth", kind="depth", unit="m").range_scale == 0
    with pytest.raises(ValueError, match="metres is a length of 0 or more, got -1"):
        Modality("lidar", metres=-1.0)
