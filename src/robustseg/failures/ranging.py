"""Faults of LiDARs: lost beams, and echoes that rain and fog swallow.

A projected image does not say which beam a pixel is of, nor, in counts, how far away it is unless the modality says so.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Generator

from robustseg.failures.pixels import Image, emptied, uniform
from robustseg.failures.readout import focal_length
from robustseg.modalities import Modality

BEAMS = 64
"""Bands of equal elevation that the image is cut into; one that holds no ring is lost without effect."""

CONTRAST = 0.02
"""Visibility is the distance at which this much contrast is left (Koschmieder)."""

REACH = 100.0
"""Range in metres at which half of the pulses return in clear air."""

UNKNOWN_RANGE = 20.0
"""Metres, where the image does not tell."""


def beam_loss(image: Image, modality: Modality, share: float, generator: Generator) -> Image:
    """A random `share` of the beams is lost.

    A ring of one elevation is a row that bends towards the horizon at the sides; bands follow this curve for a camera
    that looks level with the assumed field of view. Where the projection is another, a ring may be lost in part.
    """
    lost = torch.randperm(BEAMS, generator=generator).numpy()[: round(share * BEAMS)]
    return emptied(image, np.isin(_beams(*image.shape[1:]), lost), modality)


def _beams(height: int, width: int) -> Int64[np.ndarray, "H W"]:
    """The band of each pixel, 0 at the top."""
    focal = focal_length(width)
    down = (np.arange(height) + 0.5 - height / 2)[:, None]
    aside = (np.arange(width) + 0.5 - width / 2)[None, :]
    elevation = np.arctan(down / np.hypot(focal, aside))
    steepest = math.atan(height / 2 / focal)
    return np.floor((elevation / steepest + 1) / 2 * BEAMS).astype(np.int64).clip(0, BEAMS - 1)


def range_loss(image: Image, modality: Modality, visibility: float, generator: Generator) -> Image:
    """Each echo is lost with a probability that grows with its range; equally everywhere if the range is unknown.

    The range is channel 0, in steps of `modality.range_scale` metres. Where it is unknown, every echo is taken to come
    from `UNKNOWN_RANGE`.
    """
    scale = modality.range_scale
    metres = image[0] * np.float32(scale) if scale else np.full_like(image[0], UNKNOWN_RANGE)
    kept = survival(metres, visibility)
    return emptied(image, uniform(generator, *metres.shape) >= kept, modality)


def survival(metres: Float32[np.ndarray, "H W"], visibility: float) -> Float32[np.ndarray, "H W"]:
    """Probability that a pulse which returns in clear air also returns through this visibility.

    The power that comes back falls with 1 / range^2, and with exp(-2 * extinction * range) on its way there and back
    (Beer-Lambert), where extinction = -ln(0.02) / visibility. A pulse of power p, 1 = what is seen half of the time, is
    seen with probability p / (1 + p).
    """
    extinction = -math.log(CONTRAST) / visibility
    clear = (REACH / np.maximum(metres, 1.0)) ** 2
    through = np.exp(np.float32(-2 * extinction) * np.maximum(metres, 0))
    return (through * (1 + clear) / (1 + clear * through)).astype(np.float32)
