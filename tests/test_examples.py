"""Every example runs as a script, and every recipe trains a step; those of benchmarks are tested in test_recipes."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from robustseg.recipe import BENCHMARKS
from robustseg.recipe_file import read_recipe
from robustseg.training import train

ROOT = Path(__file__).parents[1]
RECIPES = [path for path in sorted((ROOT / "recipes").glob("*.yaml")) if read_recipe(path).data.kind not in BENCHMARKS]


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_example_runs(script, tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def write_files(root: Path, data, frames: int) -> None:
    """Random files in the layout that a recipe of kind "folders" describes."""
    rng = np.random.default_rng(0)
    for split in (data.train, data.val):
        for number in range(frames):
            words = {"split": split, "name": f"{number:04d}"}
            for modality in data.modalities:
                for pattern in modality.patterns.values():
                    path = root / pattern.format(**words)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    grey = modality.name in ("disparity", "radar")
                    cv2.imwrite(str(path), rng.integers(0, 255, (64, 64) if grey else (64, 64, 3)).astype(np.uint8))
            path = root / data.labels.format(**words)
            path.parent.mkdir(parents=True, exist_ok=True)
            ids = [file_id for place, entry in enumerate(data.classes) for file_id in (entry.ids or (place,))]
            cv2.imwrite(str(path), rng.choice(ids, (64, 64)).astype(np.uint8))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_trains_a_step(path, tmp_path):
    flags = [f"--{stage}.{key}" for stage in ("teacher", "student") for key in ("epochs=1", "batch_size=2")]
    flags += ["--data.size=[64,64]", "--data.world.train_frames=12", "--data.world.val_frames=2", "--holdout=0.25"]
    flags += [f"--out={tmp_path}", "--machine.workers=0"]
    if read_recipe(path).data.kind == "folders":
        flags.append(f"--data.root={tmp_path / 'data'}")
    recipe = read_recipe(path, flags)
    if recipe.data.kind == "folders":
        write_files(tmp_path / "data", recipe.data, frames=4)
    assert (train(recipe) / "model.json").is_file()
