"""What made a model: everything that decides its weights, written beside them and compared before they are reused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from robustseg.files import write_text
from robustseg.frames import fingerprint
from robustseg.recipe import Recipe
from robustseg.recipe_file import differences, plain
from robustseg.scoring import SUMMARY_FILE

IDENTITY_FILE = "trained_from.json"


def teacher_identity(recipe: Recipe) -> dict[str, Any]:
    """Everything that decides a teacher's weights, beyond rounding: parts of the recipe, and the data."""
    data = plain(recipe.data)
    published = recipe.select == "published"
    for key in ("root",) if published else ("root", "val"):  # where the data lies, and what is only reported
        del data[key]
    if not published:
        del data["world"]["val_frames"]
    return {
        "seed": recipe.seed,
        "data": data,
        "frames": [fingerprint(recipe.data, split) for split in (recipe.data.train, recipe.data.val)[: 1 + published]],
        "model": plain(recipe.model),
        "teacher": plain(recipe.teacher),
        "ohem": [recipe.distill.ohem_threshold, recipe.distill.ohem_min_kept],
        "select": [recipe.select, recipe.holdout],
    }


def student_identity(recipe: Recipe, teacher_sha256: str) -> dict[str, Any]:
    """Everything that decides a student's weights, its teacher included."""
    identity = {key: value for key, value in teacher_identity(recipe).items() if key not in ("teacher", "ohem")}
    return {**identity, "student": plain(recipe.student), "distill": plain(recipe.distill), "weights": teacher_sha256}


def is_done(folder: Path, identity: dict[str, Any]) -> bool:
    """Whether `folder` holds the finished stage of this identity; claims the folder for it where it is empty.

    Raises:
        ValueError: The folder belongs to another identity.
    """
    record = folder / IDENTITY_FILE
    if not record.exists():
        write_text(record, json.dumps(identity, indent=1))
        return False
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{record} is damaged: start over with --restart true") from error
    if lines := differences(found, json.loads(json.dumps(identity))):
        shown = "; ".join(lines[:8]) + ("; ..." if len(lines) > 8 else "")
        raise ValueError(
            f"{folder} was made from something else ({shown}): give this run another --name, "
            "put the recipe back, or start over with --restart true"
        )
    return (folder / SUMMARY_FILE).exists()
