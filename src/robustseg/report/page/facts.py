"""What the reader must know of a run: model, data, split, conventions, notes."""

from __future__ import annotations

from robustseg.recipe import BENCHMARKS, Data
from robustseg.report.runs import Model, Runs
from robustseg.report.tables import Grid

ABSENCE = {
    "remove": "left out: the network fuses what is there",
    "zero": "replaced by images of zeros, which are fused with the others",
}


def facts(runs: Runs) -> list[tuple[str, str]]:
    """Name and value of each fact of the subject."""
    model, found = runs.subject, runs.subject.subsets
    entries = [
        ("Model", _names(runs)),
        ("Network", f"{_backbone(model.card.backbone)}, decoder width {model.card.width}"),
        ("Start", model.card.origin),
        ("Inputs", _inputs(model)),
        ("Missing inputs are", ABSENCE.get(found.absence, found.absence)),
        ("Data", _data(model.recipe.data) if model.recipe else "unknown: no recipe beside the model"),
        ("Split", f"{runs.split}, {len(found.frames)} frames, {len(found.classes)} classes"),
        ("Protocols", ", ".join(model.study)),
    ]
    if model.recipe and model.recipe.data.kind in BENCHMARKS:
        entries.append(("Conventions", _conventions(model.recipe.data)))
    return entries + [("Note", note) for note in _notes(runs)]


def facts_grid(runs: Runs) -> Grid:
    """The facts as a table, for the export."""
    return Grid("facts", ("fact", "value"), tuple(facts(runs)))


def _names(runs: Runs) -> str:
    others = [model.name for model in runs.models[:-1]]
    return runs.subject.name + (f", beside {', '.join(others)}" if others else "")


def _backbone(name: str) -> str:
    return name.replace("mit_", "MiT-").replace("MiT-b", "MiT-B")


def _inputs(model: Model) -> str:
    return ", ".join(
        entry.name if entry.device == entry.name else f"{entry.name} (of {entry.device})"
        for entry in model.card.modalities
    )


def _data(data: Data) -> str:
    size = f"{data.size[0]} × {data.size[1]}"
    match data.kind:
        case "world":
            return f"the built-in world (synthetic scenes, seed {data.world.seed}), {size} pixels"
        case "folders":
            return f"folders of images, trained at {size} pixels"
        case "deliver":
            return f"DELIVER, trained at {size} pixels"
        case "muses":
            return f"MUSES, trained at {size} pixels"
        case "mcubes":
            return f"MCubeS, trained at {size} pixels"


def _conventions(data: Data) -> str:
    habits = f" with {', '.join(data.habits)}" if data.habits else ""
    return data.conventions + habits


def _notes(runs: Runs) -> list[str]:
    notes = [f"{model.name}: {model.subsets.note}" for model in runs.models if model.subsets.note]
    return [*notes, *runs.remarks]
