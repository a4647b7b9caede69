"""The images that cases ask for: clean, corrupted after normalisation, or faulty before it.

Every draw is a function of (seed, frame's name, modality or sensor, variant), so that all models, subsets, batch sizes
and processes see the same noise.

Shapes: B batch, M modalities, N the samples of the batch that have a modality, H W size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from robustseg.data.sample import Batch, Frames, Sample
from robustseg.failures import FAULTS, Level, add_noise, apply_fault, drop_elements, drop_pixels, generator_for, stale
from robustseg.modalities import Modality
from robustseg.normalisation import normalise
from robustseg.robustness.cases import CLEAN, ZERO, Variant

REMEMBERED = 12
"""Earlier frames kept in memory, for late and frozen ones."""


class History:
    """Earlier frames of the same recordings.

    Args:
        frames: Those of one recording in order of time; one of no known recording has no history.
    """

    def __init__(self, frames: Frames) -> None:
        recordings: dict[str, list[int]] = {}
        self.position: list[int] = []
        for index, sequence in enumerate(frames.sequences):
            own = recordings.setdefault(sequence, [])
            self.position.append(len(own))
            own.append(index)
        self._known = [bool(sequence) for sequence in frames.sequences]
        self._index = [recordings[sequence] for sequence in frames.sequences]
        self._read = lru_cache(maxsize=REMEMBERED)(lambda index: frames[index])

    def shown(self, index: int, variant: Variant) -> int | None:
        """The frame that a temporal fault shows instead of `index`; None = unknown, or before the recording began."""
        if not self._known[index]:
            return None
        position = stale(variant.what, int(variant.amount), self.position[index])
        return None if position < 0 else self._index[index][position]

    def sample(self, index: int) -> Sample:
        """That frame; the last few are remembered."""
        return self._read(index)


class Images:
    """A batch's images in every variant.

    Args:
        batch: Before normalisation.
        modalities: With the mean and std that the model was trained with.
        history: Of the frames that the batch is of.
        device: Where the results go.
        seed: Of all noise.
    """

    def __init__(
        self,
        batch: Batch,
        modalities: Sequence[Modality],
        history: History,
        *,
        device: torch.device,
        seed: int,
    ) -> None:
        self.batch = batch
        self.modalities = modalities
        self.history = history
        self.seed = seed
        self.clean = normalise(batch.images.to(device), modalities)  # B M 3 H W

    def samples(self, place: int, variant: Variant) -> Int64[Tensor, " N"]:
        """The samples that have this variant of a modality: every one has zeros, and a past not all."""
        if variant == ZERO:
            return torch.arange(len(self.batch.names))
        here = self.batch.present[:, place].clone()
        if _is_temporal(variant):
            for row, index in enumerate(self.batch.index.tolist()):
                here[row] &= self._past(index, place, variant) is not None
        return here.nonzero().squeeze(1)

    def __call__(self, place: int, variant: Variant) -> Float[Tensor, "N 3 H W"]:
        """Normalised, of the samples that `samples` names."""
        rows = self.samples(place, variant).tolist()
        if variant == CLEAN:
            return self.clean[rows, place]
        if variant == ZERO:
            return torch.zeros_like(self.clean[:, place])
        if not rows:
            return self.clean[:0, place]
        return torch.stack([self._one(row, place, variant) for row in rows]).to(self.clean)

    def _one(self, row: int, place: int, variant: Variant) -> Float[Tensor, "3 H W"]:
        modality, name = self.modalities[place], self.batch.names[row]
        if variant.kind == "fault":
            return self._faulty(row, place, variant)
        generator = generator_for(self.seed, name, modality.name, variant.kind, variant.what, f"{variant.amount:g}")
        image = self.clean[row, place].cpu()
        match variant.kind:
            case "elements":
                return drop_elements(image, variant.amount, generator)
            case "pixels":
                return drop_pixels(image, variant.amount, generator)
            case _:
                return add_noise(image, cast(Level, variant.what), modality.sort, generator)

    def _faulty(self, row: int, place: int, variant: Variant) -> Float[Tensor, "3 H W"]:
        """A fault acts on values in the modality's unit; the modalities of one sensor share its draws."""
        modality, name = self.modalities[place], self.batch.names[row]
        if _is_temporal(variant):
            image = self._past(int(self.batch.index[row]), place, variant)
            assert image is not None  # `samples` left such frames out
        else:
            generator = generator_for(self.seed, name, modality.device, variant.what)  # a higher severity breaks more
            image = apply_fault(variant.what, self.batch.images[row, place], modality, int(variant.amount), generator)
        return normalise(image[None], [modality])[0]

    def _past(self, index: int, place: int, variant: Variant) -> Float[Tensor, "3 H W"] | None:
        """The image of an earlier frame; None if there is none, or it lacks the modality."""
        source = self.history.shown(index, variant)
        if source is None:
            return None
        sample = self.history.sample(source)
        same = sample.images.shape[1:] == self.batch.images.shape[2:]
        return sample.images[place] if bool(sample.present[place]) and same else None


def _is_temporal(variant: Variant) -> bool:
    return variant.kind == "fault" and FAULTS[variant.what].temporal
