"""How long the explorer takes to answer a click, at 256x256.

    python benchmarks/explorer.py runs/world/student

The model of the folder, which must be the built-in world's, and MiT-B0 of width 256 with random weights for the same
sensors. Arithmetic is what the page tells as "answered in"; drawing is making the page's pictures and tables, sending
them comes on top. Writes benchmarks/results/explorer.json and explorer.md.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from time import perf_counter

import torch
from timing import Results, conditions

from robustseg.app import Choice, Material, Scene
from robustseg.app.fragments import view
from robustseg.build import build_model, load
from robustseg.data.sample import Sample
from robustseg.data.world.dataset import SPLITS, sequence
from robustseg.files import write_text
from robustseg.models.segmenter import Segmenter
from robustseg.recipe import Model
from robustseg.scoring import model_recipe

RESULTS = Path(__file__).parent / "results"
SIZE = (256, 256)
ROUNDS = 30

Click = Callable[[int], Choice]
"""What is chosen in each round."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model folder of the built-in world")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    small = load(arguments.model)
    frames = sequence(
        SPLITS["val"],
        [0.0, 0.1],
        seed=model_recipe(arguments.model, recipe_file=None, root="").data.world.seed,
        size=SIZE,
    )
    results = Results(RESULTS / "explorer.json")
    for name, model in (("MiT-nano", small), ("MiT-B0", larger(small))):
        results.keep(name, measured(model, frames) | conditions(arguments.threads, "wall"))
    text = table(results.rows)
    print(text)
    write_text(RESULTS / "explorer.md", text)


def larger(model: Segmenter) -> Segmenter:
    """MiT-B0 of width 256 for the same sensors and classes."""
    card = replace(model.card, backbone="mit_b0", width=256)
    shape = Model(backbone="mit_b0", width=256, private=card.private, fusion=card.fusion)
    built = build_model(shape, len(card.classes), len(card.modalities), seed=0).eval()
    built.card = card
    return built


def measured(model: Segmenter, frames: list[Sample]) -> dict[str, dict[str, float]]:
    """Median milliseconds of each kind of click, after each kind was clicked once."""
    material = Material("measured", model)
    scene, names = Scene(material), tuple(modality.name for modality in model.card.modalities)
    found: dict[str, dict[str, float]] = {}
    scene.show(frames[0])
    for kind, click in clicks(names).items():
        scene.look(Choice(on=names))
        arithmetic, drawing = [], []
        for number in range(ROUNDS + 1):
            choice = click(number)
            look = scene.look(choice)
            start = perf_counter()
            view(look, choice, material)
            drawing.append(1000 * (perf_counter() - start))
            arithmetic.append(look.cost.encoding + look.cost.answering)
        found[kind] = {"arithmetic": statistics.median(arithmetic[1:]), "drawing": statistics.median(drawing[1:])}
    fresh = cycle(frames)
    first = []
    for _ in range(ROUNDS):
        scene.show(next(fresh))
        cost = scene.look(Choice(on=names)).cost
        first.append(cost.encoding + cost.answering)
    return {"another frame": {"arithmetic": statistics.median(first)}} | found


def clicks(names: tuple[str, ...]) -> Mapping[str, Click]:
    """Each in turns with another of its kind, so that nothing is looked at twice."""
    return {
        "a sensor off or on": lambda number: Choice(on=names[:-1] if number % 2 else names),
        "a fault, another severity": lambda number: Choice(
            on=names, broken=names[0], fault="noise", severity=1 + number % 5
        ),
        "the worth of a sensor": lambda number: Choice(on=names[:-1] if number % 2 else names, worth=names[0]),
    }


def table(rows: Mapping[str, dict]) -> str:
    """A row per click, columns per network."""
    kinds = [kind for kind, entry in next(iter(rows.values())).items() if isinstance(entry, dict)]
    head = "| click | " + " | ".join(f"{name}: arithmetic | drawing" for name in rows) + " |"
    lines = [head, "|:--|" + "--:|" * (2 * len(rows))]
    for kind in kinds:
        cells = [cell(entry[kind].get(part)) for entry in rows.values() for part in ("arithmetic", "drawing")]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    made = next(iter(rows.values()))
    about = (
        f"Median milliseconds of {ROUNDS} clicks, {SIZE[0]}x{SIZE[1]}, {made['threads']} threads, {made['processor']}, "
        f"torch {made['torch']}, {made['date']}, `{made['command']}`."
    )
    return "\n".join([*lines, "", about, ""])


def cell(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.0f}"


if __name__ == "__main__":
    main()
