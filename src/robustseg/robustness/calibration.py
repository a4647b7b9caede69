"""How sure a model is, and how right it is then: pixels counted by confidence, and what follows from these counts.

The confidence of a pixel is the probability of its most likely class. Counts of frames, or of subsets, can be added;
everything below them is arithmetic on counts. Errors, risks and coverages are in percent, as all scores are.

Shapes: B batch, K classes, M modalities, H W size, Z bins of confidence; the last axis of counts holds pixels, correct
pixels and the sum of their confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.labels import IGNORE
from robustseg.models.upsampling import STRIP, first_largest, upsampled, upsampled_strips

BINS = 150
"""Equal bins of confidence 0..1 that are counted; it can be divided into 10, 15, 25 or 50 wider ones."""

UNIT = 2.0**24
"""Confidences are added as whole multiples of 1 / UNIT, so that sums are exact, whatever the order."""


@dataclass(frozen=True)
class Reliability:
    """How right a model is where it is so sure, bin by bin from unsure to sure; all in percent.

    Attributes:
        share: Of all pixels, that fall into the bin.
        accuracy: The bin's correct pixels; NaN where it is empty.
        confidence: The mean in the bin; NaN where it is empty.
    """

    share: Float[Tensor, "*B bins"]
    accuracy: Float[Tensor, "*B bins"]
    confidence: Float[Tensor, "*B bins"]


@torch.no_grad()
def most_likely(
    logits: Float[Tensor, "B K h w"],
    temperature: float | Float[Tensor, " B"] = 1.0,
    *,
    size: tuple[int, int] | None = None,
) -> tuple[Float[Tensor, "B H W"], Int64[Tensor, "B H W"]]:
    """The probability of the most likely class, 0..1, and the class, without the other classes' probabilities.

    p = 1 / sum_k exp((z_k - max z) / T), strip by strip, so that no tensor of K times the image's size is made.

    Args:
        logits: Of any float type.
        temperature: T, by which logits are divided; one for all, or one of each sample. It changes no class.
        size: Height and width that the logits are brought to first, bilinearly; None = theirs.
    """
    B, (H, W) = len(logits), size or logits.shape[-2:]
    sharpness = 1 / torch.as_tensor(temperature, dtype=torch.float32, device=logits.device).expand(B)
    confidence = torch.empty(B, H, W, device=logits.device)
    classes = torch.empty(B, H, W, dtype=torch.int64, device=logits.device)
    for samples, rows, strip in upsampled_strips(logits.float(), (H, W)):  # b K h W
        highest = strip.amax(dim=1)
        classes[samples, rows] = first_largest(strip, highest)
        sharper = (strip - highest[:, None]).mul_(sharpness[samples, None, None, None])
        confidence[samples, rows] = sharper.exp_().sum(dim=1).reciprocal_()
    return confidence, classes


@torch.no_grad()
def probability_of(
    logits: Float[Tensor, "B K h w"], classes: Int64[Tensor, "B H W"], temperature: float | Float[Tensor, " B"] = 1.0
) -> Float[Tensor, "B H W"]:
    """The probability of one class at each pixel, 0..1, without the other classes' probabilities.

    p = exp((z_c - max z) / T) / sum_k exp((z_k - max z) / T), strip by strip as in `most_likely`.

    Args:
        logits: Of any float type; brought to the classes' size first, bilinearly.
        classes: Which.
        temperature: See `most_likely`.
    """
    sharpness = 1 / torch.as_tensor(temperature, dtype=torch.float32, device=logits.device).expand(len(logits))
    found = torch.empty(classes.shape, device=logits.device)
    for samples, rows, strip in upsampled_strips(logits.float(), (classes.shape[-2], classes.shape[-1])):  # b K h W
        sharper = (strip - strip.amax(dim=1, keepdim=True)).mul_(sharpness[samples, None, None, None]).exp_()
        chosen = sharper.gather(1, classes[samples, rows][:, None])[:, 0]
        found[samples, rows] = chosen.div_(sharper.sum(dim=1))
    return found


@torch.no_grad()
def probabilities(
    logits: Float[Tensor, "B K h w"],
    temperature: float | Float[Tensor, " B"] = 1.0,
    *,
    size: tuple[int, int] | None = None,
) -> Float[Tensor, "B K H W"]:
    """The probabilities of all classes, 0..1; on CPUs nothing else of that size is made beside them.

    Args:
        logits: Of any float type.
        temperature: See `most_likely`.
        size: See `most_likely`.
    """
    B, K, (H, W) = *logits.shape[:2], size or logits.shape[-2:]
    sharpness = 1 / torch.as_tensor(temperature, dtype=torch.float32, device=logits.device).expand(B)
    found = torch.empty(B, K, H, W, device=logits.device)
    together = max(1, STRIP // (B * H * W))  # classes
    for small, large in zip(logits.split(together, dim=1), found.split(together, dim=1), strict=True):
        large.copy_(upsampled(small.float(), (H, W)))
    for rows in found.split(max(1, STRIP // (B * K * W)), dim=2):  # B K rows W
        rows.sub_(rows.amax(dim=1, keepdim=True)).mul_(sharpness[:, None, None, None]).exp_()
        rows.div_(rows.sum(dim=1, keepdim=True))
    return found


def confidence_counts(
    logits: Float[Tensor, "B K H W"],
    labels: Int64[Tensor, "B H W"],
    temperature: float | Float[Tensor, " B"] = 1.0,
) -> Float[Tensor, "B Z 3"]:
    """Pixels, correct pixels and the sum of confidence in `BINS` equal bins of confidence, for each sample.

    Bin z is z/Z <= confidence < (z + 1)/Z, the last one with its upper end; ignored pixels are left out.

    Args:
        logits: At the labels' size.
        labels: Train ids; 255 = ignored.
        temperature: See `most_likely`.

    Raises:
        ValueError: A logit is not finite.
    """
    confidence, classes = most_likely(logits, temperature)
    return bin_confidence(confidence, classes == labels, labels != IGNORE)


def bin_confidence(
    confidence: Float[Tensor, "B H W"], correct: Bool[Tensor, "B H W"], valid: Bool[Tensor, "B H W"]
) -> Float[Tensor, "B Z 3"]:
    """The counts of `confidence_counts`, from what `most_likely` gave and which pixels are right and which count.

    Raises:
        ValueError: A confidence is NaN.
    """
    B = len(confidence)
    place = (confidence * BINS).long().clamp_(0, BINS - 1)  # B H W; of NaN it is anything
    place += BINS * torch.arange(B, device=confidence.device)[:, None, None]
    place, sure = place[valid], confidence[valid].double()
    if bool(sure.sum().isnan()):
        raise ValueError("the model's logits are not finite: its confidence cannot be counted")
    pixels = torch.bincount(2 * place + correct[valid], minlength=2 * B * BINS).view(B, BINS, 2)  # wrong, right
    total = torch.bincount(place, weights=sure.mul_(UNIT).round_(), minlength=B * BINS).view(B, BINS) / UNIT
    return torch.stack([pixels.sum(dim=2).double(), pixels[..., 1].double(), total], dim=2).float()


def temperature_of(temperatures: Sequence[float], present: Bool[Tensor, "B M"]) -> Float[Tensor, " B"]:
    """Each sample's temperature: that of the number of modalities it has; 1 where none is known.

    Example:
        >>> temperature_of((1.5, 1.25), torch.tensor([[True, False], [True, True]])).tolist()
        [1.5, 1.25]
    """
    known = temperatures or (1.0,) * present.shape[1]
    return torch.tensor([1.0, *known], device=present.device)[present.sum(dim=1)]


def reliability(counts: Float[Tensor, "*B Z 3"], bins: int = 15) -> Reliability:
    """Accuracy against confidence in `bins` bins.

    Raises:
        ValueError: The counted bins cannot be divided into so many.
    """
    pixels, right, sure = _merged(counts, bins).unbind(dim=-1)  # *B bins
    return Reliability(100 * pixels / pixels.sum(dim=-1, keepdim=True), 100 * right / pixels, 100 * sure / pixels)


def expected_calibration_error(counts: Float[Tensor, "*B Z 3"], bins: int = 15) -> Float[Tensor, "*B"]:
    """ECE in percent: the mean over pixels of |accuracy - confidence| of their bin; NaN where there is no pixel.

    Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599), equation 3.

    Raises:
        ValueError: The counted bins cannot be divided into so many.
    """
    pixels, right, sure = _merged(counts, bins).unbind(dim=-1)
    return 100 * (right - sure).abs().sum(dim=-1) / pixels.sum(dim=-1)


def risk_coverage(counts: Float[Tensor, "*B Z 3"]) -> tuple[Float[Tensor, "*B Z"], Float[Tensor, "*B Z"]]:
    """Coverage and risk in percent, from the surest bin down: share of pixels kept, and share of these that are wrong.

    The risk is NaN as long as nothing is kept.
    """
    kept, wrong = _kept(counts)
    return 100 * kept / kept[..., -1:], 100 * wrong / kept


def area_under_risk_coverage(counts: Float[Tensor, "*B Z 3"]) -> Float[Tensor, "*B"]:
    """AURC in percent: the mean risk over all coverages, the pixels of a bin in random order; 0 is best.

    In a bin from coverage a to b with error rate e, where W is wrong before it, the risk at c is (W + e (c - a)) / c,
    whose integral is e (b - a) + (W - e a) ln(b / a). NaN where there is no pixel.
    """
    kept, wrong = _kept(counts)  # *B Z
    b, after = kept / kept[..., -1:], wrong / kept[..., -1:]
    a, before = (torch.cat([torch.zeros_like(x[..., :1]), x[..., :-1]], dim=-1) for x in (b, after))
    rate = ((after - before) / (b - a)).where(b > a, 0.0)
    curved = ((before - rate * a) * (b / a).log()).where((a > 0) & (b > a), 0.0)
    area = (rate * (b - a) + curved).sum(dim=-1)
    return 100 * area.where(kept[..., -1] > 0, torch.nan)


def coverage_at_risk(counts: Float[Tensor, "*B Z 3"], risk: float) -> Float[Tensor, "*B"]:
    """The largest share of pixels in percent that a threshold between two bins can keep with at most this risk.

    Args:
        counts: See `confidence_counts`.
        risk: The share of wrong pixels among those kept, in percent.

    Returns:
        0 where no threshold does it, NaN where there is no pixel.
    """
    coverage, risks = risk_coverage(counts)
    return coverage.where(risks <= risk, 0.0).amax(dim=-1).where(coverage[..., -1] > 0, torch.nan)


def _kept(counts: Float[Tensor, "*B Z 3"]) -> tuple[Float[Tensor, "*B Z"], Float[Tensor, "*B Z"]]:
    """Pixels that are at least so sure, and the wrong ones among them, from the surest bin down."""
    pixels, right, _ = counts.double().flip(-2).unbind(dim=-1)
    return pixels.cumsum(dim=-1), (pixels - right).cumsum(dim=-1)


def _merged(counts: Float[Tensor, "*B Z 3"], bins: int) -> Float[Tensor, "*B bins 3"]:
    """Neighbouring bins put together."""
    if bins < 1 or counts.shape[-2] % bins:
        raise ValueError(f"{counts.shape[-2]} counted bins cannot be divided into {bins}")
    return counts.double().unflatten(-2, (bins, -1)).sum(dim=-2)
