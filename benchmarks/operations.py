"""GFLOP of both sides' work, counted on the meta device: two for each multiply-add of a product or convolution.

A student's step is counted as the teacher's forward pass and the student's forward and backward pass; the losses, the
optimiser, all upsampling (ours is a product with small matrices on CPUs) and what our side computes a second time in
its backward pass are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from opponent.network import Network
from sides import CLASSES, PLACES, Case
from torch import Tensor

from robustseg.benchmark.cost import GIGA, macs, meta_logits
from robustseg.failures import all_subsets
from robustseg.models.fusion import Fused
from robustseg.models.segmenter import Segmenter
from robustseg.models.standard import segmenter_on_meta


def inference_gflop(case: Case, counts: Sequence[int]) -> dict[str, float]:
    """Of labels from so many modalities, named as the runs are."""
    opponent, ours = _networks(case)
    images = _images(case)
    found: dict[str, float] = {}
    for count in counts:
        found[f"opponent, {count}"] = _gflop(partial(opponent, images, [range(count)] * case.batch))
        found[f"ours, {count}"] = _gflop(partial(meta_logits, ours, case.batch, count, case.size))
    return found


def subset_gflop(case: Case) -> dict[str, float]:
    """Of labels from all subsets; ours encodes each modality and applies the head's linear part to it once."""
    opponent, ours = _networks(case)
    images, subsets = _images(case), all_subsets(case.modalities)
    sizes = {count: math.comb(case.modalities, count) for count in range(1, case.modalities + 1)}
    encoded = case.batch * case.modalities
    linear = _gflop(partial(meta_logits, ours, encoded, 1, case.size))
    pixels = case.batch * -(-case.size[0] // 4) * -(-case.size[1] // 4)
    classifier = 2 * pixels * case.width * CLASSES / GIGA
    mixing = 2 * pixels * case.width * int(subsets.sum()) / GIGA
    return {
        "opponent": sum(
            number * _gflop(partial(opponent, images, [range(count)] * case.batch)) for count, number in sizes.items()
        ),
        "ours": linear + (len(subsets) - case.modalities) * classifier + mixing,
    }


def step_gflop(case: Case) -> dict[str, float]:
    """Of a student's step, whatever its losses."""
    opponent, ours = _networks(case)
    images, places = _images(case), PLACES[case.batch]
    everything = [range(case.modalities)] * case.batch

    def their_student() -> None:
        opponent.train()(images, places).logits.sum().backward()

    def our_student() -> None:
        _mixed_logits(ours.train(), case, sum(len(live) for live in places)).sum().backward()

    teachers = (
        _gflop(partial(opponent, images, everything)),
        _gflop(partial(meta_logits, ours, case.batch, case.modalities, case.size)),
    )
    return {
        "opponent": teachers[0] + 2 * macs(their_student) / GIGA,
        "ours": teachers[1] + 2 * macs(our_student) / GIGA,
    }


def _mixed_logits(model: Segmenter, case: Case, live: int) -> Tensor:
    """Of a batch with so many modalities in all; which ones are averaged does not matter to what is counted."""
    maps = model.encode(torch.empty(live, 3, *case.size, device="meta"), torch.empty(live, device="meta").long())
    present = torch.empty(case.batch, case.modalities, dtype=torch.bool, device="meta")
    return model.decode(Fused([stage[: case.batch] for stage in maps], present), case.size)


def _networks(case: Case) -> tuple[Network, Segmenter]:
    with torch.device("meta"):
        opponent = Network(case.backbone, CLASSES, width=case.width, dropout=case.drop, drop_path=case.drop)
    ours = segmenter_on_meta(case.backbone, width=case.width, num_classes=CLASSES, num_modalities=case.modalities)
    return opponent.eval(), ours.eval()


def _images(case: Case) -> Tensor:
    return torch.empty(case.batch, case.modalities, 3, *case.size, device="meta")


def _gflop(function: Callable[[], object]) -> float:
    with torch.no_grad():
        return 2 * macs(function) / GIGA
