"""What made a model: everything that decides its weights, written beside them and compared before they are reused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from robustseg.files import sha256, write_text
from robustseg.frames import fingerprint
from robustseg.models.card import read_card
from robustseg.recipe import Private, Recipe
from robustseg.recipe_file import differences, plain
from robustseg.scoring import SUMMARY_FILE

IDENTITY_FILE = "trained_from.json"


def stage_identity(recipe: Recipe, stage: str) -> dict[str, Any]:
    """Everything in a recipe and its data that decides the weights of "teacher" or "student", beyond rounding.

    A student's teacher is not in it: it need not be trained yet.
    """
    data = plain(recipe.data)
    published = recipe.select == "published"
    for key in ("root",) if published else ("root", "val"):  # where the data lies, and what is only reported
        del data[key]
    if not published:
        del data["world"]["val_frames"]
    if stage == "teacher":
        data["needs_one_of"] = []  # a teacher sees all that a frame has, whatever must be in a subset
    machine = recipe.machine
    processes = machine.devices * machine.nodes
    model = plain(recipe.model) | {"encoder_weights": _file_hash(recipe.model.encoder_weights)}
    model["private"] = [part for part in get_args(Private) if part in recipe.model.private]  # in whatever order
    del model["gradient_checkpointing"]  # a matter of memory and time
    identity = {
        "seed": recipe.seed,
        "data": data,
        "frames": [fingerprint(recipe.data, split) for split in (recipe.data.train, recipe.data.val)[: 1 + published]],
        "model": model,
        stage: plain(recipe.teacher if stage == "teacher" else recipe.student),
        "machine": {
            "processes": processes,
            "precision": machine.precision,
            "sync_batchnorm": machine.sync_batchnorm and processes > 1,
        },
        "select": [recipe.select, recipe.holdout, recipe.holdout_seed],
    }
    if stage == "teacher":
        supervised = ("ohem_threshold", "ohem_min_kept", "class_weights")
        return identity | {"supervised": {name: getattr(recipe.distill, name) for name in supervised}}
    distill = plain(recipe.distill)
    del distill["teacher"]  # its weights count, wherever they lie
    if distill["student_init"] not in ("scratch", "teacher"):
        distill["student_init"] = read_card(Path(distill["student_init"])).sha256
    return identity | {"distill": distill, "sight": plain(recipe.sight)}


def check_made_from(folder: Path, identity: dict[str, Any]) -> None:
    """Raises ValueError if `folder` holds a stage of another identity, in one of the keys that `identity` has."""
    found = _record(folder)
    if found is None:
        return
    known = {key: found.get(key) for key in identity}
    if lines := differences(known, json.loads(json.dumps(identity))):
        shown = "; ".join(lines[:8]) + ("; ..." if len(lines) > 8 else "")
        raise ValueError(
            f"{folder} was made from something else ({shown}): give this run another --name, "
            "put the recipe back, or start over with --restart true"
        )


def check_taught(folder: Path, *, taught: bool) -> None:
    """Raises ValueError if `folder` holds a student that had a teacher where it should have none, or the other way."""
    found = _record(folder)
    if found and "weights" in found and bool(found["weights"]) != taught:
        had, wanted = ("a", "none") if found["weights"] else ("no", "one")
        raise ValueError(
            f"{folder} was trained with {had} teacher, the recipe asks for {wanted}: give this run another --name, "
            "put the recipe back, or start over with --restart true"
        )


def _record(folder: Path) -> dict[str, Any] | None:
    """What is written beside a stage; None = it was never begun."""
    record = folder / IDENTITY_FILE
    if not record.exists():
        return None
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{record} is damaged: start over with --restart true") from error


def claim(folder: Path, identity: dict[str, Any]) -> bool:
    """Whether `folder` holds the finished stage of this identity; claims the folder for it where it is empty.

    Raises:
        ValueError: The folder belongs to another identity.
    """
    check_made_from(folder, identity)
    if not (folder / IDENTITY_FILE).exists():
        write_text(folder / IDENTITY_FILE, json.dumps(identity, indent=1))
    return (folder / SUMMARY_FILE).exists()


def _file_hash(path: str) -> str:
    return sha256(Path(path)) if path else ""
