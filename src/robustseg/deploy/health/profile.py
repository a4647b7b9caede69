"""What is known of a modality's health: how healthy images look, what an unhealthy one costs. Stored with the model.

Shapes: F statistics, U hidden units.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from robustseg.deploy.health.statistics import NAMES, statistic_names
from robustseg.files import write_atomically

HEALTH_FILE = "health.safetensors"
LARGEST_FILE = 16_000_000
FORMAT = "2"

LEAST_GAIN = 0.5
"""Points of mIoU below which nothing is left out."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Of one modality.

    Attributes:
        mean: Of each statistic over healthy images.
        std: Of each, never 0.
        inward: Their covariance's inverse square root, of standardised and compressed statistics, see `standardised`.
        hidden: Of the small network that tells how broken an image looks, and what leaving it out would bring.
        hidden_bias: Its biases.
        out: From the hidden units, and 1, to points of mIoU, and to the log odds that the image is broken.
        limits: The lowest and highest value of healthy images in the modality's unit; the distance and the log odds
            far beyond all healthy images; the log odds of the oddest of them.
    """

    mean: Float[Tensor, " F"]
    std: Float[Tensor, " F"]
    inward: Float[Tensor, "F F"]
    hidden: Float[Tensor, "U F"]
    hidden_bias: Float[Tensor, " U"]
    out: Float[Tensor, "2 _U1"]
    limits: Float[Tensor, " 5"]

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and highest value of healthy images."""
        return float(self.limits[0]), float(self.limits[1])

    def distance(self, statistics: Float[Tensor, "*B F"]) -> Float[Tensor, "*B"]:
        """How far an image is from the healthy ones: its Mahalanobis distance, over the root of F."""
        return (standardised(statistics, self) @ self.inward).square().mean(dim=-1).sqrt()

    def told(self, statistics: Float[Tensor, "*B F"]) -> tuple[Float[Tensor, "*B"], Float[Tensor, "*B"]]:
        """Points of mIoU that leaving the image out is expected to bring, and the log odds that it is broken."""
        units = (standardised(statistics, self) @ self.hidden.T + self.hidden_bias).tanh()
        gain, odds = (units @ self.out[:, :-1].T + self.out[:, -1]).unbind(dim=-1)
        return gain, odds

    def unhealthy(
        self, gain: Float[Tensor, "*B"], odds: Float[Tensor, "*B"], distance: Float[Tensor, "*B"]
    ) -> tuple[Bool[Tensor, "*B"], Bool[Tensor, "*B"]]:
        """Which images had better be left out, and which are unlike healthy ones, by `told` and `distance`.

        Where leaving it out is expected to bring something, looking odder than any healthy image is enough.
        """
        sick = (odds > self.limits[4]) & (gain > LEAST_GAIN)
        return sick, sick | (odds > self.limits[3]) | (distance > self.limits[2])

    def oddest(self, statistics: Float[Tensor, " F"]) -> str:
        """The statistic that is farthest from the healthy ones, in words."""
        place = int(standardised(statistics, self).abs().argmax())
        name = statistic_names(len(statistics))[place]
        if place >= len(NAMES):
            return name
        return f"{name}: {float(statistics[place]):.3g}, healthy {float(self.mean[place]):.3g}"


def standardised(statistics: Float[Tensor, "*B F"], profile: Profile) -> Float[Tensor, "*B F"]:
    """Standard deviations from the healthy mean, compressed to sign(z) ln(1 + |z|)."""
    z = (statistics - profile.mean) / profile.std
    return z.sign() * z.abs().log1p()


def save_profiles(folder: Path, profiles: Mapping[str, Profile], weights: str) -> None:
    """Writes them into a model folder, whole or not at all; bound to its weights, whose first stage they describe.

    Args:
        folder: The model's.
        profiles: By modality.
        weights: The sha256 of the model's weights, as in its card.
    """
    tensors = {
        f"{name}/{entry.name}": getattr(profile, entry.name).contiguous()
        for name, profile in profiles.items()
        for entry in fields(Profile)
    }
    about = {"format": FORMAT, "weights": weights, "modalities": json.dumps(list(profiles))}
    write_atomically(folder / HEALTH_FILE, lambda path: save_file(tensors, path, about))


def load_profiles(folder: Path, weights: str) -> dict[str, Profile]:
    """The profiles of a model folder, by modality.

    Raises:
        FileNotFoundError: There are none yet.
        ValueError: The file is damaged, or of other weights.
    """
    path = folder / HEALTH_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} knows nothing of its sensors' health: run robustseg health {folder}")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{path} is too large to be what robustseg health writes")
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, it is no dict
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}): run robustseg health {folder} again") from None
    if about.get("weights") != weights or about.get("format") != FORMAT:
        raise ValueError(
            f"{path} was learned for other weights or by another version: run robustseg health {folder} again"
        )
    try:
        names = [str(name) for name in json.loads(about["modalities"])]
        profiles = {
            name: Profile(**{key.name: tensors[f"{name}/{key.name}"] for key in fields(Profile)}) for name in names
        }
    except (KeyError, ValueError, TypeError, RecursionError):
        raise ValueError(f"{path} is not what robustseg health writes: run it again") from None
    for name, profile in profiles.items():
        _check(path, name, profile)
    return profiles


def _check(path: Path, name: str, profile: Profile) -> None:
    count, units = profile.mean.numel(), profile.hidden_bias.numel()
    wanted = [(count,), (count,), (count, count), (units, count), (units,), (2, units + 1), (5,)]
    for entry, shape in zip(fields(Profile), wanted, strict=True):
        values = getattr(profile, entry.name)
        if tuple(values.shape) != shape or values.dtype != torch.float32 or not bool(values.isfinite().all()):
            raise ValueError(f"{path}: {name}/{entry.name} is not what robustseg health writes: run it again")
    if not bool((profile.std > 0).all()) or count <= len(NAMES):
        raise ValueError(f"{path}: {name} is not what robustseg health writes: run it again")
