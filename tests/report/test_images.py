import numpy as np
import pytest
import torch

from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.report.images import display_image, overlay

CLASSES = (LabelClass("road", (200, 0, 0)), LabelClass("car", (0, 0, 200)))


def test_a_camera_keeps_its_counts() -> None:
    image = torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(0)) * 255
    shown = display_image(image, Modality("rgb", photometric=True))
    np.testing.assert_array_equal(shown, image.round().byte().permute(1, 2, 0).numpy())


def test_other_sensors_are_stretched_and_missing_pixels_are_black() -> None:
    image = torch.linspace(3, 60, 200).reshape(1, 10, 20).repeat(3, 1, 1)
    image[1] = 7.0  # no contrast
    image[:, 0, :5] = 0.0
    shown = display_image(image, Modality("depth", unit="m"))
    assert (shown[0, :5] == 0).all()
    assert shown[..., 0].max() == 255
    assert set(shown[1:, :, 1].flatten().tolist()) == {128}
    rising = shown[2:, :, 0].flatten().astype(int)
    assert (np.diff(rising) >= 0).all()


def test_nothing_seen_is_black_and_nan_is_missing() -> None:
    assert display_image(torch.full((3, 4, 4), torch.nan), Modality("lidar")).max() == 0
    assert display_image(torch.zeros(3, 4, 4), Modality("lidar")).max() == 0


def test_an_overlay_mixes_and_leaves_ignored_pixels() -> None:
    image = np.full((1, 3, 3), (30, 60, 90), np.uint8)
    labels = np.array([[0, 1, 255]])
    solid = overlay(image, labels, CLASSES, alpha=1.0)
    assert solid.tolist() == [[[200, 0, 0], [0, 0, 200], [30, 60, 90]]]
    half = overlay(image, labels, CLASSES, alpha=0.5)
    grey = [0.4 * value + 0.6 * 60 for value in (30, 60, 90)]
    assert half[0, 0].tolist() == [round(0.5 * a + 0.5 * b) for a, b in zip(grey, (200, 0, 0), strict=True)]
    with pytest.raises(ValueError, match="between 0 and 1"):
        overlay(image, labels, CLASSES, alpha=2.0)
