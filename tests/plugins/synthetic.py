"""Made-up evaluations that look like real ones, for tests of reports.

A sensor sees some share of each class; what several see adds up; faults take away a part of it.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from robustseg.failures import all_subsets
from robustseg.robustness import Evaluation

MODALITIES = ("rgb", "depth", "event", "lidar")
CLASSES = ("road", "car", "pedestrian", "unicorn <b>&</b>")
SHARES = (0.62, 0.5, 0.4, 0.55)
FAULTS = {"blackout": (0, 1), "noise": (0, 1, 2, 3), "beam_loss": (3,), "motion_blur": (0,), "drift": (1, 3)}
BINS = 150


def evaluation(
    model: str = "student",
    *,
    frames: int = 12,
    modalities: tuple[str, ...] = MODALITIES,
    sensors: tuple[str, ...] = (),
    classes: tuple[str, ...] = CLASSES,
    skill: float = 1.0,
    confident: bool = True,
    seed: int = 0,
) -> Evaluation:
    """Protocol emm; the last class never occurs."""
    subsets = all_subsets(len(modalities))
    share = torch.tensor([SHARES[place % 4] for place in range(len(modalities))]) * skill
    seen = 1 - (1 - share).pow(subsets.float()).prod(dim=1)  # S
    counts = _counts(seen, frames, len(classes), seed)
    return Evaluation(
        counts=counts,
        scored=torch.ones(frames, len(subsets), dtype=torch.bool),
        subsets=subsets,
        frames=tuple(f"drive/{place:04d}" for place in range(frames)),
        tags=tuple({"weather": ("day", "fog", "night")[place % 3]} for place in range(frames)),
        modalities=modalities,
        sensors=sensors or modalities,
        classes=classes,
        model=model,
        split="val",
        confidence=_confidence(seen, frames, seed) if confident else None,
        majority=0,
    )


def faults(well: Evaluation, seed: int = 1) -> Evaluation:
    """Protocol faults: what is lost grows with the severity; noise is worse than losing the sensor at the end."""
    states = [
        f"{fault}@{well.modalities[place]}:{severity}"
        for fault, places in FAULTS.items()
        for place in places
        if place < len(well.modalities)
        for severity in range(1, 6)
    ]
    lost = torch.tensor([_lost(state, well.modalities) for state in states])
    counts = _counts(0.93 - lost, len(well.frames), len(well.classes), seed)
    return replace(
        well,
        counts=counts,
        scored=torch.ones(counts.shape[:2], dtype=torch.bool),
        subsets=torch.ones(len(states), len(well.modalities), dtype=torch.bool),
        protocol="faults",
        states=tuple(states),
        confidence=None,
    )


def study(model: str = "student", **options: object) -> dict[str, Evaluation]:
    """Every protocol that has a section of its own."""
    well = evaluation(model, **options)  # type: ignore[arg-type]
    return {"emm": well, "faults": faults(well)}


def _lost(state: str, modalities: tuple[str, ...]) -> float:
    """The share of pixels that a fault costs."""
    fault, rest = state.split("@")
    sensor, severity = rest.split(":")
    steepness = 0.1 if fault == "noise" else 0.02
    return steepness * int(severity) * (0.4 + SHARES[modalities.index(sensor) % 4])


def _counts(seen: torch.Tensor, frames: int, classes: int, seed: int) -> torch.Tensor:
    """TP, FP, FN "F S K 3" where a share `seen` "S" of the pixels is right; the last class never occurs."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(200, 2000, (frames, 1, classes), generator=generator)
    hardness = torch.linspace(0, 0.4, classes) + 0.2 * torch.rand(frames, 1, classes, generator=generator)
    right = (pixels * (seen[None, :, None] * (1 - hardness)).clamp(0, 1)).long()
    wrong = pixels - right
    counts = torch.stack([right, wrong.roll(1, dims=2), wrong], dim=-1)
    counts[:, :, -1] = 0
    return counts


def _confidence(seen: torch.Tensor, frames: int, seed: int) -> torch.Tensor:
    """Pixels by confidence "F S Z 3": surer where more is seen, and too sure of itself."""
    generator = torch.Generator().manual_seed(seed)
    sure = (torch.arange(BINS) + 0.5) / BINS
    weight = sure[None] ** (1 + 12 * seen[:, None])
    pixels = (1000 * weight * (0.8 + 0.4 * torch.rand(frames, 1, 1, generator=generator))).round()
    right = (pixels * sure ** (1 + (1 - seen[:, None]))).round()
    return torch.stack([pixels, right, pixels * sure], dim=-1).float()
