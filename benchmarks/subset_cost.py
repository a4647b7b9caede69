"""What it costs to score every subset of four modalities: operations, and time on this machine.

    python benchmarks/subset_cost.py                            operations at 1024x1024, wall time at 512x512; minutes
    python benchmarks/subset_cost.py --size 1024                wall time at 1024x1024
    python benchmarks/subset_cost.py --threads 1 --clock cpu    on a machine that has other work to do
    python benchmarks/subset_cost.py --repeats 0                operations alone; seconds

Four ways to the predictions of all 15 subsets of a frame, all with the same weights and the same predictions:

a  the released way: each subset encodes its members anew, and its head upsamples four maps of E channels, joins them
   and convolves 4 E -> E at stride 4
b  our head, which multiplies its linear steps beforehand, subset by subset
c  ours: each modality is encoded once, then every subset is averaged and decoded
d  an experiment: as c, and the head's linear part, which commutes with the mean, once per modality as well; a subset
   then is a mean over maps of E channels at stride 4, ReLU and the classifier

The encoder is ours in all of them. Time is measured in turns, so that other work on the machine hits all ways alike;
a subset's time in ways a and b depends on its size alone, so one subset of each size is measured, and weighted by how
many there are. Needs no data.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from robustseg.benchmark.cost import GIGA, macs, meta_model
from robustseg.build import build_model
from robustseg.models.decoder import Decoder
from robustseg.models.fusion import Fused
from robustseg.models.segmenter import Segmenter
from robustseg.recipe import Backbone, Model

MODALITIES, CLASSES, WIDTH = 4, 25, 768
COUNTED = (1024, 1024)
STRIP = 512
"""Pixels at stride 4 that way d works on at a time: all subsets of a strip stay in the cache."""

Maps = list[Float[Tensor, "M _C _h _w"]]


def subsets() -> list[tuple[int, ...]]:
    """All non-empty ones, by size."""
    return [chosen for size in range(1, MODALITIES + 1) for chosen in combinations(range(MODALITIES), size)]


def encode(model: Segmenter, images: Float[Tensor, "M 3 H W"]) -> Maps:
    """The maps of each image."""
    return model.encode(images, torch.zeros(len(images), dtype=torch.int64, device=images.device))


def mean(maps: Maps, chosen: Sequence[int]) -> Fused:
    """The mean of some modalities, as one sample."""
    present = torch.ones(1, MODALITIES, dtype=torch.bool, device=maps[0].device)
    return Fused([stage[list(chosen)].mean(dim=0, keepdim=True) for stage in maps], present)


def unfolded(decoder: Decoder, fused: Fused, size: tuple[int, int]) -> Float[Tensor, "1 K H W"]:
    """The head as SegFormer draws it: linear, upsample, join, fuse, classify."""
    target = fused.maps[0].shape[-2:]
    wide = []
    for stage, linear in zip(fused.maps, decoder.linears, strict=True):
        projected = linear(stage.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        wide.append(F.interpolate(projected, size=target, mode="bilinear", align_corners=False))
    joined = F.relu(decoder.norm(decoder.fuse(torch.cat(wide[::-1], dim=1))))
    return F.interpolate(decoder.classifier(joined), size=size, mode="bilinear", align_corners=False)


def released(model: Segmenter, images: Tensor, chosen: Sequence[int]) -> Tensor:
    """Way a for one subset."""
    fused = mean(encode(model, images[list(chosen)]), range(len(chosen)))
    return labels(unfolded(decoder_of(model), fused, size_of(images)))


def folded(model: Segmenter, images: Tensor, chosen: Sequence[int]) -> Tensor:
    """Way b for one subset."""
    fused = mean(encode(model, images[list(chosen)]), range(len(chosen)))
    return labels(model.decode(fused, size_of(images)))


def shared(model: Segmenter, images: Tensor) -> list[Tensor]:
    """Way c for all subsets."""
    maps = encode(model, images)
    return [labels(model.decode(mean(maps, chosen), size_of(images))) for chosen in subsets()]


def linear_shared(model: Segmenter, images: Tensor) -> list[Tensor]:
    """Way d for all subsets: strip by strip, so that no subset's E channels ever lie in memory as a whole."""
    decoder, maps = decoder_of(model), encode(model, images)
    height, width = maps[0].shape[-2:]
    parts = projected(decoder, maps)  # M P E, P = h * w
    weight, bias = decoder.classifier.weight.flatten(1), decoder.classifier.get_parameter("bias")
    mixing = parts.new_zeros(len(subsets()), MODALITIES)
    for row, chosen in enumerate(subsets()):
        mixing[row, list(chosen)] = 1 / len(chosen)
    logits = parts.new_empty(len(mixing), parts.shape[1], len(bias))  # S P K
    for first in range(0, parts.shape[1], STRIP):
        strip = parts[:, first : first + STRIP]  # M p E
        for row, chosen in enumerate(subsets()):
            together = torch.einsum("m,mpe->pe", mixing[row, list(chosen)], strip[list(chosen)])
            torch.addmm(bias, together.relu_(), weight.T, out=logits[row, first : first + STRIP])
    maps_of_classes = logits.transpose(1, 2).unflatten(2, (height, width))  # S K h w
    return [labels(_upsampled(one[None], size_of(images))) for one in maps_of_classes]


