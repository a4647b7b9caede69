import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from robustseg.data.resizing import resized_frame
from robustseg.deploy.health.statistics import BLOCK, NAMES, TINY, statistic_names, statistics, statistics_of
from robustseg.deploy.predictor import Predictor
from robustseg.modalities import Modality

MODALITY = Modality("depth", mean=(20.0, 10.0, 5.0), std=(10.0, 5.0, 2.0), missing=-1.0)
SPAN = (-1.0, 60.0)


def image(height: int = 32, width: int = 48, seed: int = 0) -> torch.Tensor:
    return 60 * torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def first(channels: int = 5) -> torch.Tensor:
    return torch.randn(1, channels, 8, 12, generator=torch.Generator().manual_seed(1))


def named(found: torch.Tensor) -> dict[str, float]:
    return dict(zip(NAMES, found.tolist()[: len(NAMES)], strict=True))


def test_shares_by_hand() -> None:
    """A black sector of 16 columns, a white block of 8x8, one white row."""
    picture = image()
    picture[:, :, :16] = -1.0
    picture[:, 8:16, 16:24] = 60.0
    picture[:, 31] = 60.0
    found = named(statistics(picture, MODALITY, first(), SPAN))
    assert found["pixels without a measurement"] == pytest.approx(31 * 16 / (32 * 48))
    assert found["pixels at the lowest value"] == pytest.approx(31 * 16 / (32 * 48))
    assert found["pixels at the highest value"] == pytest.approx((64 + 48) / (32 * 48))
    assert found["constant blocks"] == pytest.approx((2 * 3 + 1) / (4 * 6))
    assert found["constant rows"] == pytest.approx(1 / 32)
    assert found["constant columns"] == 0
    picture[:, 31, :16] = -1.0
    assert named(statistics(picture, MODALITY, first(), SPAN))["constant columns"] == pytest.approx(16 / 48)


def test_levels_and_maps_are_means_and_deviations() -> None:
    picture, maps = image(), first()
    found = statistics(picture, MODALITY, maps, SPAN)
    scaled = (picture.numpy() - np.array([20, 10, 5.0])[:, None, None]) / np.array([10, 5, 2.0])[:, None, None]
    np.testing.assert_allclose(found[6:9], scaled.mean(axis=(1, 2)), rtol=1e-4)
    np.testing.assert_allclose(found[9:12], scaled.std(axis=(1, 2)), rtol=1e-4)
    np.testing.assert_allclose(found[len(NAMES) : len(NAMES) + 5], maps[0].numpy().mean(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(found[len(NAMES) + 5 :], maps[0].numpy().std(axis=(1, 2)), atol=1e-5)
    assert len(statistic_names(len(found))) == len(found)


def test_noise_is_that_of_white_noise_and_blind_to_planes() -> None:
    plain = replace(MODALITY, mean=(0.0,) * 3, std=(1.0,) * 3)
    plane = torch.arange(64.0)[:, None] + 2 * torch.arange(80.0)
    noise = 3 * torch.randn(3, 64, 80, generator=torch.Generator().manual_seed(0))
    log = named(statistics(plane + noise, plain, first(), SPAN))["noise"]
    assert math.exp(log) - TINY == pytest.approx(3, rel=0.05)
    assert named(statistics(plane.expand(3, -1, -1), plain, first(), SPAN))["noise"] == pytest.approx(
        math.log(TINY), abs=0.1
    )


def test_stripes_are_told_by_their_direction() -> None:
    plain = replace(MODALITY, mean=(0.0,) * 3, std=(1.0,) * 3)
    stripes = torch.randn(64, generator=torch.Generator().manual_seed(0))
    along = named(statistics(stripes[:, None].expand(3, 64, 80), plain, first(), SPAN))
    across = named(statistics(stripes.expand(3, 80, 64), plain, first(), SPAN))
    rows = stripes.diff(n=2).abs().mean().item()
    assert math.exp(along["stripes along rows"]) == pytest.approx(rows, rel=1e-3)
    assert along["stripes along columns"] == pytest.approx(math.log(TINY), abs=1e-3)
    assert across["stripes along columns"] == pytest.approx(along["stripes along rows"], abs=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (BLOCK - 1, 40), (3, 1)])
def test_any_size(size: tuple[int, int]) -> None:
    assert statistics(image(*size), MODALITY, first(), SPAN).isfinite().all()


def test_statistics_are_those_at_the_size_at_which_the_network_looks(toy_model) -> None:
    """A rig's images are larger than training frames, which were resized when they were read."""
    predictor, modality = Predictor(toy_model), toy_model.card.modalities[0]
    picture = image(64, 96)
    small = resized_frame(picture[None], (32, 48), [modality])[0]
    large = predictor.encode(modality.name, picture.movedim(0, -1), size=(32, 48))
    read = Predictor(toy_model).encode(modality.name, small.movedim(0, -1))
    assert large.size == (64, 96)
    assert torch.allclose(statistics_of(large, modality, SPAN), statistics_of(read, modality, SPAN), atol=1e-5)
