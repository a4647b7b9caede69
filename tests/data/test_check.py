"""The data check finds every kind of bad file, all at once, and passes on good and on real data."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robustseg.data.check import check_frames
from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.recipe import Data
from robustseg.recipe_file import read_recipe

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("ROBUSTSEG_SHARED", ROOT.parent / "shared")) / "data"
NAMES = tuple("abcdefgh")


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path) if path.suffix == ".png" else np.save(path, image)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """Eight good frames of a camera and a float depth."""
    draw = np.random.default_rng(0)
    for name in NAMES:
        save(tmp_path / f"rgb/val/{name}.png", draw.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        save(tmp_path / f"depth/val/{name}.npy", draw.random((6, 8), dtype=np.float32))
        save(tmp_path / f"labels/val/{name}.png", draw.integers(0, 2, (6, 8), dtype=np.uint8))
    return Data(
        kind="folders",
        root=str(tmp_path),
        modalities=(Modality("rgb"), Modality("depth", files={"depth": "depth/{split}/{name}.npy"})),
        classes=(LabelClass("road", (0, 0, 0)), LabelClass("car", (9, 9, 9))),
    )


def test_good_data(data: Data) -> None:
    report = check_frames(data, "val")
    assert report.problems == ()
    assert (report.frames, report.present, report.sizes) == (8, {"rgb": 8, "depth": 8}, {"6x8": 8})


def test_modalities_that_are_not_used_are_not_looked_at(data: Data) -> None:
    for path in Path(data.root).glob("depth/val/*"):
        path.write_text("no array")
    report = check_frames(replace(data, use=("rgb",)), "val")
    assert (report.problems, report.present) == ((), {"rgb": 8})
    with pytest.raises(ValueError, match="names 'lidar'"):
        check_frames(replace(data, use=("lidar",)), "val")


def test_every_bad_file_is_named(data: Data) -> None:
    root = Path(data.root)
    (root / "rgb/val/a.png").write_bytes((root / "rgb/val/a.png").read_bytes()[:60])
    save(root / "rgb/val/b.png", np.arange(36, dtype=np.uint8).reshape(3, 4, 3))
    save(root / "labels/val/c.png", np.full((6, 8), 9, np.uint8))
    (root / "depth/val/d.npy").unlink()
    save(root / "depth/val/e.npy", np.full((6, 8), np.nan, np.float32))
    save(root / "rgb/val/f.png", np.full((6, 8, 3), 4, np.uint8))
    (root / "labels/val/g.png").write_text("no image")
    save(root / "labels/val/h.png", np.full((6, 8), 255, np.uint8))
    save(root / "rgb/val/z.png", np.zeros((6, 8, 3), np.uint8))
    report = check_frames(data, "val")
    found = [(str(p.path.relative_to(root)), p.kind, p.severity) for p in report.problems]
    assert found == [
        ("rgb/val/a.png", "unreadable", "error"),
        ("rgb/val/b.png", "size", "error"),
        ("labels/val/c.png", "label id", "error"),
        ("depth/val/d.npy", "missing", "error"),
        ("depth/val/e.npy", "not finite", "error"),
        ("rgb/val/f.png", "constant", "warning"),
        ("labels/val/g.png", "unreadable", "error"),
        ("labels/val/h.png", "constant", "warning"),
        ("rgb/val/z.png", "unlabelled", "warning"),
    ]
    assert (len(report.errors), len(report.warnings)) == (6, 3)
    assert report.problems[2].message == (
        "unknown ids [9] (100.00% of the pixels): give a class these ids, or list them in ignore_ids"
    )
    assert "rgb/val/a.png" not in report.problems[0].message
    assert report.present == {"rgb": 8, "depth": 7}


def test_allowed_absence_is_no_problem_unless_no_sensor_is_left(data: Data) -> None:
    root = Path(data.root)
    (root / "depth/val/a.npy").unlink()
    (root / "depth/val/b.npy").unlink()
    (root / "rgb/val/b.png").unlink()
    report = check_frames(replace(data, missing="allow"), "val")
    assert [(problem.path.name, problem.kind) for problem in report.problems] == [("b.npy", "no sensor")]


def test_a_modality_without_any_file_is_an_error_even_where_absence_is_allowed(data: Data) -> None:
    wrong = Modality("depth", files={"depth": "depth/{split}/{name}.tif"})
    wrong = replace(data, missing="allow", modalities=(data.modalities[0], wrong))
    report = check_frames(replace(wrong, train="val", val="test"), "val")
    assert [(str(problem.path), problem.kind) for problem in report.errors] == [("depth/{split}/{name}.tif", "missing")]
    assert check_frames(wrong, "val").errors == ()  # what is only scored may lack a sensor


def test_masks_of_0_and_255_are_noticed(data: Data) -> None:
    for name in NAMES:
        save(Path(data.root) / f"labels/val/{name}.png", np.tile(np.uint8([0, 255]), (6, 4)))
    (problem,) = check_frames(data, "val").problems
    assert problem.severity == "warning"
    assert problem.message.startswith("no pixel of car, and 50.0% of all pixels are ignored")


def test_wrong_channels(data: Data) -> None:
    rgb = Modality("rgb", channels=("rgb.0", "rgb.1", "rgb.3"))
    report = check_frames(replace(data, modalities=(rgb,)), "val")
    assert {problem.kind for problem in report.errors} == {"channels"}
    assert len(report.errors) == 8


def test_sizes_may_differ_if_frames_are_resized(data: Data) -> None:
    save(Path(data.root) / "depth/val/a.npy", np.random.default_rng(1).random((3, 4), dtype=np.float32))
    assert [problem.kind for problem in check_frames(data, "val").problems] == ["size"]
    assert check_frames(replace(data, resize=(32, 32)), "val").problems == ()
    save(Path(data.root) / "depth/val/b.npy", np.random.default_rng(1).random((6, 16), dtype=np.float32))
    (problem,) = check_frames(replace(data, resize=(32, 32)), "val").problems
    assert (problem.path.name, problem.severity) == ("b.npy", "warning")


def test_without_labels_and_with_progress(data: Data) -> None:
    for path in (Path(data.root) / "labels/val").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match="labels/val"):
        check_frames(data, "val")
    seen = []
    report = check_frames(
        data, "val", need_labels=False, progress=lambda frames: (seen.append(frame.name) or frame for frame in frames)
    )
    assert report.problems == ()
    assert seen == list(NAMES)


@pytest.mark.parametrize(
    ("recipe", "split", "frames", "size"), [("pothole", "train", 40, "192x320"), ("ombria", "val", 64, "128x128")]
)
def test_real_data_passes_with_its_recipe(recipe: str, split: str, frames: int, size: str) -> None:
    if not (SHARED / recipe).is_dir():
        pytest.skip("the shared folder with this data set is not here")
    data = read_recipe(ROOT / f"recipes/{recipe}.yaml", ["--data.root", str(SHARED / recipe)]).data
    report = check_frames(data, split)
    assert report.errors == ()
    assert (report.frames, report.sizes) == (frames, {size: frames})
