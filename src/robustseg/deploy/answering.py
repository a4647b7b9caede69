"""From the encodings of one frame's images to labels, confidence and what each sensor is worth.

Shapes: M modalities, K classes, C channels of a stage, h w its size, H W size.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from robustseg.data.resizing import padded
from robustseg.models.fusion import ANY_SAMPLE
from robustseg.models.segmenter import Segmenter
from robustseg.models.upsampling import upsampled
from robustseg.robustness.calibration import most_likely, probabilities, probability_of, temperature_of
from robustseg.robustness.encodings import ZeroImages

Maps = tuple[Float[Tensor, "1 _C _h _w"], ...]
Size = tuple[int, int]


@dataclass(frozen=True)
class Wanted:
    """What is told beside labels and confidence, see `robustseg.Prediction`."""

    probabilities: bool = False
    worth: bool = False


@dataclass(frozen=True, eq=False)
class Answer:
    """What `robustseg.Prediction` holds of pixels, on the model's device; no worth where it was not wanted."""

    labels: UInt8[Tensor, "H W"]
    confidence: Float[Tensor, "H W"]
    probabilities: Float[Tensor, "K H W"] | None = None
    worth: dict[str, Float[Tensor, "H W"]] = field(default_factory=dict)


class Answering:
    """A model's encodings and answers, one frame at a time. Gradient and training mode are the caller's business.

    Args:
        model: With a card.
    """

    def __init__(self, model: Segmenter) -> None:
        self._model = model
        self._zeros = ZeroImages(model)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self._model.parameters()).device

    def encode(self, inputs: Mapping[int, Float[Tensor, "3 h w"]]) -> dict[int, Maps]:
        """The maps of normalised images of one size, by place."""
        images = padded(torch.stack(list(inputs.values()))[None])[0]  # N 3 H W
        maps = self._model.encode(images, torch.tensor(list(inputs), device=images.device))
        return {place: tuple(stage[row : row + 1] for stage in maps) for row, place in enumerate(inputs)}

    def answer(self, maps: Mapping[int, Maps], *, shown: Size, size: Size, wanted: Wanted) -> Answer:
        """Labels every pixel.

        Args:
            maps: Of each modality that is there, by place.
            shown: Height and width of the images that were encoded, without their padding.
            size: Height and width of the answer.
            wanted: What else.
        """
        logits, temperature = self._logits(maps, maps.keys(), shown)
        confidence, labels = most_likely(logits, temperature, size=size)
        chances = probabilities(logits, temperature, size=size)[0] if wanted.probabilities else None
        worth = self._worth(maps, shown, labels, confidence) if wanted.worth else {}
        return Answer(labels[0].to(torch.uint8), confidence[0], chances, worth)

    def _worth(
        self, maps: Mapping[int, Maps], shown: Size, labels: Tensor, confidence: Float[Tensor, "1 H W"]
    ) -> dict[str, Float[Tensor, "H W"]]:
        """What the label's probability loses without each sensor that is there."""
        devices = {place: self._model.card.modalities[place].device for place in maps}
        found = {}
        for sensor in dict.fromkeys(devices.values()):
            rest = [place for place in maps if devices[place] != sensor]
            if rest:
                logits, temperature = self._logits(maps, rest, shown)
                left = probability_of(logits, labels, temperature)
            else:
                classes = len(self._model.card.classes)
                share = torch.tensor(self._model.card.frequency or (1 / classes,) * classes, device=labels.device)
                left = share[labels]
            found[sensor] = (confidence - left)[0]
        return found

    def _logits(
        self, maps: Mapping[int, Maps], kept: Collection[int], shown: Size
    ) -> tuple[Float[Tensor, "1 K h w"], Float[Tensor, " 1"]]:
        """Logits of some of the modalities, at the decoder's resolution or `shown`, and their temperature."""
        size = self._padded_size(shown)
        rows = {place: maps[place] for place in kept}
        first = next(iter(rows.values()))
        sample = [0] * len(rows)
        if self._model.absence == "zero":
            absent = [place for place in range(self._model.num_modalities) if place not in rows]
            rows |= {place: tuple(self._zeros.maps(size, place, first[0])) for place in absent}
            sample += [ANY_SAMPLE] * len(absent)
        present = torch.zeros(1, self._model.num_modalities, dtype=torch.bool)
        present[0, list(kept)] = True
        stages = list(first) if len(rows) == 1 else [torch.cat(stage) for stage in zip(*rows.values(), strict=True)]
        places, owners = (torch.tensor(numbers, device=self.device) for numbers in (list(rows), sample))
        logits = self._model.decode(self._model.fuse(stages, owners, places, present.to(self.device)))
        if size != shown:
            logits = upsampled(logits, size)[..., : shown[0], : shown[1]]
        return logits, temperature_of(self._model.card.temperatures, present).to(self.device)

    @staticmethod
    def _padded_size(shown: Size) -> Size:
        tall, wide = padded(torch.empty(1, 1, 3, *shown, device="meta")).shape[-2:]
        return tall, wide
