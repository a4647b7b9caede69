"""Every example runs as a script, and every recipe trains a step; those of benchmarks are tested in test_recipes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from robustseg.data.world import WorldFrames
from robustseg.metrics import count, mean_iou
from robustseg.recipe import BENCHMARKS
from robustseg.recipe_file import read_recipe
from robustseg.training import train

ROOT = Path(__file__).parents[1]
RECIPES = [path for path in sorted((ROOT / "recipes").glob("*.yaml")) if read_recipe(path).data.kind not in BENCHMARKS]


OWN_ENCODER = ROOT / "examples" / "own_encoder.py"  # has a test of its own
EXAMPLES = sorted(set((ROOT / "examples").glob("*.py")) - {OWN_ENCODER})


def printed(script: Path, folder: Path) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, script], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(script, tmp_path):
    assert printed(script, tmp_path)


def test_an_encoder_of_ones_own_is_distilled(tmp_path):
    """The student's loss falls by a third, and no set of sensors answers as badly as always the commonest class."""
    told, *rows = printed(OWN_ENCODER, tmp_path).splitlines()
    first, last = (float(number) for number in re.findall(r"\d+\.\d+", told))
    assert last < first * 2 / 3
    scores = {row.rsplit(" ", 1)[1]: float(row.split("%")[0]) for row in rows}
    assert list(scores)[::14] == ["rgb", "rgb+depth+event+lidar"]
    assert len(scores) == 15
    frames = WorldFrames("train", 8, 0, size=(48, 64))
    labels = torch.stack([frames[index].labels for index in range(len(frames))])
    constant = torch.full_like(labels, int(labels.flatten().bincount().argmax()))
    commonest = float(mean_iou(count(constant, labels, len(frames.classes)).sum(dim=0), "skip"))
    assert 2 < commonest < 6
    assert min(scores.values()) > 2 * commonest


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
