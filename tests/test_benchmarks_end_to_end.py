"""A benchmark through the command line: made up, checked, measured, trained on, scored, predicted."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import pytest

from robustseg.cli import main
from robustseg.frames import fingerprint, open_frames, prediction_frames
from robustseg.models.card import read_card
from robustseg.recipe import Data
from robustseg.recipe_file import read_recipe
from robustseg.robustness import load
from robustseg.scoring import selection_note

SIZES = {"deliver": (40, 48), "mcubes": (40, 192 + 48)}
RECIPE = """\
name: {kind}
data: {{kind: {kind}, root: {root}, size: [32, 32], {more}}}
model: {{width: 16}}
teacher: {{epochs: 1, batch_size: 2}}
student: {{epochs: 1, batch_size: 2}}
machine: {{accelerator: cpu}}
select: {select}
out: {out}
"""
MORE = {
    "deliver": ("resize: [32, 40], use: [rgb, lidar]", "holdout"),
    "mcubes": ("use: [rgb, nir], conventions: published", "published"),
}


@pytest.fixture(scope="module", params=["deliver", "mcubes"])
def run(request, tmp_path_factory) -> Path:
    """A trained run of each benchmark, beside its recipe and data."""
    kind, out = request.param, tmp_path_factory.mktemp(request.param)
    height, width = SIZES[kind]
    assert main(["data", "fake", kind, str(out / "data"), "--frames=3", f"--size=[{height},{width}]"]) == 0
    more, select = MORE[kind]
    recipe = RECIPE.format(kind=kind, root=out / "data", out=out, more=more, select=select)
    (out / "recipe.yaml").write_text(recipe)
    assert main(["train", str(out / "recipe.yaml")]) == 0
    return out / kind


def test_the_card_says_what_it_is_for(run):
    card = read_card(run / "student")
    assert card.benchmark == run.name
    assert card.resize == ((32, 40) if run.name == "deliver" else None)
    assert [modality.name for modality in card.modalities] == (
        ["rgb", "lidar"] if run.name == "deliver" else ["rgb", "nir"]
    )


def test_check_and_stats(run, capsys):
    assert main(["data", "check", str(run.parent / "recipe.yaml")]) == 0
    assert main(["data", "check", str(run.parent / "recipe.yaml"), "--splits=test"]) == 0
    assert "val: 3 frames; rgb 3," in capsys.readouterr().out
    assert main(["data", "stats", str(run.parent / "recipe.yaml")]) == 0
    assert "modalities" in capsys.readouterr().out


def test_evaluate_scores_every_split(run, capsys):
    for split in ("val", "test"):
        assert main(["evaluate", str(run / "student"), f"--split={split}"]) == 0
        record = json.loads((run / "student" / "evaluation" / split / "evaluation.json").read_text())
        marked = run.name == "mcubes"  # val is the test list there, and chose the checkpoint
        assert ("selected on this very split" in record["note"]) == marked
        assert ("published habits: absent_zero, val_is_test" in record["note"]) == marked
    capsys.readouterr()


def test_strict_and_published_score_different_pixels(run, tmp_path):
    own = (40 * 48, 32 * 40 if run.name == "deliver" else 40 * 40)  # labels resized; the central square
    for conventions, pixels in zip(("strict", "published"), own, strict=True):
        recipe = (run.parent / "recipe.yaml").read_text().replace(", conventions: published", "")
        (tmp_path / "recipe.yaml").write_text(recipe.replace("use:", f"conventions: {conventions}, use:"))
        out = tmp_path / conventions
        words = ["evaluate", str(run / "student"), f"--recipe_file={tmp_path / 'recipe.yaml'}", f"--out={out}"]
        assert main(words) == 0
        counts = load(out).counts
        labelled = counts[:, -1, :, [0, 2]].sum(dim=(1, 2))
        assert all(0.9 * pixels < number < pixels for number in labelled.tolist())


def test_predict_reads_the_benchmarks_tree_without_labels(run, tmp_path):
    root = shutil.copytree(run.parent / "data", tmp_path / "data")
    shutil.rmtree(root / ("semantic" if run.name == "deliver" else "GT"))
    first = sorted(root.glob("lidar/*/test/*/*" if run.name == "deliver" else "NIR_warped/*.png"))[-1]
    first.unlink()
    assert main(["predict", str(run / "student"), str(root), "--split=test", f"--out={tmp_path / 'out'}"]) == 0
    rows = list(csv.DictReader((tmp_path / "out/predictions.csv").open()))
    assert sorted(row["without"] for row in rows) == ["", "", "lidar" if run.name == "deliver" else "nir"]
    ids = cv2.imread(str(tmp_path / "out/labels" / f"{rows[0]['name']}.png"), cv2.IMREAD_UNCHANGED)
    assert ids.shape == (40, 48)  # as stored, not as the network looked at it
    assert ids.min() >= (1 if run.name == "deliver" else 0)


def test_predict_without_the_recipe_says_what_is_missing(run, tmp_path, capsys):
    model = shutil.copytree(run / "student", tmp_path / "model")
    (model / "recipe.yaml").unlink()
    assert main(["predict", str(model), str(run.parent / "data")]) == 1
    assert f"was trained on {run.name}, whose files its recipe.yaml says how to read" in capsys.readouterr().err
    with pytest.raises(ValueError, match="trained on"):
        prediction_frames(read_card(model), run.parent / "data", "val", Data(kind="folders"))


def test_the_fingerprint_follows_files_and_labels(run, tmp_path):
    data = read_recipe(run.parent / "recipe.yaml").data
    root = shutil.copytree(run.parent / "data", tmp_path / "moved")
    moved = Data(kind=data.kind, root=str(root), use=data.use, habits=data.habits, conventions=data.conventions)
    before = fingerprint(data, "train")
    assert fingerprint(moved, "train") == before
    assert fingerprint(moved, "test") != before
    label = sorted(path for path in root.rglob("*.png") if "semantic" in path.name or path.parent.name == "GT")
    label = next(path for path in label if "train" in path.parts or path.stem in open_names(moved))
    image = cv2.imread(str(label), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(label), image.clip(0, 3))
    assert fingerprint(moved, "train") != before


def open_names(data: Data) -> set[str]:
    frames = open_frames(data, "train")
    return {frames[index].name for index in range(len(frames))}


def test_a_model_chosen_on_the_test_list_is_marked_under_either_name(tmp_path):
    (tmp_path / "training.json").write_text('{"split": "val"}')
    (tmp_path / "recipe.yaml").write_text("data: {kind: mcubes, habits: [val_is_test]}")
    habit, strict = Data(kind="mcubes", habits=("val_is_test",)), Data(kind="mcubes")
    for data, split, same in (
        (strict, "test", True),
        (strict, "val", False),
        (habit, "val", True),
        (habit, "test", True),
    ):
        assert bool(selection_note(tmp_path, split, data)) == same


def test_conventions_and_bad_fakes(tmp_path, capsys):
    assert main(["data", "conventions"]) == 0
    assert "val_is_test" in capsys.readouterr().out
    (tmp_path / "x").write_text("mine")
    assert main(["data", "fake", "deliver", str(tmp_path)]) == 1
    assert "not empty" in capsys.readouterr().err
    assert main(["data", "fake", "kitti", str(tmp_path / "new")]) == 2
