"""How sure a trained model is against how right it is, before and after temperatures, and what counting this costs.

    python benchmarks/calibration.py runs/world/student runs/world/teacher

Temperatures are fitted on the frames that selected the weights (kept out of training), errors measured on the reported
split, whatever the models' cards say; the models are not changed. Writes benchmarks/results/calibration.md.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from robustseg.build import build_model, load
from robustseg.data.sample import Frames
from robustseg.data.stats import spread
from robustseg.failures import all_subsets
from robustseg.files import write_text
from robustseg.frames import open_frames
from robustseg.metrics import count
from robustseg.models.segmenter import Segmenter
from robustseg.normalisation import normalise
from robustseg.progress import tracked
from robustseg.recipe import Model
from robustseg.recipe_file import read_recipe
from robustseg.robustness.calibration import (
    BINS,
    area_under_risk_coverage,
    confidence_counts,
    coverage_at_risk,
    expected_calibration_error,
    temperature_of,
)
from robustseg.robustness.temperature import fit_temperatures
from robustseg.training.calibration import calibration_frames

RESULT = Path(__file__).parent / "results" / "calibration.md"

READING = """The confidence is the probability of the most likely class; ECE in 15 bins. There is one temperature for
all subsets of a size, so single subsets can get worse. Temperatures change no label, but they do change which of two
pixels is the surer one where other classes share the rest of the probability differently: AURC may rise a little.
"""


@dataclass(frozen=True)
class Found:
    """Counts of each subset without and with temperatures, and the temperatures."""

    before: Float[Tensor, "S Z 3"]
    after: Float[Tensor, "S Z 3"]
    temperatures: tuple[float, ...]
    fitted_on: str
    seconds: float
    frames: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--frames", type=int, default=200, help="at most so many reported frames, spread evenly")
    arguments = parser.parse_args()
    text = f"# How sure is it?\n\n{facts()}\n{READING}"
    for folder in arguments.models:
        text += "\n" + tables(folder, look(folder, arguments.frames))
    text += "\n" + cost()
    print(text)
    write_text(RESULT, text)


def facts() -> str:
    lines = {
        "command": "python " + " ".join(sys.argv),
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
        "threads": torch.get_num_threads(),
    }
    return "  \n".join(f"{key}: {value}" for key, value in lines.items()) + "\n"


def look(folder: Path, limit: int) -> Found:
    """Fits on the held-out part of the training split, counts on the reported one."""
    recipe, model = read_recipe(folder / "recipe.yaml"), load(folder)
    chosen, where = calibration_frames(recipe, "")
    subsets = all_subsets(model.num_modalities)
    for place in range(len(chosen)):  # the world is rendered once and kept, which is not the fit's time
        chosen[place]
    began = time.perf_counter()
    temperatures = fit_temperatures(model, chosen, subsets)
    seconds = time.perf_counter() - began
    frames = open_frames(recipe.data, recipe.data.val)
    places = spread(len(frames), limit)
    totals = torch.zeros(2, len(subsets), BINS, 3)
    with torch.inference_mode():
        for place in tracked(f"counting {folder.name}")(places):
            totals += frame_counts(model, frames, place, subsets, temperatures)
    return Found(totals[0], totals[1], temperatures, f"{where}, {len(chosen)} frames", seconds, len(places))


def frame_counts(
    model: Segmenter, frames: Frames, place: int, subsets: Bool[Tensor, "S M"], temperatures: tuple[float, ...]
) -> Float[Tensor, "2 S Z 3"]:
    """Of one frame; subsets of which it has nothing count 0."""
    sample = frames[place]
    encoded = model.encode_batch(normalise(sample.images[None], frames.modalities), sample.present[None])
    counts = torch.zeros(2, len(subsets), BINS, 3)
    for row, subset in enumerate(subsets):
        present = (sample.present & subset)[None]
        if present.any():
            fused = model.fuse(encoded.maps, encoded.sample, encoded.modality, present)
            logits = model.decode(fused, (sample.images.shape[-2], sample.images.shape[-1]))
            counts[0, row] = confidence_counts(logits, sample.labels[None])[0]
            warm = temperature_of(temperatures, present)
            counts[1, row] = confidence_counts(logits, sample.labels[None], warm)[0]
    return counts


def tables(folder: Path, found: Found) -> str:
    """One row per subset size: the mean over its subsets."""
    size = all_subsets(len(found.temperatures)).sum(dim=1)
    columns = [expected_calibration_error(found.before), expected_calibration_error(found.after)]
    columns += [mean_confidence(found.before), mean_confidence(found.after), accuracy(found.before)]
    columns += [area_under_risk_coverage(found.before), area_under_risk_coverage(found.after)]
    columns += [coverage_at_risk(found.after, 5.0)]
    heads = ["ECE before", "ECE after", "confidence before", "after", "accuracy", "AURC before", "AURC after"]
    heads += ["coverage at 5 % risk, after"]
    lines = [
        f"## {folder.name}",
        "",
        f"Temperatures fitted on {found.fitted_on} ({found.seconds:.1f} s), errors measured on {found.frames} frames",
        "of the reported split; means over the subsets of a size, in percent.",
        "",
        f"| modalities | subsets | temperature | {' | '.join(heads)} |",
        "|--:" * (3 + len(heads)) + "|",
    ]
    for number, temperature in enumerate(found.temperatures, start=1):
        cells = [f"{column[size == number].mean().item():.2f}" for column in columns]
        lines.append(f"| {number} | {int((size == number).sum())} | {temperature:.3f} | {' | '.join(cells)} |")
    cells = [f"{column.mean().item():.2f}" for column in columns]
    lines.append(f"| all | {len(size)} | | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def mean_confidence(counts: Float[Tensor, "S Z 3"]) -> Float[Tensor, " S"]:
    pixels, _, sure = counts.double().sum(dim=1).unbind(dim=-1)
    return 100 * sure / pixels


def accuracy(counts: Float[Tensor, "S Z 3"]) -> Float[Tensor, " S"]:
    pixels, right, _ = counts.double().sum(dim=1).unbind(dim=-1)
    return 100 * right / pixels


def cost() -> str:
    """Milliseconds of one subset of one frame at the benchmarks' size, beside what evaluation does anyway."""
    model = build_model(Model(backbone="mit_b0", width=768), num_classes=25, num_modalities=4, seed=0).eval()
    present = torch.ones(1, 4, dtype=torch.bool)
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 25, (1, 1024, 1024), generator=draw)
    with torch.inference_mode():
        encoded = model.encode_batch(torch.randn(1, 4, 3, 1024, 1024, generator=draw), present)
        fused = model.fuse(encoded.maps, encoded.sample, encoded.modality, present)
        logits = model.decode(fused, (1024, 1024))
        steps = {
            "fuse and decode": lambda: model.decode(
                model.fuse(encoded.maps, encoded.sample, encoded.modality, present), (1024, 1024)
            ),
            "labels and mIoU counts": lambda: count(logits.max(dim=1).indices, labels, 25),
            "`confidence_counts`": lambda: confidence_counts(logits, labels, 1.5),
            "`logits.softmax(dim=1).max(dim=1)`, for comparison": lambda: logits.softmax(dim=1).max(dim=1),
        }
        rows = [f"| {name} | {milliseconds(step):.0f} |" for name, step in steps.items()]
    about = "MiT-B0, 25 classes, one subset of one frame at 1024x1024, best of three, on a machine with other work."
    return f"## The cost of counting confidence\n\n{about}\n\n| step | ms |\n|:--|--:|\n" + "\n".join(rows) + "\n"


def milliseconds(step: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return 1e3 * min(times)


if __name__ == "__main__":
    main()
