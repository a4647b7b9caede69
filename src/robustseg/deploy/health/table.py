"""What profiles make of the very images they were learned from."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from robustseg.deploy.health.fitting import influence
from robustseg.deploy.health.learning import Examples, Learner
from robustseg.deploy.health.profile import Profile
from robustseg.report.tables import Cell, Grid

HEAD = ("sensor", "healthy", "doubtful %", "left out %", "broken", "noticed %", "left out %", "regained")

CAPTION = (
    "Each image judged alone. broken: with faults and severities drawn at random, mild ones among them; noticed: "
    "doubtful or left out; regained: points of mIoU that leaving out brings, the mean over broken images. These images "
    "were learned from: new ones are judged somewhat worse."
)


def learned_table(learner: Learner, profiles: dict[str, Profile]) -> Grid:
    """A row per modality that has a profile."""
    usual = learner.total / learner.frames
    rows = tuple(
        (modality.name, *_row(found, profiles[modality.name], usual))
        for modality, found in zip(learner.modalities, learner.examples, strict=True)
        if modality.name in profiles
    )
    return Grid("What was learned", HEAD, rows, caption=CAPTION)


def _row(found: Examples, profile: Profile, usual: Float[Tensor, "K 3"]) -> tuple[Cell, ...]:
    seen = torch.stack([*found.seen, *found.aside])
    broken = torch.tensor([bool(fault) for fault in found.fault] + [False] * len(found.aside))
    sick, unlike = profile.unhealthy(*profile.told(seen), profile.distance(seen))
    gains = influence(torch.stack(found.change), usual)
    regained = (gains * sick[: len(gains)])[broken[: len(gains)]].mean()
    healthy = (int((~broken).sum()), _percent(unlike[~broken]), _percent(sick[~broken]))
    return (*healthy, int(broken.sum()), _percent(unlike[broken]), _percent(sick[broken]), float(regained))


def _percent(which: Bool[Tensor, " N"]) -> float:
    return 100 * float(which.float().mean())
