"""Which frames choose the best checkpoint, and the score that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from lightning.fabric import Fabric
from torch import Tensor

from robustseg.data.sample import Frames, Sample
from robustseg.data.transforms import sample_generator
from robustseg.frames import open_frames
from robustseg.labels import LabelClass
from robustseg.metrics import mean_iou
from robustseg.modalities import Modality
from robustseg.models.segmenter import Segmenter
from robustseg.recipe import Recipe
from robustseg.robustness.cases import subset_cases
from robustseg.robustness.evaluate import Plan, count_frames
from robustseg.robustness.tally import in_memory

HOLDOUT_STREAM = 2


@dataclass(frozen=True)
class Part:
    """Some frames of a dataset, in the given order."""

    frames: Frames
    indices: Sequence[int]

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those of the whole dataset."""
        return self.frames.modalities

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Those of the whole dataset."""
        return self.frames.classes

    @property
    def sequences(self) -> tuple[str, ...]:
        """Of the chosen frames."""
        known = self.frames.sequences
        return tuple(known[index] for index in self.indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.frames[self.indices[index]]


def hold_out(frames: Frames, fraction: float, seed: int) -> tuple[Part, Part]:
    """Splits frames into (train, held out), by a draw that depends on `seed` and the frames' order alone.

    Frames of one sequence look alike, so sequences stay whole where they are known: as many as fit into `fraction` and,
    where they make up less than half of it, the shortest of the others. Of one that is more than twice what was asked
    for, the last frames are held out alone.

    Raises:
        ValueError: One of the two would be empty.
    """
    wanted = max(1, round(fraction * len(frames)))
    groups: dict[str, list[int]] = {}
    for index, sequence in enumerate(frames.sequences):
        groups.setdefault(sequence or f"frame {index}", []).append(index)
    order = torch.randperm(len(groups), generator=sample_generator(seed, 0, 0, stream=HOLDOUT_STREAM)).tolist()
    sequences = list(groups.values())
    shuffled = [sequences[place] for place in order]
    held: list[int] = []
    for sequence in shuffled:
        if len(held) + len(sequence) <= wanted:
            held += sequence
    if 2 * len(held) < wanted:
        shortest = min((sequence for sequence in shuffled if sequence[0] not in held), key=len)
        held += shortest if len(shortest) <= 2 * wanted < len(frames) else shortest[-wanted:]
    kept = sorted(set(range(len(frames))) - set(held))
    if not 0 < fraction < 1 or not kept or not held:
        raise ValueError(f"holdout {fraction} of {len(frames)} frames leaves nothing to train on or to select by")
    return Part(frames, kept), Part(frames, sorted(held))


def select_frames(recipe: Recipe, frames: Frames) -> tuple[Frames, Frames | None]:
    """What is trained on, and what selects; `frames` are the recipe's training split."""
    match recipe.select:
        case "holdout":
            return hold_out(frames, recipe.holdout, recipe.holdout_seed)
        case "published":
            return frames, open_frames(recipe.data, recipe.data.val)
        case "last":
            return frames, None


def selection_name(recipe: Recipe) -> str:
    """What people call the frames that select; empty where none do."""
    match recipe.select:
        case "holdout":
            return f"{recipe.holdout:g} of {recipe.data.train}"
        case "published":
            return recipe.data.val
        case "last":
            return ""


def selection_counts(
    fabric: Fabric,
    model: Segmenter,
    frames: Frames,
    subsets: Bool[Tensor, "S M"],
    batch_size: int,
    one_of: Bool[Tensor, " M"] | None = None,
) -> Int64[Tensor, "S K 3"]:
    """TP, FP, FN per subset and class over all frames; the processes share the work and all get the sum.

    A frame counts where it has one of a subset's modalities in `one_of`; None = in the subset.
    """
    plan = Plan({"emm": subset_cases(subsets, one_of=one_of)}, batch_size=batch_size, confident=False)
    tally = in_memory(plan.shape(frames))
    mine = range(fabric.global_rank, len(frames), fabric.world_size)
    count_frames(model, frames, plan, tally, indices=mine, device=fabric.device)
    counts = torch.from_numpy(tally.parts["emm"].counts).sum(dim=0).to(fabric.device)  # S K 3, int64
    return fabric.all_reduce(counts, reduce_op="sum")  # pyright: ignore[reportReturnType]


def selection_score(counts: Int64[Tensor, "S K 3"]) -> float:
    """The mean over the scored subsets of mIoU in percent, classes that occur nowhere left out.

    Raises:
        ValueError: No subset was scored: no selection frame has a labelled pixel.
    """
    score = float(mean_iou(counts, absent="skip").nanmean())
    if score != score:
        raise ValueError("no selection frame has a labelled pixel: raise holdout, or set select to last")
    return score
