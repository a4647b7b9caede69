"""Encode once: a batch's encodings by modality and variant, shared by all cases and kept until the last one that asks.

Shapes: B batch, M modalities, N encoded images, C channels of a stage, K classes, H W size, R predictions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from robustseg.data.resizing import padded
from robustseg.models.fusion import ANY_SAMPLE, Fused, pick
from robustseg.models.segmenter import Segmenter
from robustseg.models.upsampling import upsampled
from robustseg.recipe import SMALLEST
from robustseg.robustness.cases import CLEAN, ZERO, Case, Variant
from robustseg.robustness.variants import Images
from robustseg.robustness.views import View, merged, shown

Maps = list[Float[Tensor, "N _C _h _w"]]

TOGETHER = 16
"""Cases that are decoded together at most: each sample's predictions are in memory at once."""

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


@dataclass(frozen=True)
class Seen:
    """What the model makes of some frames in some cases.

    Attributes:
        logits: At the size asked for, or smaller ones of which they are the bilinear upsampling.
        case: The number of each prediction's case.
        sample: Each prediction's place in the batch.
    """

    logits: Float[Tensor, "R K _h _w"]
    case: list[int]
    sample: list[int]


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
        self.cases = cases
        self._last = {slot: number for number, case in enumerate(cases) for slot in enumerate(case.variants)}
        self._known: dict[tuple[View, int, Variant], Rows] = {}
        self._all = sorted({place for case in cases for place, variant in enumerate(case.variants) if variant == CLEAN})
        self._clean: dict[View, Rows] = {}

    def predictions(self, numbers: Sequence[int], size: tuple[int, int]) -> Iterator[Seen]:
        """All that can be scored of the cases of these neighbouring numbers, to be upsampled to `size` if smaller.

        Where more cases than encodings are involved, the cases of a sample share what is linear in the decoder.
        Encodings that no later case needs are dropped.
        """
        for start in range(0, len(numbers), TOGETHER):
            group = numbers[start : start + TOGETHER]
            if self._share(group):
                yield from self._together(group)
            else:
                for number in group:
                    logits, scored = self.logits(number, size)
                    if scored:
                        yield Seen(logits, [number] * len(scored), scored)
                    self._forget([number])
            self._forget(group)

    def logits(self, number: int, size: tuple[int, int]) -> tuple[Float[Tensor, "B K _h _w"], list[int]]:
        """The logits of those samples that can be scored in a case, see `Seen`, and which samples these are."""
        case = self.cases[number]
        scored = self._scored(case)
        if not scored:
            return self.images.clean.new_zeros(0, 1, *size), scored
        if _plain(self.views):
            return self.model.decode(self._fused(self.views[0], case, scored)), scored
        logits = merged(self.views, lambda view, wanted: self._at(self._fused(view, case, scored), view, wanted), size)
        return logits, scored

    def _share(self, group: Sequence[int]) -> bool:
        """Whether the cases of a group are decoded together: more cases than encodings, each shown once, whole."""
        slots = self._slots(group)
        encodings = len(slots) + (self.images.clean.shape[1] if self.model.absence == "zero" else 0)
        if encodings >= len(group) or not _plain(self.views):
            return False
        some = next((slot for slot in slots if len(self.images.samples(*slot))), None)
        return some is not None and self.model.shares_decoding(self._rows(self.views[0], *some).maps)

    def _together(self, group: Sequence[int]) -> Iterator[Seen]:
        """The predictions of one sample after the other, all its cases of the group at once."""
        rows, shows = self._joined(self.views[0], self._slots(group))
        scored = {number: self._scored(self.cases[number]) for number in group}
        for sample in range(len(self.images.batch.names)):
            numbers = [number for number in group if sample in scored[number]]
            if not numbers:
                continue
            weights = torch.stack([self._weights(self.cases[number], sample, rows, shows) for number in numbers])
            used = weights.any(dim=0).nonzero().squeeze(1)
            logits = self.model.decode_mixtures([pick(stage, used) for stage in rows.maps], weights[:, used])
            yield Seen(logits, numbers, [sample] * len(numbers))

    def _joined(self, view: View, slots: Sequence[tuple[int, Variant]]) -> tuple[Rows, list[Variant | None]]:
        """The rows of some slots, one slot after the other, and what each row shows; None = the absent, as zeros."""
        if self.model.absence == "remove" and all(variant == CLEAN for _, variant in slots):
            clean = self._all_clean(view)
            return clean, [CLEAN] * len(clean.sample)
        parts = [(self._rows(view, *slot), slot[1]) for slot in slots]
        if self.model.absence == "zero":
            places = range(len(self.images.modalities))
            parts += [(self._zero_rows(view, place, torch.tensor([ANY_SAMPLE])), None) for place in places]
        parts = [(rows, variant) for rows, variant in parts if len(rows.sample)]
        return _cat([rows for rows, _ in parts]), [variant for rows, variant in parts for _ in rows.sample]

    def _weights(self, case: Case, sample: int, rows: Rows, shows: Sequence[Variant | None]) -> Float[Tensor, " N"]:
        """Of each row in a sample's mean over the modalities, as `Segmenter.fuse` takes it."""
        wanted = [case.variants[place] for place in rows.modality.tolist()]
        shown_now = [one is not None and one == other for one, other in zip(shows, wanted, strict=True)]
        taken = (rows.sample == sample) & torch.tensor(shown_now)
        absent = torch.ones(len(case.variants), dtype=torch.bool).index_fill(0, rows.modality[taken], False)
        taken |= (rows.sample == ANY_SAMPLE) & absent[rows.modality]
        return taken / taken.sum()

    def _slots(self, group: Sequence[int]) -> list[tuple[int, Variant]]:
        """What the cases of a group show, each once."""
        slots = (slot for number in group for slot in enumerate(self.cases[number].variants))
        return list(dict.fromkeys((place, variant) for place, variant in slots if variant is not None))

    def _forget(self, group: Sequence[int]) -> None:
        for place, variant in self._slots(group):
            if self._last[place, variant] in group:
                for view in self.views:
                    self._known.pop((view, place, variant), None)

    def _scored(self, case: Case) -> list[int]:
        """The samples with one of the modalities that the case needs, in the state that it asks for."""
        here = torch.zeros(len(self.images.batch.names), dtype=torch.bool)
        for place, (need, variant) in enumerate(zip(case.needs, case.variants, strict=True)):
            if need and variant is not None:
                here[self.images.samples(place, variant)] = True
        return here.nonzero().squeeze(1).tolist()

    def _fused(self, view: View, case: Case, scored: Sequence[int]) -> Fused:
        rows = self._gathered(view, case)
        new = torch.full((len(self.images.batch.names),), ANY_SAMPLE)
        new[list(scored)] = torch.arange(len(scored))
        sample = torch.where(rows.sample == ANY_SAMPLE, ANY_SAMPLE, new[rows.sample])
        shown_now = torch.tensor([variant is not None for variant in case.variants])
        live = (sample != ANY_SAMPLE) & shown_now[rows.modality]
        present = torch.zeros(len(scored), len(case.variants), dtype=torch.bool)
        present[sample[live], rows.modality[live]] = True
        device = self.images.clean.device
        return self.model.fuse(rows.maps, sample.to(device), rows.modality.to(device), present.to(device))

    def _gathered(self, view: View, case: Case) -> Rows:
        """All rows that the case shows; where all is clean, the clean rows as they are, asked for or not."""
        zero = self.model.absence == "zero"
        if not zero and all(variant in (CLEAN, None) for variant in case.variants):
            return self._all_clean(view)
        slots = [(place, variant) for place, variant in enumerate(case.variants) if variant is not None]
        parts = [part for part in (self._rows(view, *slot) for slot in slots) if len(part.sample)]
        if zero:  # they stand for whatever a sample lacks
            parts += [self._zero_rows(view, place, torch.tensor([ANY_SAMPLE])) for place in range(len(case.variants))]
        return _cat(parts)

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
        return upsampled(logits, size)


def _plain(views: Sequence[View]) -> bool:
    """Whether the frame is shown once, whole and without padding: then upsampling is the last thing that happens."""
    return len(views) == 1 and views[0].whole and not views[0].flip and min(views[0].size) >= SMALLEST


def _cat(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    return Rows(
        [torch.cat(stage) for stage in zip(*(part.maps for part in parts), strict=True)],
        torch.cat([part.sample for part in parts]),
        torch.cat([part.modality for part in parts]),
    )
