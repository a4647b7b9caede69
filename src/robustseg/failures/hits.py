"""A fault hits a sensor, that is all the modalities that it feeds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from robustseg.failures.faults import FAULTS, applies, apply_fault
from robustseg.modalities import Modality, sensors


def sensor_faults(modalities: Sequence[Modality], *, temporal: bool) -> tuple[str, ...]:
    """The faults that can happen to a sensor: those that apply to any of its modalities, in the table's order.

    Args:
        modalities: The sensor's.
        temporal: With those that show another frame, or without.
    """
    return tuple(
        name
        for name, fault in FAULTS.items()
        if (temporal or not fault.temporal) and any(applies(name, modality) for modality in modalities)
    )


def hit_sensor(
    fault: str,
    images: Float[Tensor, "M 3 H W"],
    modalities: Sequence[Modality],
    severity: int,
    *,
    places: Sequence[int],
    generator: Generator,
) -> Float[Tensor, "M 3 H W"]:
    """A frame's images with one sensor broken; its modalities share the random numbers, so the same part is hit.

    Modalities of the sensor that the fault does not apply to stay as they are.

    Args:
        fault: Not a temporal one.
        images: Of all modalities, in their units.
        modalities: Of the images.
        severity: 1 to 5.
        places: Of the sensor's modalities that are present.
        generator: On the CPU; it is drawn from once.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    broken = images.clone()
    for place in places:
        if applies(fault, modalities[place]):
            own = Generator().manual_seed(seed)
            broken[place] = apply_fault(fault, images[place], modalities[place], severity, own)
    return broken


def hit_at_random(
    images: Float[Tensor, "M 3 H W"],
    present: Bool[Tensor, " M"],
    modalities: Sequence[Modality],
    *,
    probability: float,
    generator: Generator,
) -> Float[Tensor, "M 3 H W"]:
    """Training augmentation: each sensor, on its own, breaks with this probability.

    The fault is uniform over those that the sensor can have within a frame, the severity uniform over 1 to 5. What is
    drawn for one sensor does not depend on what the others have or do.
    """
    groups = sensors(modalities)
    draws = torch.rand(len(groups), 3, generator=generator, dtype=torch.float64).tolist()
    seeds = torch.randint(2**62, (len(groups),), generator=generator).tolist()
    for places, (hit, which, how), seed in zip(groups.values(), draws, seeds, strict=True):
        here = [place for place in places if present[place]]
        if hit < probability and here:
            known = sensor_faults([modalities[place] for place in places], temporal=False)
            fault, severity = known[int(which * len(known))], 1 + int(how * 5)
            own = Generator().manual_seed(seed)
            images = hit_sensor(fault, images, modalities, severity, places=here, generator=own)
    return images
