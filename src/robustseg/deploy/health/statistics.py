"""Numbers by which a sick sensor's image differs from a healthy one's: of its pixels, and of the encoder's first maps.

Shapes: F statistics, C channels of the first stage, h w its size, H W size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from robustseg.data.resizing import resized_frame
from robustseg.deploy.predictor import Encoding
from robustseg.modalities import Modality
from robustseg.normalisation import normalise

BLOCK = 8
"""Side in pixels of the blocks that are looked at for a constant value."""

TILED = "too large to be judged: the frame is tiled, see Predictor(memory=...)"

TINY = 1e-4
"""Added before logarithms, in standard deviations of the modality."""

NAMES = (
    "pixels without a measurement",
    "pixels at the lowest value",
    "pixels at the highest value",
    "constant blocks",
    "constant rows",
    "constant columns",
    "level of channel 0",
    "level of channel 1",
    "level of channel 2",
    "contrast of channel 0",
    "contrast of channel 1",
    "contrast of channel 2",
    "noise",
    "stripes along rows",
    "stripes along columns",
    "sharpness",
)

_LAPLACIAN = torch.tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]]).expand(3, 1, 3, 3)


def statistics_of(encoding: Encoding, modality: Modality, span: tuple[float, float]) -> Float[Tensor, " F"]:
    """All statistics of an image at the size at which the network looks, as large images had no part in learning.

    Raises:
        ValueError: Its frame is tiled, so that it has no maps.
    """
    if not encoding.maps:
        raise ValueError(f"{modality.name}: {TILED}")
    image = encoding.image
    if encoding.looked != encoding.size:
        image = resized_frame(image[None], encoding.looked, [modality])[0]
    return statistics(image, modality, encoding.maps[0], span)


def statistics(
    image: Float[Tensor, "3 H W"],
    modality: Modality,
    first: Float[Tensor, "1 C h w"],
    span: tuple[float, float],
) -> Float[Tensor, " F"]:
    """All statistics of one image: those of `NAMES`, then mean and standard deviation of each first-stage channel.

    Args:
        image: In the modality's unit.
        modality: With the mean and std that the model was trained with.
        first: Its map of the encoder's first stage.
        span: The lowest and highest value that the modality's healthy images hold.
    """
    return torch.cat([_of_pixels(image.float().cpu(), modality, span), _of_maps(first.float().cpu())])


def statistic_names(count: int) -> tuple[str, ...]:
    """What each of `count` statistics is called in a reason."""
    return NAMES + ("unusual first-stage features",) * (count - len(NAMES))


def _of_pixels(image: Float[Tensor, "3 H W"], modality: Modality, span: tuple[float, float]) -> Float[Tensor, " F"]:
    low, high = span
    scaled = normalise(image[None], [modality])[0]
    shares = [
        (image == modality.missing).all(dim=0).float().mean(),
        (image <= low).all(dim=0).float().mean(),
        (image >= high).all(dim=0).float().mean(),
        _constant_blocks(image).float().mean(),
        _constant(image, (0, 2)).float().mean(),
        _constant(image, (0, 1)).float().mean(),
    ]
    across = scaled.diff(dim=2).abs().mean() if image.shape[2] > 1 else scaled.new_zeros(())
    along = scaled.diff(dim=1).abs().mean() if image.shape[1] > 1 else scaled.new_zeros(())
    sizes = [_noise(scaled), _roughness(scaled.mean(dim=2)), _roughness(scaled.mean(dim=1)), across + along]
    levels = [scaled.mean(dim=(1, 2)), scaled.std(dim=(1, 2), correction=0)]
    return torch.cat([torch.stack(shares), *levels, torch.stack(sizes).add(TINY).log()])


def _of_maps(first: Float[Tensor, "1 C h w"]) -> Float[Tensor, " _2C"]:
    return torch.cat([first[0].mean(dim=(1, 2)), first[0].std(dim=(1, 2), correction=0)])


def _constant_blocks(image: Float[Tensor, "3 H W"]) -> Bool[Tensor, "_h _w"]:
    """Which blocks hold one value only, in every channel."""
    side = min(BLOCK, *image.shape[1:])
    return (F.max_pool2d(image, side) == -F.max_pool2d(-image, side)).all(dim=0)


def _constant(image: Float[Tensor, "3 H W"], over: Sequence[int]) -> Bool[Tensor, " _n"]:
    """Which rows or columns hold one value in each channel: all axes but one are `over`, the channels' among them."""
    along = next(axis for axis in over if axis)
    return (image.amax(dim=along) == image.amin(dim=along)).all(dim=0)


def _noise(scaled: Float[Tensor, "3 H W"]) -> Float[Tensor, ""]:
    """Standard deviation of white noise that would give this response of a filter that is blind to planes and edges.

    Immerkaer, "Fast noise variance estimation" (1996).
    """
    if min(scaled.shape[1:]) < 3:
        return scaled.new_zeros(())
    response = F.conv2d(scaled[None], _LAPLACIAN, groups=3)
    return response.abs().mean() * (torch.pi / 2) ** 0.5 / 6


def _roughness(profile: Float[Tensor, "3 _n"]) -> Float[Tensor, ""]:
    """How much neighbouring rows, or columns, differ in their means beyond a slope."""
    if profile.shape[1] < 3:
        return profile.new_zeros(())
    return profile.diff(n=2, dim=1).abs().mean()
