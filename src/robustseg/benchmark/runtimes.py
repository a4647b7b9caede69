"""The time of a model in PyTorch and of its exports, for each number of modalities.

One runtime after the other: the threads of one stay busy for a while after it has answered, and would slow the next.

Shapes: M modalities, H W image size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from robustseg.benchmark.latency import Times, interleaved
from robustseg.benchmark.machine import processor
from robustseg.deploy.export import open_export, read_manifest
from robustseg.models.segmenter import Segmenter
from robustseg.normalisation import normalise
from robustseg.report.tables import Grid
from robustseg.robustness.calibration import most_likely, temperature_of

EAGER = "torch"


def runtimes_table(
    model: Segmenter,
    exports: Sequence[Path],
    *,
    runs: int = 20,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Grid:
    """Median milliseconds from one frame's images to labels and confidence; the first 1, 2, ... modalities are there.

    Args:
        model: In evaluation mode, on the CPU, with a card.
        exports: Folders of exports of this model.
        runs: How often each is measured, after a warm-up.
        size: Height and width of the images; None = what the model was trained on.
        seed: Of the images.
        progress: Told of (done, all) runs.

    Raises:
        FileNotFoundError: A folder is no export.
        ValueError: An export is damaged, or of another model; a runtime is not installed; `runs` is below 1.
    """
    if runs < 1:
        raise ValueError(f"--runs must be at least 1, got {runs}")
    height, width = size or model.card.resize or model.card.input_size
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(1, model.num_modalities, 3, height, width, generator=generator)
    work = _work(model, exports, images)
    names = tuple(dict.fromkeys(name for name, _ in work))
    times: dict[str, Times] = {}
    for place, runtime in enumerate(names):
        own = {f"{name} {count}": run for (name, count), run in work.items() if name == runtime}
        times |= interleaved(own, rounds=runs, progress=partial(_whole, progress, place, len(names)))
    rows = tuple(_row(times, names, count) for count in range(1, model.num_modalities + 1))
    caption = (
        f"milliseconds, {height}x{width}, median of {runs} runs, numbers in turns; {processor(torch.device('cpu'))}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {date.today().isoformat()}"
    )
    return Grid("labels and confidence of a frame", ("modalities", *names), rows, caption=caption)


def _work(
    model: Segmenter, exports: Sequence[Path], images: Float[Tensor, "1 M 3 H W"]
) -> dict[tuple[str, int], Callable[[], object]]:
    """What is run, by the name of its column and the number of modalities."""
    work: dict[tuple[str, int], Callable[[], object]] = {}
    for count in range(1, model.num_modalities + 1):
        present = (torch.arange(model.num_modalities) < count)[None]
        work[EAGER, count] = partial(_eager, model, images, present)
    for folder in exports:
        manifest = read_manifest(folder)
        if manifest.weights != model.card.sha256:
            raise ValueError(f"{folder} is an export of another model: export this one again")
        name, run = f"{manifest.format} {manifest.form} {manifest.precision}", open_export(folder)
        for count in range(1, model.num_modalities + 1):
            present = (torch.arange(model.num_modalities) < count)[None]
            work[name, count] = partial(run, images.numpy(), present.numpy())
    return work


@torch.inference_mode()
def _eager(model: Segmenter, images: Float[Tensor, "1 M 3 H W"], present: Bool[Tensor, "1 M"]) -> object:
    inputs = normalise(images, model.card.modalities)
    temperature = temperature_of(model.card.temperatures, present)
    return most_likely(model.logits(inputs, present), temperature, size=(images.shape[-2], images.shape[-1]))


def _whole(progress: Callable[[int, int], object], place: int, runtimes: int, done: int, total: int) -> object:
    """Tells how far all runtimes are; each has as many runs."""
    return progress(place * total + done, runtimes * total)


def _row(times: dict[str, Times], names: Sequence[str], count: int) -> tuple[str | float, ...]:
    return (str(count), *(times[f"{name} {count}"].median for name in names))
