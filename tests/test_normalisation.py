"""Normalisation against a loop."""

import pytest
import torch

from robustseg.modalities import Modality
from robustseg.normalisation import normalise

MODALITIES = (
    Modality("rgb", mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)),
    Modality("depth", mean=(-7.0, 0.0, 8.0), std=(0.5, 1.0, 9.0)),
)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 2, 3, 4, 5)])
def test_each_channel_by_its_own_numbers(shape):
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    result = normalise(images, MODALITIES)
    assert torch.equal(images, before)
    for place, modality in enumerate(MODALITIES):
        for channel in range(3):
            expected = (images[..., place, channel, :, :] - modality.mean[channel]) / modality.std[channel]
            assert torch.equal(result[..., place, channel, :, :], expected)


def test_statistics_must_be_known():
    with pytest.raises(ValueError, match=r"no mean and std for \['lidar'\]: measure them"):
        normalise(torch.zeros(1, 3, 2, 2), [Modality("lidar")])
