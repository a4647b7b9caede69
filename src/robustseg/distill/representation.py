"""RRM, representation regularisation: functional entropy between noisy teacher and noisy student features.

Shapes: B batch, M modalities, N pairs of slots, C channels of a stage, h w its size, R = 10*C rows of noisy copies.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from robustseg.distill.inputs import (
    Maps,
    Pairs,
    check_maps,
    full_precision,
    live_pairs,
    nothing,
    paired_rows,
    without_autocast,
)

Noise = Callable[[tuple[int, int, int]], Tensor]
"""Shape -> noise of that shape."""

COPIES = 10
"""Noisy copies of a map in the released form."""

VARIANCE_FLOOR = 1e-3
"""Added to the teacher's noise variance in our form, for pixels at which all its channels agree.

Layer-normalised maps have variances around 1."""


def rrm(
    *,
    student: Maps,
    teacher: Maps,
    present: Bool[Tensor, "B M"],
    teacher_present: Bool[Tensor, "B M"] | None = None,
    form: str = "ours",
    noise: Noise | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    r"""Distance between the representations of each modality, measured in the noise around them.

    form="ours" (the paper's own equations are unknown to us). At a pixel let x and y, vectors of C channels, be the
    student's and the teacher's feature, and add Gaussian noise to both, as the method does: mu = N(x, s^2 I),
    nu = N(y, t^2 I), t the noise scale of the released code, the standard deviation of the teacher's channels at
    that pixel. The functional entropy of the density ratio f = dnu/dmu under mu is their divergence (E_mu f = 1),
    and the log-Sobolev inequality bounds it by the functional Fisher information:

        Ent_mu(f) = KL(nu || mu)  <=  s^2/2 E_mu[ |grad f|^2 / f ]

    Both sides have a closed form for Gaussians, so no noise is drawn. With e = |x - y|^2 / (C t^2), s^2 is chosen
    where the divergence is least, s^2 = t^2 (1 + e); per channel the inequality then reads

        1/2 log(1 + e)  <=  1/2 e

    The right side, the Fisher information, is the squared error in units of the teacher's noise: tight near a
    match, but outliers rule it. We minimise the left side, the entropy: it is 0 where the features agree and only
    there, smooth, nearly scale-free, and its gradient with respect to a pixel's feature has at most the norm
    1 / (2 t sqrt(C)). It is averaged over pixels, live pairs, samples and stages, so its size does not depend on the
    image size.

    form="released": the released arithmetic, without its second-order autograd. Of each map it makes ten noisy copies
    (R rows), takes softmax over the image HEIGHT, F = KL(teacher || student) / (R h w), the derivatives of F by the
    softmax outputs, I_s and I_t = mean squared norm of these / F, and adds sqrt(1 / I_s^2 + 1 / I_t^2) over stages
    and pairs, averaged over samples. As the derivatives are -t / (R h w) and (log t - log s + 1) / (R h w), this is F
    times a factor that hardly depends on the student: a noise-smoothed feature distillation, not a maximised
    information. It grows with (R h w)^2 (1e8 to 1e10 at common sizes) and overflows in half precision.

    Args:
        student: Maps of the student; absent slots may hold anything, NaN too.
        teacher: Maps of the teacher, detached here.
        present: The student's modalities.
        teacher_present: The teacher's modalities; None = all. A pair whose teacher slot is absent contributes 0.
        form: "ours" or "released".
        noise: For "released": called with (R, h, w) for each sample, then stage, then present slot, for the student,
            then for the teacher. None = standard normal from `generator`.
        generator: See `noise`.

    Raises:
        ValueError: `form` is unknown, shapes do not fit, or "released" has neither noise nor generator.
    """
    check_maps(student, teacher, present, teacher_present)
    everything = torch.ones_like(present) if teacher_present is None else teacher_present
    with without_autocast(student[0]):
        match form:
            case "ours":
                pairs = live_pairs(present, teacher_present)
                stages = [_stage(own, other, pairs) for own, other in zip(student, teacher, strict=True)]
                return torch.stack(stages).mean()
            case "released":
                return _released(student, teacher, present, everything, noise or _normal(generator))
            case _:
                raise ValueError(f"form must be 'ours' or 'released', got {form!r}")


def _stage(student: Float[Tensor, "B M C h w"], teacher: Float[Tensor, "B M C h w"], pairs: Pairs) -> Float[Tensor, ""]:
    own, other = paired_rows(student, teacher, pairs)  # N h w C
    excess = mean_square(own - other) / _noise_variance(other)  # N h w
    return pairs.mean(excess.log1p().mean((1, 2)) / 2)


def _noise_variance(teacher: Float[Tensor, "N h w C"]) -> Float[Tensor, "N h w"]:
    """t^2 of each pixel."""
    return (mean_square(teacher) - teacher.mean(-1).square()).clamp(min=0) + VARIANCE_FLOOR


def mean_square(features: Float[Tensor, "N h w C"]) -> Float[Tensor, "N h w"]:
    """Over channels; by way of the norm, which needs no second copy of the features, forward or backward."""
    return torch.linalg.vector_norm(features, dim=-1).square() / max(features.shape[-1], 1)


def _released(
    student: Maps,
    teacher: Maps,
    present: Bool[Tensor, "B M"],
    teacher_present: Bool[Tensor, "B M"],
    noise: Noise,
) -> Float[Tensor, ""]:
    total = nothing(student)
    for sample, slots in enumerate(present.tolist()):  # a loop, because the order of the draws is part of the form
        for own, other in zip(student, teacher, strict=True):
            for slot in (place for place, live in enumerate(slots) if live):
                shape = (COPIES * own.shape[2], own.shape[3], own.shape[4])
                draws = noise(shape), noise(shape)
                if teacher_present[sample, slot]:
                    noisy_student = _noisy(own[sample, slot], draws[0])
                    noisy_teacher = _noisy(other[sample, slot].detach(), draws[1])
                    total = total + released_term(student=noisy_student, teacher=noisy_teacher)
    return total / max(len(present), 1)


def _noisy(features: Float[Tensor, "C h w"], noise: Float[Tensor, "R h w"]) -> Float[Tensor, "R h w"]:
    """Ten copies of each channel, neighbours, with noise of each pixel's standard deviation over all copies."""
    copies = full_precision(features).repeat_interleave(COPIES, dim=0)
    return copies + noise.to(copies) * copies.std(0)


def released_term(*, student: Float[Tensor, "R h w"], teacher: Float[Tensor, "R h w"]) -> Float[Tensor, ""]:
    """sqrt(1 / I_s^2 + 1 / I_t^2) of one noisy pair."""
    log_teacher = teacher.log_softmax(1)
    gap = log_teacher - student.log_softmax(1)
    probability, size = log_teacher.exp(), gap.numel()
    divergence = ((probability * gap).sum() / size).clamp(min=0)
    by_student = probability.square().sum(1).mean()  # size^2 * mean |dF / d log s|^2
    by_teacher = (gap + 1).square().sum(1).mean()  # size^2 * mean |dF / d t|^2
    return divergence * size**2 * (by_student**-2 + by_teacher**-2).sqrt()


def _normal(generator: torch.Generator | None) -> Noise:
    if generator is None:
        raise ValueError("form 'released' draws noise: give noise= or generator=")
    return lambda shape: torch.randn(shape, generator=generator, device=generator.device)
