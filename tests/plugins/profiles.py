"""What might be known of a sensor's health, at random."""

import torch

from robustseg.deploy.health.profile import Profile
from robustseg.deploy.health.statistics import NAMES


def random_profile(seed: int = 0) -> Profile:
    count, draw = len(NAMES) + 2, torch.Generator().manual_seed(seed)
    shapes = {"mean": (count,), "std": (count,), "inward": (count, count), "hidden": (3, count), "hidden_bias": (3,)}
    shapes |= {"out": (2, 4), "limits": (5,)}
    return Profile(**{name: torch.rand(shape, generator=draw) + 0.1 for name, shape in shapes.items()})