def projected(decoder: Decoder, maps: Maps) -> Float[Tensor, "M P E"]:
    """All that is linear in the head, BatchNorm's evaluation included, for each modality on its own."""
    norm = decoder.norm
    scale = norm.weight * (norm.get_buffer("running_var") + norm.eps).rsqrt()
    shift = norm.bias - norm.get_buffer("running_mean") * scale
    matrices, bias = decoder._folded()
    total = F.conv2d(maps[0], (scale[:, None] * matrices[0])[..., None, None], scale * bias + shift)
    for stage, matrix in zip(maps[1:], matrices[1:], strict=True):
        total += _upsampled(F.conv2d(stage, (scale[:, None] * matrix)[..., None, None]), total.shape[-2:])
    return total.permute(0, 2, 3, 1).flatten(1, 2).contiguous()


def _upsampled(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def labels(logits: Float[Tensor, "1 K H W"]) -> Int64[Tensor, "H W"]:
    """The most likely class of each pixel."""
    return logits[0].max(dim=0).indices


def decoder_of(model: Segmenter) -> Decoder:
    """The standard network's."""
    assert isinstance(model.decoder, Decoder)
    return model.decoder


def size_of(images: Tensor) -> tuple[int, int]:
    """Height and width."""
    return images.shape[-2], images.shape[-1]


@dataclass(frozen=True)
class Way:
    """A way to all predictions: a function of (model, images), or of one subset as well."""

    function: Callable[..., Any]
    one_by_one: bool = False

    def predictions(self, model: Segmenter, images: Tensor) -> list[Int64[Tensor, "H W"]]:
        """Of all subsets."""
        if self.one_by_one:
            return [self.function(model, images, chosen) for chosen in subsets()]
        return self.function(model, images)


WAYS = {"a": Way(released, True), "b": Way(folded, True), "c": Way(shared), "d": Way(linear_shared)}


def of_all(way: Way, model: Segmenter, images: Tensor, measure: Callable[[Callable[[], object]], float]) -> float:
    """What a way costs for all subsets; one by one, those of one size cost the same, and one of each is measured."""
    if not way.one_by_one:
        return measure(partial(way.function, model, images))
    costs = {size: measure(partial(way.function, model, images, range(size))) for size in range(1, MODALITIES + 1)}
    return sum(math.comb(MODALITIES, size) * cost for size, cost in costs.items())


def counted(backbone: str = "mit_b0") -> dict[str, float]:
    """GMAC of each way for one frame at 1024x1024."""
    model = meta_model(backbone, width=WIDTH, classes=CLASSES, modalities=MODALITIES).eval()
    images = torch.empty(MODALITIES, 3, *COUNTED, device="meta")
    with torch.no_grad():
        return {name: of_all(way, model, images, macs) / GIGA for name, way in WAYS.items()}


def timed(backbone: Backbone, size: int, repeats: int, clock: Callable[[], float]) -> list[dict[str, float]]:
    """Seconds of each way in each round; the first round only warms up."""
    model = build_model(Model(backbone=backbone, width=WIDTH), CLASSES, MODALITIES, seed=0).eval()
    images = torch.randn(MODALITIES, 3, size, size, generator=torch.Generator().manual_seed(0))
    rounds = []

    def seconds_of(function: Callable[[], object]) -> float:
        start = clock()
        function()
        return clock() - start

    with torch.inference_mode():
        check_alike(model, images[..., :128, :128])
        for number in range(repeats + 1):
            seconds = {name: of_all(way, model, images, seconds_of) for name, way in WAYS.items()}
            if number:
                rounds.append(seconds)
                print(" ".join(f"{name} {seconds[name]:.1f} s" for name in "abcd"), file=sys.stderr, flush=True)
    return rounds


def check_alike(model: Segmenter, images: Tensor) -> None:
    """Raises ValueError unless all ways predict the same, up to pixels on the border between two classes."""
    wanted = WAYS["c"].predictions(model, images)
    for name, way in WAYS.items():
        got = way.predictions(model, images)
        same = min(float((one == other).float().mean()) for one, other in zip(got, wanted, strict=True))
        if same < 0.999:
            raise ValueError(f"ways {name} and c agree on {same:.2%} of the pixels only")


def table(gmac: dict[str, float], rounds: list[dict[str, float]]) -> list[str]:
    """One row per way; ratios to way c, of time the median over the rounds."""
    names = {
        "a": "released: encode and decode each subset",
        "b": "our head, subset by subset",
        "c": "encode once, fuse and decode each subset",
        "d": "the head's linear part once per modality, too",
    }
    lines = ["| way | GMAC | to c | seconds | to c |", "|:--|--:|--:|--:|--:|"]
    for name, text in names.items():
        times = ("", "")
        if rounds:
            ratio = statistics.median(seconds[name] / seconds["c"] for seconds in rounds)
            times = (f"{statistics.median(seconds[name] for seconds in rounds):.1f}", f"{ratio:.2f}")
        lines.append(f"| {name}: {text} | {gmac[name]:,.1f} | {gmac[name] / gmac['c']:.2f} | {times[0]} | {times[1]} |")
    return lines


def main() -> None:
    """Prints the table and writes it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbone", default="mit_b0")
    parser.add_argument("--size", type=int, default=512, help="of the images that are timed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: on a machine with other work")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "subset_cost.md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    rounds = timed(options.backbone, options.size, options.repeats, clock) if options.repeats else []
    lines = table(counted(options.backbone), rounds)
    lines += [
        "",
        f"All 15 subsets of {MODALITIES} modalities, {CLASSES} classes, width {WIDTH}, {options.backbone}, one frame. "
        f"GMAC: at {COUNTED[0]}x{COUNTED[1]}. Seconds: at {options.size}x{options.size}, CPU, {options.threads} "
        f"threads, {options.clock} time, median of {options.repeats} rounds.",
        f"`python {' '.join(sys.argv)}`, {date.today()}, torch {torch.__version__}",
    ]
    print("\n".join(lines))
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
