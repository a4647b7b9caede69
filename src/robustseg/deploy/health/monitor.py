"""Whether a sensor can be believed, image by image, with a memory of the last ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from robustseg.deploy.health.profile import Profile, load_profiles
from robustseg.deploy.health.statistics import TILED, statistics_of
from robustseg.deploy.predictor import Encoding
from robustseg.modalities import Modality
from robustseg.models.card import read_card
from robustseg.models.hub import local_folder

PATIENCE = 2
"""Images in a row that must look sick before a sensor is left out, and healthy before it is used again."""

HELD = 0.25
"""Seconds for which an image may be repeated before its sensor is frozen."""


@dataclass(frozen=True)
class Verdict:
    """What is thought of a sensor's newest image.

    Attributes:
        sick: Leave it out.
        doubtful: It is unlike any healthy image, or was sick a moment ago; use it if there is nothing better.
        reason: In words; empty = healthy.
        gain: Points of mIoU that leaving it out is expected to bring.
        distance: From the healthy images; about 1 is usual.
    """

    sick: bool
    doubtful: bool
    reason: str
    gain: float
    distance: float


WELL = Verdict(False, False, "", 0.0, 0.0)


@dataclass(eq=False)
class _Memory:
    """Of one modality.

    Attributes:
        image: The last one.
        since: The stamp of the first that was like it.
        sick: What is thought.
        against: Images in a row that spoke against that.
        verdict: The last one, repetition aside.
    """

    image: Float[Tensor, "3 H W"] | None = None
    since: float = 0.0
    sick: bool = False
    against: int = 0
    verdict: Verdict = WELL


class Monitor:
    """Judges every new image of every modality.

    An image that is the one before it to the last bit, with a later stamp, is a repetition: it is as old as its first
    showing, whatever its stamp says, and its sensor sick once that is longer ago than `held`; the next new image ends
    that. All else needs `patience` new images in a row to change what is thought.

    Args:
        profiles: By modality; a modality without one is only watched for repetitions.
        modalities: The model's.
        patience: See above; at least 1.
        held: See above; seconds.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(
        self,
        profiles: Mapping[str, Profile],
        modalities: tuple[Modality, ...],
        patience: int = PATIENCE,
        *,
        held: float = HELD,
    ) -> None:
        if patience < 1 or not held >= 0:
            raise ValueError(f"patience is at least 1 image and held at least 0 seconds, got {patience} and {held}")
        self.profiles = profiles
        self.modalities = {modality.name: modality for modality in modalities}
        self.patience = patience
        self.held = held
        self._memory = {modality.name: _Memory() for modality in modalities}

    @classmethod
    def of(cls, folder: str | Path, patience: int = PATIENCE, *, held: float = HELD) -> Monitor:
        """That of a model folder, or of one on the hub, see `robustseg.load`.

        Raises:
            FileNotFoundError: There is no model, or nothing is known of its sensors' health.
            ValueError: Its files are damaged.
        """
        folder = local_folder(folder)
        card = read_card(folder)
        return cls(load_profiles(folder, card.sha256), card.modalities, patience, held=held)

    def reset(self) -> None:
        """Forgets all images."""
        self._memory = {name: _Memory() for name in self._memory}

    def judge(self, modality: str, encoding: Encoding, *, stamp: float) -> Verdict:
        """What is thought of a sensor now.

        Args:
            modality: Its name.
            encoding: Of its newest image.
            stamp: When that was taken, in seconds, by a clock of the sensor's that does not jump.
        """
        memory = self._memory[modality]
        repeated = memory.image is not None and torch.equal(memory.image, encoding.image)
        if not repeated:
            memory.image, memory.since = encoding.image, stamp
            self._think(memory, self._seen(modality, encoding))
        memory.since = min(memory.since, stamp)  # a clock that was set back repeats nothing
        age = stamp - memory.since
        if age > self.held:
            return replace(memory.verdict, sick=True, doubtful=True, reason=f"frozen for {age:.2f} s")
        if age > 0:
            return replace(memory.verdict, doubtful=True, reason=memory.verdict.reason or f"repeated for {age:.2f} s")
        return memory.verdict

    def _think(self, memory: _Memory, seen: Verdict) -> None:
        """Changes what is thought of a sensor by one more image."""
        memory.against = memory.against + 1 if seen.sick != memory.sick else 0
        if memory.against >= self.patience:
            memory.sick, memory.against = seen.sick, 0
        reason = seen.reason or ("sick a moment ago" if memory.sick else "")
        memory.verdict = replace(
            seen, sick=memory.sick, doubtful=memory.sick or seen.sick or seen.doubtful, reason=reason
        )

    def _seen(self, modality: str, encoding: Encoding) -> Verdict:
        """What this image alone looks like."""
        profile = self.profiles.get(modality)
        if profile is None:
            return WELL
        if not encoding.maps:
            return replace(WELL, doubtful=True, reason=TILED)
        found = statistics_of(encoding, self.modalities[modality], profile.span)
        (gain, odds), distance = profile.told(found), profile.distance(found)
        sick, unlike = (bool(said) for said in profile.unhealthy(gain, odds, distance))
        return Verdict(sick, unlike, profile.oddest(found) if unlike else "", float(gain), float(distance))
