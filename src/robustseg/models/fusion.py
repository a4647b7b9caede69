"""The mean over the modalities that are present, and the two forms in which maps travel.

Encodings are rows: one per live image of the batch, whatever its sample and modality. Fusing picks the rows that a
subset of modalities asks for, so that one set of encodings serves all subsets.

Shapes: B batch, M modalities, N encoded images, P rows that are fused, C channels of a stage, h w its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.recipe import Absence

ANY_SAMPLE = -1
"""The sample of rows that encode a zero image: they stand for that modality wherever it is absent."""


@dataclass(frozen=True)
class Encoded:
    """The encodings of the live images of a batch, one row each.

    Attributes:
        maps: One per stage.
        sample: Each row's place in the batch, or `ANY_SAMPLE`.
        modality: Each row's modality.
        present: What was encoded; the rows with a sample are its true entries in order, and come first.
    """

    maps: list[Float[Tensor, "N _C _h _w"]]
    sample: Int64[Tensor, " N"]
    modality: Int64[Tensor, " N"]
    present: Bool[Tensor, "B M"]

    @cached_property
    def dense(self) -> list[Float[Tensor, "B M _C _h _w"]]:
        """The maps by sample and modality, 0 where absent; a view where all are present. Spread out once."""
        slot = self.present.flatten().nonzero().squeeze(1)
        return [spread(rows[: len(slot)], slot, self.present) for rows in self.maps]


@dataclass(frozen=True)
class Fused:
    """One map per stage and sample, and which modalities are in them."""

    maps: list[Float[Tensor, "B _C _h _w"]]
    present: Bool[Tensor, "B M"]


def joined(parts: Sequence[Fused]) -> Fused:
    """All samples of several, one after the other."""
    maps = [torch.cat(stage) for stage in zip(*(part.maps for part in parts), strict=True)]
    return Fused(maps, torch.cat([part.present for part in parts]))


def rows_to_fuse(
    sample: Int64[Tensor, " N"],
    modality: Int64[Tensor, " N"],
    present: Bool[Tensor, "B M"],
    absence: Absence = "remove",
) -> tuple[Int64[Tensor, " P"], Int64[Tensor, " P"]]:
    """Which rows a subset of modalities takes, and the sample that each goes to.

    Raises:
        ValueError: A modality that should be present has no row, or an absent one no zero-image row
            though absence is "zero".
    """
    of_sample = sample != ANY_SAMPLE
    row = (of_sample & present[sample.clamp(min=0), modality]).nonzero().squeeze(1)
    if len(row) != int(present.sum()):
        raise ValueError(f"{int(present.sum())} encodings are to be fused, but {len(row)} of them were given")
    if absence == "remove":
        return row, sample[row]
    zero_row = torch.full_like(present[0], -1, dtype=torch.int64)  # M
    zero_row[modality[~of_sample]] = (~of_sample).nonzero().squeeze(1)
    to, absent = (~present).nonzero(as_tuple=True)
    if (zero_row[absent] < 0).any():
        raise ValueError("absence is 'zero', but the encoding of a zero image is missing for an absent modality")
    return torch.cat([row, zero_row[absent]]), torch.cat([sample[row], to])


def masked_mean(
    rows: Float[Tensor, "N C h w"], row: Int64[Tensor, " P"], to: Int64[Tensor, " P"], batch: int
) -> Float[Tensor, "B C h w"]:
    """The mean of the chosen rows of every sample; the other rows are never read, NaN or not.

    Args:
        rows: Encodings of one stage.
        row: The rows that take part.
        to: The sample that each of them goes to; every sample gets at least one.
        batch: How many samples there are.
    """
    count = torch.bincount(to, minlength=batch).to(rows.dtype)
    return masked_sum(rows, row, to, batch) / count[:, None, None, None]


def masked_sum(
    rows: Float[Tensor, "N C h w"], row: Int64[Tensor, " P"], to: Int64[Tensor, " P"], batch: int
) -> Float[Tensor, "B C h w"]:
    """The sum of the rows that `masked_mean` averages; the other rows are never read."""
    chosen = pick(rows, row).permute(0, 2, 3, 1)  # P h w C
    total = chosen.new_zeros(batch, *chosen.shape[1:]).index_add(0, to, chosen)
    return total.permute(0, 3, 1, 2)


def even_mean(rows: Float[Tensor, "N C h w"], batch: int) -> Float[Tensor, "B C h w"]:
    """The mean of all rows, as many for each sample and one sample after the other: nothing need be moved.

    Of one row each it is these rows themselves, not a copy.
    """
    total, each = even_sum(rows, batch), len(rows) // batch
    return total if each == 1 else total / each


def even_sum(rows: Float[Tensor, "N C h w"], batch: int) -> Float[Tensor, "B C h w"]:
    """The sum of the rows that `even_mean` averages; of one row each it is these rows themselves."""
    each = rows.permute(0, 2, 3, 1).unflatten(0, (batch, -1))  # B N/B h w C
    total = each[:, 0] if each.shape[1] == 1 else each.sum(dim=1)
    return total.permute(0, 3, 1, 2)


def in_order(row: Int64[Tensor, " P"], to: Int64[Tensor, " P"], count: int, batch: int) -> bool:
    """Whether `even_mean` is the mean that is asked for; no on accelerators, which would have to be waited for."""
    if row.device.type != "cpu" or len(row) != count or batch == 0 or count % batch:
        return False
    every = torch.arange(count, device=row.device)
    return torch.equal(row, every) and torch.equal(to, every // max(1, count // batch))


def pick(rows: Float[Tensor, "N C h w"], row: Int64[Tensor, " P"]) -> Float[Tensor, "P C h w"]:
    """Some rows, in the encoder's own memory layout, with the channels last."""
    return rows.permute(0, 2, 3, 1)[row].permute(0, 3, 1, 2)


def spread(
    rows: Float[Tensor, "N C h w"], slot: Int64[Tensor, " N"], present: Bool[Tensor, "B M"]
) -> Float[Tensor, "B M C h w"]:
    """Rows by sample and modality, 0 where there is none; a view where there is one for each.

    Args:
        rows: In the order of their slots.
        slot: Sample * M + modality of each row.
        present: For B and M alone.
    """
    if len(slot) < present.numel():
        rows = rows.permute(0, 2, 3, 1)  # N h w C: the maps lie in memory with the channels last, and stay so
        every = rows.new_zeros(present.numel(), *rows.shape[1:])
        rows = every.index_copy(0, slot.to(rows.device), rows).permute(0, 3, 1, 2)
    return rows.unflatten(0, present.shape)
