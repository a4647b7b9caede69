"""One temperature for each number of modalities: with fewer sensors a network is wrong more often, but just as sure.

Logits divided by the temperature give probabilities that agree better with how often the network is right; no label
changes. Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599), section 4.2.

Shapes: S subsets, M modalities, P pixels, K classes, T temperatures.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from robustseg.data.resizing import padded
from robustseg.data.sample import Frames, Sample
from robustseg.data.stats import spread
from robustseg.data.transforms import sample_generator
from robustseg.labels import IGNORE
from robustseg.modalities import Modality
from robustseg.models.segmenter import Segmenter
from robustseg.normalisation import normalise
from robustseg.robustness.evaluate import as_trained

LOWEST, HIGHEST = 0.1, 10.0
TRIED = 41
"""Temperatures between the two, each 1.12 times the one before; the best of them is refined by a parabola."""

PIXEL_STREAM = 4
DECIMALS = 4

Progress = Callable[[int, int], None]


def fit_temperatures(
    model: Segmenter,
    frames: Frames,
    subsets: Bool[Tensor, "S M"],
    *,
    limit: int = 200,
    pixels: int = 512,
    progress: Progress | None = None,
) -> tuple[float, ...]:
    """The temperature of each number of modalities, 1 to M, that minimises the negative log-likelihood.

    All subsets of one size share one; a frame that lacks some of a subset says nothing about its size. Sizes that
    nothing is known of, where `subsets` are few or frames incomplete, get what lies between their neighbours'.
    Every frame is encoded once. Kept are sums for `TRIED` temperatures, however many frames there are.

    Args:
        model: Left where it is, and in the mode it was in.
        frames: To fit on, other than those that are reported; of the model's modalities, with labels. Their images are
            normalised as in the model's training.
        subsets: Which subsets of the modalities to look at.
        limit: At most so many frames, spread evenly.
        pixels: At most so many labelled pixels of each, drawn by a frame's place alone.
        progress: Called with (done, all) after every frame.

    Raises:
        ValueError: No pixel is labelled, or logits are not finite.
    """
    losses = torch.zeros(subsets.shape[1], TRIED, dtype=torch.float64)
    seen = torch.zeros(subsets.shape[1], dtype=torch.int64)
    places = spread(len(frames), limit)
    modalities = as_trained(model, frames)
    training = model.training
    model.eval()
    with torch.inference_mode():
        for done, place in enumerate(places):
            sample = frames[place]
            chosen = labelled_pixels(sample.labels, pixels, place)
            usable = subsets[(subsets <= sample.present).all(dim=1)]
            if len(chosen) and len(usable):
                seen += len(chosen) * torch.bincount(usable.sum(dim=1) - 1, minlength=len(seen))
                losses += frame_losses(model, sample, modalities, usable, chosen).cpu()
            if progress:
                progress(done + 1, len(places))
    model.train(training)
    return best_temperatures(losses, seen)


def tried_temperatures() -> Float64[Tensor, " T"]:
    """The temperatures that are tried, in rising order."""
    return torch.logspace(math.log10(LOWEST), math.log10(HIGHEST), TRIED, dtype=torch.float64)


def labelled_pixels(labels: Int64[Tensor, "h w"], most: int, place: int) -> Int64[Tensor, " P"]:
    """Places of labelled pixels in the flat label image: all, or `most` drawn by the frame's place."""
    labelled = (labels.flatten() != IGNORE).nonzero().squeeze(1)
    if len(labelled) <= most:
        return labelled
    return labelled[torch.randperm(len(labelled), generator=sample_generator(0, 0, place, PIXEL_STREAM))[:most]]


def frame_losses(
    model: Segmenter,
    sample: Sample,
    modalities: tuple[Modality, ...],
    subsets: Bool[Tensor, "S M"],
    pixels: Int64[Tensor, " P"],
) -> Float64[Tensor, "M T"]:
    """For each subset size the sum of negative log-likelihoods over pixels and subsets, at each tried temperature."""
    device = next(model.parameters()).device
    images = normalise(sample.images[None].to(device), modalities)
    height, width = images.shape[-2:]
    images = padded(images)
    encoded = model.encode_batch(images, sample.present[None].to(device))
    labels, pixels = sample.labels.flatten()[pixels].to(device), pixels.to(device)
    losses = torch.zeros(len(modalities), TRIED, dtype=torch.float64, device=device)
    for subset in subsets.to(device):
        fused = model.fuse(encoded.maps, encoded.sample, encoded.modality, subset[None])
        logits = model.decode(fused, (images.shape[-2], images.shape[-1]))[..., :height, :width].float()
        if logits.shape[-2:] != sample.labels.shape:
            logits = F.interpolate(logits, size=tuple(sample.labels.shape), mode="bilinear", align_corners=False)
        losses[subset.sum() - 1] += likelihood_losses(logits[0].flatten(1)[:, pixels].T, labels)
    return losses


def likelihood_losses(logits: Float[Tensor, "P K"], labels: Int64[Tensor, " P"]) -> Float64[Tensor, " T"]:
    """The sum over pixels of -log softmax(logits / T)[label], at each tried temperature."""
    sharpness = tried_temperatures().reciprocal().to(logits)[:, None]  # T 1
    below = logits - logits.amax(dim=1, keepdim=True)  # P K; at most 0, so that no exponential overflows
    rest = torch.einsum("pk,to->tpk", below, sharpness).exp_().sum(dim=2).log_()  # T P
    own = below.gather(1, labels[:, None]).squeeze(1)  # P
    return (rest - sharpness * own).sum(dim=1, dtype=torch.float64)


def best_temperatures(losses: Float64[Tensor, "M T"], seen: Int64[Tensor, " M"]) -> tuple[float, ...]:
    """The lowest point of the parabola through the best tried temperature and its neighbours, in log T.

    Args:
        losses: Of each subset size at each tried temperature.
        seen: Pixels of each size; where there is none, log T is interpolated between the sizes.

    Raises:
        ValueError: There is none of any size, or losses are not finite.
    """
    if not bool(seen.any()):
        raise ValueError("no frame to fit temperatures on has a labelled pixel: name another split")
    if not bool(losses.isfinite().all()):
        raise ValueError("the model's logits are not finite: no temperature can be fitted")
    tried = tried_temperatures().log()
    best = losses.argmin(dim=1)  # M
    place = best.clamp(1, TRIED - 2)
    left, middle, right = (losses.gather(1, (place + step)[:, None]).squeeze(1) for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = (0.5 * (left - right) / bend).where((bend > 0) & (place == best), 0.0)  # M, in steps; at the ends none
    log = tried[best] + shift * (tried[1] - tried[0])
    known = seen.nonzero().squeeze(1).numpy()
    filled = np.exp(np.interp(np.arange(len(log)), known, log.numpy()[known]))
    return tuple(round(value, DECIMALS) for value in filled.clip(LOWEST, HIGHEST).tolist())
