"""What torch.compile brings to inference on a CPU, against the model as it is: time to compile, then pairs of runs.

    python benchmarks/compile.py                            about half an hour, most of it compilation
    python benchmarks/compile.py --threads 1 --clock cpu    on a machine that has other work to do
    python benchmarks/compile.py --restart                  not going on with what a stopped run has left

Encoder and decoder are compiled each on its own, as a whole: under a compiler they run without the strips and tiles in
which they are computed otherwise, since fusing loops is what it is there for. Needs a C++ compiler, and no data.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robustseg.benchmark.machine import processor
from robustseg.build import build_model
from robustseg.files import write_text
from robustseg.models.precision import in_precision
from robustseg.models.segmenter import Segmenter
from robustseg.recipe import Backbone, Model

MODALITIES, CLASSES = 4, 25
WIDTHS: dict[Backbone, int] = {"mit_nano": 96, "mit_b0": 768, "mit_b2": 768}
SIZES = ((96, 128), (512, 512), (1024, 1024))
COLUMNS = ("backbone", "size", "precision", "compile s", "eager s", "compiled s", "ratio", "fastest", "slowest", "same")


def compiled(model: Segmenter) -> Segmenter:
    """A copy whose encoder and decoder are compiled when they are first called."""
    fast = copy.deepcopy(model)
    fast.encoder.compile(dynamic=False)
    fast.decoder.compile(dynamic=False)
    return fast


def measured(
    backbone: Backbone, size: tuple[int, int], precision: str, pairs: int, clock: Callable[[], float]
) -> dict[str, Any]:
    """One row; ratios above 1 say that compiling wins. Compiling is timed by the wall clock."""
    torch.compiler.reset()
    plain = build_model(Model(backbone=backbone, width=WIDTHS[backbone]), CLASSES, MODALITIES, seed=0).eval()
    plain = in_precision(plain, precision)
    fast = compiled(plain)
    images = torch.randn(1, MODALITIES, 3, *size, generator=torch.Generator().manual_seed(0))
    wanted = plain.labels(images)
    start = time.perf_counter()
    got = fast.labels(images)
    waited = time.perf_counter() - start
    times = [(_seconds(plain, images, clock), _seconds(fast, images, clock)) for _ in range(pairs)]
    ratios = [eager / quick for eager, quick in times]
    values = (
        backbone,
        f"{size[0]}x{size[1]}",
        precision,
        round(waited, 1),
        round(statistics.median(eager for eager, _ in times), 4),
        round(statistics.median(quick for _, quick in times), 4),
        round(statistics.median(ratios), 2),
        round(max(ratios), 2),
        round(min(ratios), 2),
        round(float((wanted == got).float().mean()), 5),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _seconds(model: Segmenter, images: Tensor, clock: Callable[[], float]) -> float:
    start = clock()
    model.labels(images)
    return clock() - start


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|:--|:--|:--|" + "--:|" * (len(COLUMNS) - 3)]
    return lines + ["| " + " | ".join(str(row[name]) for name in COLUMNS) + " |" for row in rows]


def main() -> None:
    """Prints each row as it comes, and writes JSON and a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbones", nargs="+", default=list(WIDTHS), choices=list(WIDTHS))
    parser.add_argument("--sides", nargs="+", type=int, default=[size[0] for size in SIZES], help="heights of images")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: on a machine with other work")
    parser.add_argument("--restart", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "compile.json")
    options = parser.parse_args()
    if not shutil.which("g++") and not shutil.which("clang++"):
        raise SystemExit("torch.compile needs a C++ compiler: install g++ or clang++")
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    head = {"threads": options.threads, "clock": options.clock, "torch": torch.__version__, "pairs": options.pairs}
    kept = json.loads(options.out.read_text()) if options.out.is_file() and not options.restart else {}
    rows: list[dict[str, Any]] = kept.get("rows", []) if all(kept.get(key) == head[key] for key in head) else []
    done = {(row["backbone"], row["size"], row["precision"]) for row in rows}
    for backbone in options.backbones:
        for size in (size for size in SIZES if size[0] in options.sides):
            for precision in options.precisions:
                if (backbone, f"{size[0]}x{size[1]}", precision) in done:
                    continue
                rows.append(measured(backbone, size, precision, options.pairs, clock))
                print("\n".join(table(rows[-1:])[2:]), file=sys.stderr, flush=True)
                record = {
                    "command": f"python {' '.join(sys.argv)}",
                    "date": str(date.today()),
                    "processor": processor(torch.device("cpu")),
                    **head,
                    "rows": rows,
                }
                write_text(options.out, json.dumps(record, indent=1) + "\n")
    lines = [
        *table(rows),
        "",
        f"Labels of one frame of {MODALITIES} modalities, {CLASSES} classes, width 768 (nano: 96), {options.threads} "
        f"threads, {options.clock} time, medians of {options.pairs} pairs; ratio = eager / compiled, above 1 compiling "
        "wins; same = share of equal labels.",
        f"`python {' '.join(sys.argv)}`, {date.today()}, torch {torch.__version__}, {processor(torch.device('cpu'))}",
    ]
    print("\n".join(lines))
    write_text(options.out.with_suffix(".md"), "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
