"""Encode once: a batch's encodings by modality and variant, shared by all cases and kept until the last one that asks.

Shapes: B batch, M modalities, N encoded images, C channels of a stage, K classes, H W size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from robustseg.data.resizing import padded
from robustseg.models.fusion import ANY_SAMPLE, Fused
from robustseg.models.segmenter import Segmenter
from robustseg.robustness.cases import CLEAN, ZERO, Case, Variant
from robustseg.robustness.variants import Images
from robustseg.robustness.views import View, merged, shown

Maps = list[Float[Tensor, "N _C _h _w"]]

SIZES = 8
"""Sizes of which zero images stay encoded."""


@dataclass(frozen=True)
class Rows:
    """Encodings: a map per stage; sample and modality of each row, on the CPU."""

    maps: Maps
    sample: Int64[Tensor, " N"]
    modality: Int64[Tensor, " N"]

    def part(self, start: int, stop: int) -> Rows:
        """Some neighbouring rows, without a copy."""
        return Rows([rows[start:stop] for rows in self.maps], self.sample[start:stop], self.modality[start:stop])


class ZeroImages:
    """The encodings of images of zeros, which depend on the size alone: made once for a dataset of few sizes.

    Only the last `SIZES` sizes are kept, or memory would grow with a dataset whose frames all differ.
    """

    def __init__(self, model: Segmenter) -> None:
        self._model = model
        self._known: dict[tuple[int, int], dict[int, Maps]] = {}

    def maps(self, size: tuple[int, int], place: int, like: Tensor) -> Maps:
        """Of one image of `size` (height, width) in a modality's place."""
        known = self._known[size] = self._known.pop(size, {})  # the last one used stands last
        if len(self._known) > SIZES:
            del self._known[next(iter(self._known))]
        if place not in known:
            image = padded(like.new_zeros(1, 3, *size)[None])[0]
            known[place] = self._model.encode(image, torch.tensor([place], device=like.device))
        return known[place]


