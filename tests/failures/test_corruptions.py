"""Published corruptions against naive loops over the same draws, and against hand-worked numbers."""

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from robustseg.failures import NOISE_LEVELS, add_noise, drop_elements, drop_pixels, generator_for


def picture(height: int = 6, width: int = 9) -> Tensor:
    return torch.randn(3, height, width, generator=generator_for(0, "picture"))


def dice(seed: int = 1) -> Generator:
    return Generator().manual_seed(seed)


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.75])
def test_elements_drop_one_by_one(rate: float) -> None:
    image, draws = picture(), torch.rand(3, 6, 9, generator=dice())
    dropped = drop_elements(image, rate, dice())
    for place in torch.cartesian_prod(torch.arange(3), torch.arange(6), torch.arange(9)).tolist():
        c, y, x = place
        assert dropped[c, y, x] == (0 if draws[c, y, x] < rate else image[c, y, x])


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.75])
def test_pixels_drop_in_all_channels(rate: float) -> None:
    image, draws = picture(), torch.rand(6, 9, generator=dice())
    dropped = drop_pixels(image, rate, dice())
    for y, x in torch.cartesian_prod(torch.arange(6), torch.arange(9)).tolist():
        assert torch.equal(dropped[:, y, x], torch.zeros(3) if draws[y, x] < rate else image[:, y, x])


@pytest.mark.parametrize("drop", [drop_elements, drop_pixels])
def test_rates(drop: Callable[[Tensor, float, Generator], Tensor]) -> None:
    ones = torch.ones(3, 200, 200)
    for rate in (0.25, 0.5, 0.75):
        zeros = 1 - drop(ones, rate, dice()).mean().item()
        assert zeros == pytest.approx(rate, abs=0.01)  # 40,000 draws: 4 standard deviations
    assert torch.equal(drop(ones, 0.0, dice()), ones)
    assert not drop(ones, 1.0, dice()).any()
    with pytest.raises(ValueError, match=r"0\.\.1, got 75"):
        drop(ones, 75.0, dice())


@pytest.mark.parametrize("level", ["low", "mid", "high"])
@pytest.mark.parametrize("sort", ["camera", "event", "radar", ""])
def test_noise_against_a_loop(level: str, sort: str) -> None:
    image, source = picture(), dice()
    density, std = {"low": (0.05, 0.1), "mid": (0.1, 0.2), "high": (0.2, 0.5)}[level]
    number = int(density * 3 * 6 * 9 / 2)
    places = torch.randint(162, (2, number), generator=source)
    gauss = torch.randn(3, 6, 9, generator=source)
    expected = image.flatten().tolist()
    highest, lowest = max(expected), min(expected)
    for value, row in ((highest, places[0]), (lowest, places[1])):
        for place in row.tolist():
            expected[place] = value
    if sort != "event":
        expected = [value + std * extra for value, extra in zip(expected, gauss.flatten().tolist(), strict=True)]
    noisy = add_noise(image, level, sort, dice())  # pyright: ignore[reportArgumentType]
    assert noisy.flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_a_hand_worked_picture() -> None:
    image = torch.zeros(3, 4, 10)  # 120 elements
    image[0, 0, 0], image[2, 3, 9] = -5.0, 7.0
    for level, most in (("low", 3), ("mid", 6), ("high", 12)):  # D / 2 * 120
        noisy = add_noise(image, level, "event", dice(4))  # pyright: ignore[reportArgumentType]
        changed = noisy[noisy != image]
        assert set(changed.tolist()) <= {-5.0, 7.0}
        assert 0 < (noisy == 7).sum() <= most + 1
        assert 0 < (noisy == -5).sum() <= most + 1


def test_density_and_spread() -> None:
    image = torch.rand(3, 300, 300, generator=dice(9))
    for level, (density, std) in NOISE_LEVELS.items():
        salted = add_noise(image, level, "event", dice())
        share = (salted != image).double().mean().item()
        half = density / 2  # drawn with replacement, so a share exp(-half) of all elements is never drawn
        assert share == pytest.approx(1 - float(torch.tensor(-2 * half).exp()), abs=0.003)
        grain = add_noise(image, level, "camera", dice()) - salted
        assert grain.std().item() == pytest.approx(std, rel=0.02)
        assert grain.mean().item() == pytest.approx(0, abs=0.01)


def test_the_input_is_not_changed_and_draws_follow_the_key_alone() -> None:
    image = picture()
    before = image.clone()
    for corrupt in (drop_elements, drop_pixels):
        assert torch.equal(
            corrupt(image, 0.5, generator_for(0, "a", "rgb")), corrupt(image, 0.5, generator_for(0, "a", "rgb"))
        )
        assert not torch.equal(
            corrupt(image, 0.5, generator_for(0, "a", "rgb")), corrupt(image, 0.5, generator_for(0, "b", "rgb"))
        )
    add_noise(image, "high", "camera", dice())
    assert torch.equal(image, before)
