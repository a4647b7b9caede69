"""A model folder is measured: every set of sensors, the parts, the memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch

from robustseg.benchmark.cost import GIGA, frame_macs
from robustseg.benchmark.latency import Times, interleaved, waiting
from robustseg.benchmark.machine import processor
from robustseg.benchmark.memory import peak_memory
from robustseg.benchmark.quality import Quality
from robustseg.benchmark.result import Benchmark, Machine, Row
from robustseg.benchmark.settings import Settings, thread_count
from robustseg.benchmark.subsets import SensorSet, sensor_sets
from robustseg.benchmark.work import open_model, part_work, random_images, set_work
from robustseg.build import find_device
from robustseg.models.card import ModelCard
from robustseg.models.precision import COMPUTED, precision_note
from robustseg.models.segmenter import Segmenter
from robustseg.version import __version__


def measure(
    folder: Path,
    settings: Settings,
    *,
    quality: Quality | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Benchmark:
    """Measures a model folder on this machine; takes (runs + warm-up) x (sets + parts) predictions.

    Args:
        folder: A model folder.
        settings: What to measure.
        quality: What stands beside the times.
        progress: Told of (done, all) runs.

    Raises:
        FileNotFoundError: It is no model folder.
        ValueError: It is damaged, or there is no such device.
    """
    device = find_device(settings.device)
    settings = replace(settings, device=str(device))
    model = open_model(folder, settings)
    sets = sensor_sets(model.card.modalities)
    memory = peak_memory(folder, settings)
    with thread_count(settings.threads) as threads:
        times, parts = _timed(model, settings, sets, progress)
    return Benchmark(
        model=folder.resolve().name,
        weights=model.card.sha256,
        backbone=model.card.backbone,
        width=model.card.width,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        settings=settings,
        machine=Machine(processor(device), threads, torch.__version__, __version__, date.today().isoformat()),
        rows=_rows(model.card, settings, sets, times, quality),
        parts=parts,
        memory=memory,
        split=quality.split if quality else "",
        note=_note(quality, settings, model),
    )


def _note(quality: Quality | None, settings: Settings, model: Segmenter) -> str:
    """What a reader of the quality beside the times must know: above all, if it is another precision's."""
    if quality is None:
        return ""
    wanted = precision_note(model)
    same = wanted in quality.note if wanted else COMPUTED not in quality.note
    other = "" if same else f"not in {settings.precision}, whose times these are"
    return "; ".join(filter(None, (quality.note, other)))


@torch.inference_mode()
def _timed(
    model: Segmenter, settings: Settings, sets: tuple[SensorSet, ...], progress: Callable[[int, int], object]
) -> tuple[dict[str, Times], dict[str, Times]]:
    """Of the sets of sensors, and of the parts; all in the same rounds."""
    device = next(model.parameters()).device
    images = random_images(settings.batch, model.num_modalities, settings.size, seed=settings.seed, device=device)
    whole, parts = set_work(model, images, sets), part_work(model, images)
    found = interleaved(whole | parts, rounds=settings.runs, wait=waiting(device), progress=progress)
    return {name: found[name] for name in whole}, {name: found[name] for name in parts}


def _rows(
    card: ModelCard,
    settings: Settings,
    sets: tuple[SensorSet, ...],
    times: dict[str, Times],
    quality: Quality | None,
) -> tuple[Row, ...]:
    macs = {size: frame_macs(card, settings.size, size) for size in {entry.size for entry in sets}}
    scores = quality.miou if quality else {}
    return tuple(Row(entry, times[entry.name], macs[entry.size] / GIGA, scores.get(entry.modalities)) for entry in sets)
