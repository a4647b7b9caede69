"""From examples of a modality's images, healthy and broken, to its profile.

Shapes: N examples, F statistics, U hidden units, K classes.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor, nn

from robustseg.deploy.health.profile import Profile, standardised

UNITS = 32
STEPS = 800
RATE = 0.01
DECAY = 0.7
"""Of the small network; DECAY is AdamW's."""

HUBER = 10.0
"""Points beyond which an example's error counts linearly."""

SCALE = 5.0
"""Points that count as much as a wrong guess of whether an image is broken."""

ROOM = 0.5
"""How much farther than the oddest healthy image an unusual one is, of that one's distance from the median."""

LEAST_STD = 1e-3


def influence(change: Int64[Tensor, "*B K 3"], usual: Float[Tensor, "K 3"]) -> Float[Tensor, "*B"]:
    """What a change of one frame's counts does to a dataset's mIoU, times its number of frames, in points.

    The derivative of IoU_k = TP_k / U_k with U = TP + FP + FN: (dTP_k - IoU_k dU_k) / U_k, mean over the classes.

    Args:
        change: Of TP, FP and FN.
        usual: The dataset's counts, mean over its frames.
    """
    union = usual.sum(dim=-1)  # K
    occurs = union > 0
    rate = (usual[:, 0] / union)[occurs]
    gained = change[..., 0][..., occurs] - rate * change.sum(dim=-1)[..., occurs]
    return 100 * (gained / union[occurs]).mean(dim=-1)


def fitted(
    seen: Float[Tensor, "N F"],
    broken: Bool[Tensor, " N"],
    gain: Float[Tensor, " N"],
    *,
    aside: Float[Tensor, "_A F"],
    span: tuple[float, float],
    seed: int,
) -> Profile:
    """The profile of a modality.

    Args:
        seen: Statistics of its images.
        broken: Which of them are.
        gain: Points of mIoU that leaving each out brought.
        aside: Statistics of healthy images that are not among them, where there are enough.
        span: The lowest and highest value of healthy images.
        seed: Of the small network's first weights.
    """
    healthy, count = seen[~broken], seen.shape[1]
    profile = Profile(
        mean=healthy.mean(dim=0),
        std=healthy.std(dim=0, correction=0).clamp(min=LEAST_STD),
        inward=torch.eye(count),
        hidden=torch.zeros(UNITS, count),
        hidden_bias=torch.zeros(UNITS),
        out=torch.zeros(2, UNITS + 1),
        limits=torch.zeros(5),
    )
    profile = replace(profile, inward=_inward(standardised(healthy, profile)))
    profile = _taught(profile, seen, broken, gain, seed)
    odds = profile.told(aside)[1]
    limits = (*span, _limit(profile.distance(aside)), _limit(odds), float(odds.max()))
    return replace(profile, limits=torch.tensor(limits))


def _limit(healthy: Float[Tensor, " _A"]) -> float:
    """What is far beyond healthy images: half as far again from their median as the largest."""
    largest, middle = float(healthy.max()), float(healthy.median())
    return largest + ROOM * (largest - middle)


def _inward(z: Float[Tensor, "N F"]) -> Float[Tensor, "F F"]:
    """The inverse square root of the covariance, shrunk towards its diagonal so that few images are enough."""
    N, count = z.shape
    covariance = z.T.cov(correction=0).reshape(count, count)
    share = min(1.0, count / N)
    covariance = (1 - share) * covariance + share * torch.diag(covariance.diagonal())
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=LEAST_STD**2).rsqrt() @ vectors.T


@torch.enable_grad()
def _taught(
    profile: Profile, seen: Float[Tensor, "N F"], broken: Bool[Tensor, " N"], gain: Float[Tensor, " N"], seed: int
) -> Profile:
    """The profile with a small network that tells gain and log odds, from all examples at once."""
    count = seen.shape[1]
    first = torch.randn(UNITS, count, generator=Generator().manual_seed(seed)) / count**0.5
    hidden, bias, out = nn.Parameter(first), nn.Parameter(torch.zeros(UNITS)), nn.Parameter(torch.zeros(2, UNITS + 1))
    optimiser = torch.optim.AdamW([hidden, bias, out], lr=RATE, weight_decay=DECAY)
    for _ in range(STEPS):
        told, odds = replace(profile, hidden=hidden, hidden_bias=bias, out=out).told(seen)
        off = F.huber_loss(told / SCALE, gain / SCALE, delta=HUBER / SCALE)
        wrong = F.binary_cross_entropy_with_logits(odds, broken.float())
        optimiser.zero_grad()
        (off + wrong).backward()
        optimiser.step()
    return replace(profile, hidden=hidden.detach(), hidden_bias=bias.detach(), out=out.detach())
