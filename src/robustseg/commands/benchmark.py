"""What a model costs on this machine."""

from __future__ import annotations

from pathlib import Path

from robustseg.commands.shared import console, model_folder, own_folder
from robustseg.files import make_writable, write_text
from robustseg.progress import progress_bar


def benchmark(
    model: Path,
    *,
    size: str = "",
    batch: int = 1,
    threads: int = 0,
    precision: str = "fp32",
    device: str = "auto",
    runs: int = 20,
    seed: int = 0,
    split: str = "",
    out: Path | None = None,
) -> None:
    """Measure what a model costs here with every set of sensors: time, operations, memory; beside its quality.

    Tables (Markdown, CSV, JSON) and a picture tell what is saved when a sensor is off. Other work on the machine makes
    the times longer; all sets are measured in turns, so that it hits them alike.

    Args:
        model: A model folder, or hf://org/name.
        size: Height x width of the images, as in 512x1024; by default what the model's frames were resized to, or the
            size it was trained on.
        batch: Frames at a time.
        threads: Of the processor; 0 = as many as torch takes.
        precision: How numbers are computed: fp32, bf16, on GPUs fp16.
        device: Where to compute: cpu, cuda, cuda:1; auto = a GPU if there is one.
        runs: How often each set of sensors is measured.
        seed: Of the random images.
        split: Whose evaluation stands beside the times; by default the recipe's `data.val`, or the only one there is.
        out: Where the results go; by default MODEL/benchmark.
    """
    from robustseg.benchmark import Settings, measure, tables
    from robustseg.benchmark.chart import draw
    from robustseg.benchmark.quality import quality_beside
    from robustseg.benchmark.settings import parse_size
    from robustseg.build import find_device
    from robustseg.models.card import read_card
    from robustseg.report.tables import terminal, write_grid

    target = out or own_folder(model) / "benchmark"
    model = model_folder(model)
    card = read_card(model)
    pixels = parse_size(size) if size else card.resize or card.input_size
    settings = Settings(pixels, batch, threads, precision, str(find_device(device)), runs, seed)
    make_writable(target)
    quality, lacking = quality_beside(model, card, split)
    if lacking:
        console.print(f"note: no quality beside the times: {lacking}")
    with progress_bar(f"running {model}") as report:
        found = measure(model, settings, quality=quality, progress=report)
    off = tables.switched_off_table(found)
    write_text(target / f"{found.stem}.json", found.json())
    write_grid(target / f"{found.stem}.csv", tables.spread_sheet(found))
    write_grid(target / f"{found.stem}.md", off)
    draw(found, target / f"{found.stem}.png")
    for grid in (tables.sets_table(found), off, tables.parts_table(found)):
        console.print(terminal(grid))
    console.print("\n".join([*tables.model_lines(found), f"{target / found.stem}.json, .csv, .md, .png"]))
