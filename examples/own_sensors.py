"""Train on your own sensors: write files, describe them in a recipe, train, predict with a sensor missing.

The files here are made up; put your own in their place. One folder per modality and split, one file per frame.
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np

import robustseg as rs
from robustseg.data.reading import read_image
from robustseg.recipe_file import read_recipe
from robustseg.training import train

RECIPE = """
name: rig
data:
  kind: folders
  size: [64, 64]
  modalities:
    - {name: camera, photometric: true}        # camera/train/0001.png, 8-bit colour
    - {name: thermal, scale: 0.01, unit: C}    # thermal/train/0001.png, 16-bit grey, hundredths of a degree
  classes:
    - {name: ground, color: [90, 90, 90]}
    - {name: animal, color: [230, 80, 40]}
teacher: {epochs: 2, batch_size: 4}
student: {epochs: 2, batch_size: 4}
machine: {accelerator: cpu}
"""


def write_frame(root: Path, split: str, name: str, rng: np.random.Generator) -> None:
    """A warm, slightly reddish square on the ground."""
    labels = np.zeros((64, 64), np.uint8)
    top, left = rng.integers(8, 40, 2)
    labels[top : top + 16, left : left + 16] = 1
    camera = np.clip(rng.normal(100, 30, (64, 64, 3)) + labels[..., None] * (0, 0, 40), 0, 255).astype(np.uint8)
    thermal = np.clip(rng.normal(1500, 60, (64, 64)) + labels * 1800.0, 0, 65535).astype(np.uint16)
    for folder, image in (("camera", camera), ("thermal", thermal), ("labels", labels)):
        path = root / folder / split / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)


with tempfile.TemporaryDirectory() as temporary:
    root = Path(temporary)
    rng = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 4)):
        for number in range(count):
            write_frame(root, split, f"{number:04d}", rng)
    (root / "recipe.yaml").write_text(RECIPE)

    recipe = read_recipe(root / "recipe.yaml", ["--data.root", str(root), "--out", str(root / "runs")])
    model = rs.load(train(recipe))

    camera = read_image(root / "camera" / "val" / "0000.png")
    out = rs.Predictor(model)({"camera": camera})  # the thermal camera is gone
    print("without", out.without, "labels", out.labels.shape, "mean confidence", f"{out.confidence.mean():.2f}")
