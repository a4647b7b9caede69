"""What gradient checkpointing saves and costs: memory kept for the backward pass, and time of a step, in pairs.

    python benchmarks/checkpointing.py                            wall time, 2 threads; about five minutes
    python benchmarks/checkpointing.py --threads 1 --clock cpu    on a machine that has other work to do

A step is the forward and backward pass of one frame with four modalities in training mode. Memory is what autograd
keeps between the two, counted tensor by tensor, weights left out; it grows with the pixels and the frames. While the
backward pass computes a block again, that one block's values come on top. Needs no data.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch
from torch import Tensor

from robustseg.build import build_model
from robustseg.models.segmenter import Segmenter
from robustseg.recipe import Backbone, Model

MODALITIES, CLASSES = 4, 25


def kept(model: Segmenter, images: Tensor) -> tuple[float, float]:
    """GB that the forward pass keeps, and the part of it that encoding keeps."""
    weights = {tensor.untyped_storage().data_ptr() for tensor in model.state_dict().values()}
    found: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in weights:
            found[address] = tensor  # held, so that no later tensor takes its address
        return tensor

    def total() -> float:
        return sum(tensor.untyped_storage().nbytes() for tensor in found.values()) / 1e9

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        present = torch.ones(images.shape[:2], dtype=torch.bool)
        encoded = model.encode_batch(images, present)
        encoder = total()
        fused = model.fuse(encoded.maps, encoded.sample, encoded.modality, present)
        logits = model.decode(fused, (images.shape[-2], images.shape[-1]))
        result = total()
    logits.sum().backward()
    return result, encoder


def seconds(model: Segmenter, images: Tensor, clock: Callable[[], float]) -> float:
    """Of a forward and a backward pass."""
    start = clock()
    model(images).logits.sum().backward()
    return clock() - start


def row(backbone: Backbone, size: int, repeats: int, clock: Callable[[], float]) -> str:
    """Of one backbone: memory without and with, and the ratio of the times' medians."""
    recipe = Model(backbone=backbone, width=768)
    plain, spare = (
        build_model(replace(recipe, gradient_checkpointing=on), CLASSES, MODALITIES, seed=0).train()
        for on in (False, True)
    )
    images = torch.randn(1, MODALITIES, 3, size, size, generator=torch.Generator().manual_seed(0))
    (all_plain, encoder_plain), (all_spare, encoder_spare) = kept(plain, images), kept(spare, images)
    pairs = [(seconds(plain, images, clock), seconds(spare, images, clock)) for _ in range(repeats + 1)][1:]
    ratio = statistics.median(b / a for a, b in pairs)
    return (
        f"| {backbone} | {encoder_plain:.2f} | {encoder_spare:.2f} | {all_plain:.2f} | {all_spare:.2f} "
        f"| {statistics.median(a for a, _ in pairs):.2f} | {ratio:.2f} |"
    )


def main() -> None:
    """Prints the table and writes it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbones", nargs="+", default=["mit_b0", "mit_b2"])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: on a machine with other work")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "checkpointing.md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    lines = [
        "| backbone | encoder GB | with checkpointing | all GB | with checkpointing | step s | time with / without |",
        "|:--|--:|--:|--:|--:|--:|--:|",
        *(row(backbone, options.size, options.repeats, clock) for backbone in options.backbones),
        "",
        f"One frame of {MODALITIES} modalities at {options.size}x{options.size}, width 768, {CLASSES} classes, CPU, "
        f"{options.threads} threads, {options.clock} time, median of {options.repeats} pairs. GB are 10^9 bytes.",
        f"`python {' '.join(sys.argv)}`, {date.today()}, torch {torch.__version__}",
    ]
    print("\n".join(lines))
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
