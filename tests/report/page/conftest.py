"""A report on toys: two models, six frames, names that want to be markup."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synthetic import faults

from robustseg.models.segmenter import Segmenter
from robustseg.recipe import Recipe, Scoring
from robustseg.report.frames.choice import choose_frames
from robustseg.report.frames.seen import Seen, see_frames
from robustseg.report.runs import Model, Runs
from robustseg.robustness import evaluate

NASTY = "</script><script>alert(1)</script><b onclick='x' class=\"y\">&"


@pytest.fixture(scope="session")
def toy_runs(toy_model: Segmenter, toy_frames_once) -> Runs:
    """A student with all protocols that have sections, beside its teacher."""
    found = replace(evaluate(toy_model, toy_frames_once), split="val", majority=0, note=f"note {NASTY}")
    named = replace(
        found,
        classes=(*found.classes[:3], f"unicorn {NASTY}"),
        tags=tuple({"weather": ("day", f"fog {NASTY}")[place % 2]} for place in range(6)),
    )
    shaken = replace(
        faults(replace(named, confidence=None, scored=torch.ones(6, 7, dtype=torch.bool))), classes=named.classes
    )
    study = {"emm": named, "faults": shaken}
    models = [
        Model(name, Path("runs/toy") / name, toy_model.card, dict(study), Recipe()) for name in ("teacher", "student")
    ]
    return Runs(tuple(models), "val", (f"remark {NASTY}",))


@pytest.fixture(scope="session")
def toy_seen(toy_model: Segmenter, toy_frames_once, toy_runs: Runs) -> list[Seen]:
    """Frames with what both models see; their names want to be markup."""
    choices = choose_frames(toy_runs.subject.subsets, 12)
    models = {model.name: toy_model for model in toy_runs.models}
    seen = see_frames(models, toy_runs.evaluations, toy_frames_once, choices, scoring=Scoring())
    return [replace(entry, name=f"{entry.name} {NASTY}") for entry in seen]
