"""What the network costs on a GPU: inference by size, batch, precision and sensors, all subsets, and a training step.

    python benchmarks/gpu.py                       a few minutes; says so where there is no GPU
    python benchmarks/gpu.py --backbones mit_b0    one network only

Times are medians between two synchronisations, after warm-up; memory is the peak of torch's allocator beyond what was
there before. A step is forward, cross-entropy, distillation with the default losses, backward and optimiser, with
modalities missing at random. Needs no data.

Results: not yet run on a GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robustseg.build import build_model
from robustseg.distill import Objective
from robustseg.failures import all_subsets
from robustseg.files import write_text
from robustseg.models.precision import in_precision
from robustseg.models.segmenter import Segmenter
from robustseg.recipe import Backbone, Distill, Model
from robustseg.robustness.subsets import subset_labels

MODALITIES, CLASSES, WIDTH = 4, 25, 768
BACKBONES: tuple[Backbone, ...] = ("mit_b0", "mit_b2")
SIZES, BATCHES = (512, 1024), (1, 8)


def milliseconds(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median time of a run, and the GB that it takes at its peak."""
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    start = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times), (torch.cuda.max_memory_allocated() - start) / 1e9


def random_images(batch: int, size: int) -> Tensor:
    """B M 3 H W."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, MODALITIES, 3, size, size, generator=generator).cuda()


def inference(backbone: Backbone, repeats: int) -> Iterator[dict[str, Any]]:
    """Labels with 1 and with all sensors, and of all subsets."""
    model = build_model(Model(backbone=backbone, width=WIDTH), CLASSES, MODALITIES, seed=0).eval().cuda()
    for precision in ("fp32", "bf16"):
        lowered = in_precision(model, precision)
        for size in SIZES:
            for batch in BATCHES:
                images = random_images(batch, size)
                for sensors in (1, MODALITIES):
                    present = (torch.arange(MODALITIES) < sensors).expand(batch, -1).cuda()
                    found = milliseconds(lambda m=lowered, i=images, p=present: m.labels(i, p), repeats)
                    yield row(backbone, f"{sensors} of {MODALITIES}", size, batch, precision, found)
                subsets = all_subsets(MODALITIES).cuda()
                found = milliseconds(lambda m=lowered, i=images, s=subsets: subset_labels(m, i, s), repeats)
                yield row(backbone, f"all {len(subsets)} subsets", size, batch, precision, found)


def training(backbone: Backbone, repeats: int, batch: int = 4, size: int = 512) -> Iterator[dict[str, Any]]:
    """A student's step."""
    recipe = Model(backbone=backbone, width=WIDTH)
    teacher = build_model(recipe, CLASSES, MODALITIES, seed=1).eval().requires_grad_(False).cuda()
    generator = torch.Generator().manual_seed(0)
    images = random_images(batch, size)
    labels = torch.randint(0, CLASSES, (batch, size, size), generator=generator).cuda()
    present = torch.rand(batch, MODALITIES, generator=generator) < 0.5
    present[torch.arange(batch), torch.arange(batch) % MODALITIES] = True
    for precision in ("fp32", "bf16"):
        student = build_model(recipe, CLASSES, MODALITIES, seed=0).train().cuda()
        step = student_step(student, teacher, images, labels, present.cuda(), precision == "bf16")
        yield row(backbone, "student step", size, batch, precision, milliseconds(step, repeats))


def row(backbone: str, work: str, size: int, batch: int, precision: str, found: tuple[float, float]) -> dict[str, Any]:
    """One line of the table."""
    return {
        "network": backbone,
        "work": work,
        "size": size,
        "batch": batch,
        "precision": precision,
        "ms": round(found[0], 2),
        "peak GB": round(found[1], 3),
    }


def student_step(
    student: Segmenter, teacher: Segmenter, images: Tensor, labels: Tensor, present: Tensor, low: bool
) -> Callable[[], object]:
    """One step with all that belongs to it; `low`: in bfloat16 where autocast says so, weights in fp32."""
    objective = Objective(Distill(), CLASSES)
    optimizer = torch.optim.AdamW(student.parameters(), lr=6e-5, fused=True)
    permutation = torch.arange(MODALITIES, device=images.device).expand(len(images), -1)

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16, enabled=low):
            with torch.no_grad():
                known = teacher.coarse(images)
            losses = objective(
                student=student.coarse(images, present),
                teacher=known,
                labels=labels,
                present=present,
                permutation=permutation,
                generator=torch.Generator(images.device).manual_seed(0),
            )
        objective.total(losses).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown; the last column is how many times as fast as fp32."""
    known = {(*_what(one),): one["ms"] for one in rows if one["precision"] == "fp32"}
    lines = [
        "| network | work | image | batch | precision | ms | to fp32 | peak GB |",
        "|:--|:--|--:|--:|:--|--:|--:|--:|",
    ]
    for one in rows:
        where = (
            f"| {one['network']} | {one['work']} | {one['size']}x{one['size']} | {one['batch']} | {one['precision']} "
        )
        lines.append(f"{where}| {one['ms']:.1f} | {known[_what(one)] / one['ms']:.2f} | {one['peak GB']:.2f} |")
    return lines


def _what(one: dict[str, Any]) -> tuple[Any, ...]:
    return one["network"], one["work"], one["size"], one["batch"]


def main() -> None:
    """Prints and writes JSON and a table, if there is a GPU."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES), choices=BACKBONES)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "gpu.json")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU here: nothing was measured and nothing written")
        return
    rows: list[dict[str, Any]] = []
    about = {
        "command": f"python {' '.join(sys.argv)}",
        "date": str(date.today()),
        "torch": torch.__version__,
        "processor": torch.cuda.get_device_name(),
    }
    for backbone in options.backbones:
        for found in (*inference(backbone, options.repeats), *training(backbone, options.repeats)):
            rows.append(found)
        write_text(options.out, json.dumps(about | {"rows": rows}, indent=1) + "\n")
    lines = [*table(rows), "", f"`{about['command']}`, {about['date']}, torch {about['torch']}, {about['processor']}"]
    print("\n".join(lines))
    write_text(options.out.with_suffix(".md"), "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