class Encodings:
    """What the model makes of a batch, case by case. Gradient and training mode are the caller's business.

    Args:
        model: Its `encode`, `fuse` and `decode` are called.
        images: The batch's.
        views: What each prediction is made of.
        cases: All cases that will be asked for, in this order: an encoding is dropped after its last use.
        zeros: Shared by all batches.
    """

    def __init__(
        self, model: Segmenter, images: Images, *, views: Sequence[View], cases: Sequence[Case], zeros: ZeroImages
    ) -> None:
        self.model = model
        self.images = images
        self.views = views
        self.zeros = zeros
        self._last = {slot: number for number, case in enumerate(cases) for slot in enumerate(case.variants)}
        self._known: dict[tuple[View, int, Variant], Rows] = {}
        self._all = sorted({place for case in cases for place, variant in enumerate(case.variants) if variant == CLEAN})
        self._clean: dict[View, Rows] = {}

    def logits(self, number: int, case: Case, size: tuple[int, int]) -> tuple[Float[Tensor, "B K H W"], list[int]]:
        """The logits, at `size`, of those samples that can be scored in case `number`, and which these are.

        Encodings that no later case needs are dropped.
        """
        scored = self._scored(case)
        if scored:
            logits = merged(self.views, lambda view, wanted: self._decoded(view, case, scored, wanted), size)
        else:
            logits = self.images.clean.new_zeros(0, 1, *size)
        for place, variant in enumerate(case.variants):
            if variant is not None and self._last[place, variant] == number:
                for view in self.views:
                    self._known.pop((view, place, variant), None)
        return logits, scored

    def _scored(self, case: Case) -> list[int]:
        """The samples with one of the modalities that the case needs, in the state that it asks for."""
        here = torch.zeros(len(self.images.batch.names), dtype=torch.bool)
        for place, (need, variant) in enumerate(zip(case.needs, case.variants, strict=True)):
            if need and variant is not None:
                here[self.images.samples(place, variant)] = True
        return here.nonzero().squeeze(1).tolist()

    def _decoded(
        self, view: View, case: Case, scored: Sequence[int], size: tuple[int, int]
    ) -> Float[Tensor, "B K H W"]:
        rows = self._gathered(view, case)
        new = torch.full((len(self.images.batch.names),), ANY_SAMPLE)
        new[list(scored)] = torch.arange(len(scored))
        sample = torch.where(rows.sample == ANY_SAMPLE, ANY_SAMPLE, new[rows.sample])
        shown_now = torch.tensor([variant is not None for variant in case.variants])
        live = (sample != ANY_SAMPLE) & shown_now[rows.modality]
        present = torch.zeros(len(scored), len(case.variants), dtype=torch.bool)
        present[sample[live], rows.modality[live]] = True
        device = self.images.clean.device
        fused = self.model.fuse(rows.maps, sample.to(device), rows.modality.to(device), present.to(device))
        return self._at(fused, view, size)

    def _gathered(self, view: View, case: Case) -> Rows:
        """All rows that the case shows; where all is clean, the clean rows as they are, asked for or not."""
        zero = self.model.absence == "zero"
        if not zero and all(variant in (CLEAN, None) for variant in case.variants):
            return self._all_clean(view)
        slots = [(place, variant) for place, variant in enumerate(case.variants) if variant is not None]
        parts = [part for part in (self._rows(view, *slot) for slot in slots) if len(part.sample)]
        if zero:  # they stand for whatever a sample lacks
            parts += [self._zero_rows(view, place, torch.tensor([ANY_SAMPLE])) for place in range(len(case.variants))]
        return Rows(
            [torch.cat(stage) for stage in zip(*(part.maps for part in parts), strict=True)],
            torch.cat([part.sample for part in parts]),
            torch.cat([part.modality for part in parts]),
        )

    def _rows(self, view: View, place: int, variant: Variant) -> Rows:
        key = (view, place, variant)
        if key not in self._known:
            if variant == CLEAN:
                clean = self._all_clean(view)
                own = (clean.modality == place).nonzero().squeeze(1).tolist()
                self._known[key] = clean.part(own[0], own[-1] + 1) if own else clean.part(0, 0)
            elif variant == ZERO:
                self._known[key] = self._zero_rows(view, place, self.images.samples(place, ZERO))
            else:
                self._known[key] = self._encoded(view, [(place, variant)])
        return self._known[key]

    def _all_clean(self, view: View) -> Rows:
        """Every modality that any case shows clean, encoded in one go."""
        if view not in self._clean:
            self._clean[view] = self._encoded(view, [(place, CLEAN) for place in self._all])
        return self._clean[view]

    def _encoded(self, view: View, slots: Sequence[tuple[int, Variant]]) -> Rows:
        """The rows of some slots, one slot after the other; no maps at all where no sample has any of them."""
        samples = [self.images.samples(place, variant) for place, variant in slots]
        parts = [shown(self.images(*slot), view, self.images.modalities[slot[0]]) for slot in slots]
        modality = torch.cat([torch.full_like(own, place) for own, (place, _) in zip(samples, slots, strict=True)])
        if not len(modality):
            return Rows([], modality, modality)
        images = padded(torch.cat(parts)[None])[0]  # N 3 H W
        return Rows(self.model.encode(images, modality.to(images.device)), torch.cat(samples), modality)

    def _zero_rows(self, view: View, place: int, sample: Int64[Tensor, " N"]) -> Rows:
        top, left, bottom, right = view.box
        one = self.zeros.maps((bottom - top, right - left), place, self.images.clean)
        maps = [rows.expand(len(sample), *rows.shape[1:]) for rows in one]
        return Rows(maps, sample, torch.full_like(sample, place))

    def _at(self, fused: Fused, view: View, size: tuple[int, int]) -> Float[Tensor, "B K H W"]:
        """Logits of a view at `size`; of one that was padded, the padding is cut off first."""
        top, left, bottom, right = view.box
        height, width = bottom - top, right - left
        tall, wide = padded(torch.empty(1, 1, 3, height, width, device="meta")).shape[-2:]
        if (tall, wide) == (height, width):
            return self.model.decode(fused, size)
        logits = self.model.decode(fused, (tall, wide))[..., :height, :width]
        same = size == (height, width)
        return logits if same else F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
