"""The corruptions of published benchmarks (arXiv 2503.18445), of one modality's image after normalisation.

Random missing (RMM): elements or pixels become 0. Noise (NM): salt and pepper, then Gaussian noise. There they are
drawn for a modality's whole batch; here for each frame, which is the same at batch size 1 and does not depend on it.
Random numbers are drawn where the generator lives, so that they are the same on every device.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

Level = Literal["low", "mid", "high"]

NOISE_LEVELS: dict[Level, tuple[float, float]] = {"low": (0.05, 0.1), "mid": (0.1, 0.2), "high": (0.2, 0.5)}
"""Density of salt and pepper together, and standard deviation of the Gaussian noise."""


def drop_elements(image: Float[Tensor, "3 H W"], rate: float, generator: Generator) -> Float[Tensor, "3 H W"]:
    """Each element, that is each channel of each pixel on its own, is 0 with probability `rate`."""
    return _kept(image, image.shape, rate, generator)


def drop_pixels(image: Float[Tensor, "3 H W"], rate: float, generator: Generator) -> Float[Tensor, "3 H W"]:
    """Each pixel is 0 in all channels with probability `rate`."""
    return _kept(image, image.shape[1:], rate, generator)


def _kept(
    image: Float[Tensor, "3 H W"], shape: torch.Size, rate: float, generator: Generator
) -> Float[Tensor, "3 H W"]:
    if not 0 <= rate <= 1:
        raise ValueError(f"the rate is a share, 0..1, got {rate}")
    noise = torch.rand(shape, generator=generator, device=generator.device)  # below 1, so rate 1 keeps nothing
    return image.masked_fill((noise < rate).to(image.device), 0)


def add_noise(image: Float[Tensor, "3 H W"], level: Level, sort: str, generator: Generator) -> Float[Tensor, "3 H W"]:
    """Salt and pepper, then Gaussian noise on all sorts of sensors but events.

    First int(density / 2 * elements) elements become the image's maximum, then as many its minimum. Their places are
    drawn with replacement, and pepper may fall on salt, so a little less than the density changes. The extremes are
    over all channels of the image before the noise. Gaussian noise comes on top and is not clipped.

    Args:
        image: After normalisation.
        level: See `NOISE_LEVELS`.
        sort: The modality's `sort`.
        generator: Keyed by frame and modality, see `generator_for`.

    Raises:
        ValueError: There is no such level.
    """
    if level not in NOISE_LEVELS:
        raise ValueError(f"noise is {', '.join(NOISE_LEVELS)}, not {level!r}")
    density, std = NOISE_LEVELS[level]
    elements = image.numel()
    number = int(density * elements / 2)
    salt, pepper = torch.randint(elements, (2, number), generator=generator, device=generator.device).to(image.device)
    noisy = image.flatten().clone()
    noisy[salt] = image.max()
    noisy[pepper] = image.min()
    noisy = noisy.view_as(image)
    if sort == "event":
        return noisy
    gauss = torch.randn(image.shape, generator=generator, device=generator.device)
    return noisy + std * gauss.to(noisy)
