"""What HPDM and RRM cost beside a student step: time and memory, in pairs measured in turn.

    python benchmarks/distill_cost.py                            wall time, 2 threads
    python benchmarks/distill_cost.py --threads 1 --clock cpu    on a machine that has other work to do

A step is the student's forward pass, OHEM cross-entropy, logit KL and backward pass; the teacher's forward pass and the
optimiser would only make it longer and are left out. A loss costs its forward and backward pass down to the maps.
Goal: the default HPDM + RRM at most 5 % of a MiT-B0 step. Needs no data; takes about ten minutes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from robustseg import recipe
from robustseg.build import build_model
from robustseg.distill import Objective, draw_permutation, hpdm, rrm
from robustseg.files import write_text
from robustseg.models.segmenter import Segmenter

Losses = dict[str, Callable[[], Tensor]]


def main() -> None:
    """Prints one table row per image size, availability and loss."""
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    command = " ".join(sys.argv)
    lines = [f"python {command}: torch {torch.__version__}, {device}, {arguments.threads} threads, {date.today()}"]
    model = build_model(
        recipe.Model(backbone=arguments.backbone, width=arguments.width),
        arguments.classes,
        arguments.modalities,
        seed=0,
    )
    model = model.to(device).train()
    columns = ("losses".ljust(16), "step ms".rjust(9), "loss ms".rjust(9), "ratio".rjust(7), "quartiles".rjust(15))
    lines.append(" ".join((" size  live", *columns, " held MB")))
    print("\n".join(lines))
    for size in arguments.sizes:
        for live in ("all", "half"):
            for line in measure(model, size, live, arguments):
                print(line, flush=True)
                lines.append(line)
    write_text(arguments.out, "\n".join(lines) + "\n")


def measure(model: Segmenter, size: int, live: str, arguments: argparse.Namespace) -> Iterator[str]:
    """Rows of one image size; "half" of the student's modalities, or "all"."""
    draw = torch.Generator().manual_seed(0)
    device = next(model.parameters()).device
    shape = (arguments.batch, arguments.modalities)
    images = torch.randn(*shape, 3, size, size, generator=draw).to(device)
    blocks = torch.randint(0, arguments.classes, (arguments.batch, size // 16, size // 16), generator=draw)
    labels = blocks.repeat_interleave(16, 1).repeat_interleave(16, 2).to(device)
    present = torch.ones(shape, dtype=torch.bool)
    if live == "half":  # every second modality of the first sample, the others of the second, and so on
        present = (torch.arange(shape[0])[:, None] + torch.arange(shape[1])) % 2 == 0
    permutation = draw_permutation(present, None, draw).to(device)
    present = present.to(device)
    with torch.no_grad():
        teacher = model(images)
    objective = Objective(recipe.Distill(hpdm=0.0, rrm=0.0), arguments.classes)

    def step() -> Tensor:
        return objective.total(
            objective(student=model(images, present), teacher=teacher, labels=labels, present=present)
        )

    maps = [stage.detach().requires_grad_() for stage in model(images, present).maps]
    teacher_maps = teacher.maps
    pair = {"student": maps, "teacher": teacher_maps, "present": present}
    prototypes = partial(hpdm, **pair, labels=labels, num_classes=arguments.classes, permutation=permutation)
    representation = partial(rrm, **pair, generator=torch.Generator(device).manual_seed(0))
    losses: Losses = {
        "hpdm": prototypes,
        "rrm": representation,
        "hpdm + rrm": lambda: prototypes() + representation(),
        "hpdm released": partial(prototypes, form="released"),
        "rrm released": partial(representation, form="released"),
    }
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    for name, loss in losses.items():
        repeats = arguments.repeats if "released" not in name else max(3, arguments.repeats // 4)
        pairs = [(seconds(step, clock), seconds(loss, clock)) for _ in range(repeats + 1)][1:]  # the first one warms up
        yield row(f"{size:>5} {live:>5} {name:<16}", pairs, held_memory(loss, [*maps, *teacher_maps]))


def seconds(loss: Callable[[], Tensor], clock: Callable[[], float]) -> float:
    """Of the forward and backward pass."""
    wait()
    start = clock()
    loss().backward()
    wait()
    return clock() - start


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def held_memory(loss: Callable[[], Tensor], given: Sequence[Tensor]) -> float:
    """MB that a loss keeps for its backward pass, without the maps that were there before."""
    known = {tensor.untyped_storage().data_ptr() for tensor in given}
    held: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = loss()  # keeps its graph, and so the addresses, alive until they are counted
    total = sum(held.values()) / 1e6
    result.backward()
    return total


def row(head: str, pairs: list[tuple[float, float]], memory: float) -> str:
    """Medians; the ratio's are of the pairs, so that a slow moment of the machine hits both sides."""
    step, loss = (1e3 * statistics.median(side) for side in zip(*pairs, strict=True))
    low, middle, high = statistics.quantiles([b / a for a, b in pairs], n=4, method="inclusive")
    return f"{head} {step:9.1f} {loss:9.1f} {middle:7.2%} {low:7.2%}-{high:.2%} {memory:8.1f}"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbone", default="mit_b0")
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--classes", type=int, default=25)
    parser.add_argument("--modalities", type=int, default=4)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: on a machine with other work")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "distill_cost.txt")
    return parser.parse_args()


if __name__ == "__main__":
    main()
