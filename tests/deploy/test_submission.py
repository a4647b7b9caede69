"""A model's predictions of made-up test scenes, as the zip that the server of MUSES takes."""

import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from robustseg.cli import main
from robustseg.data.benchmarks.muses import CLASSES, open_muses, submission_names, write_submission
from robustseg.data.fake.muses import write_muses
from robustseg.deploy import Predictor, submission, submit
from robustseg.models.card import ModelCard
from robustseg.models.standard import random_segmenter, segmenter_on_meta
from robustseg.models.weights import save_model
from robustseg.recipe import Data

SIZE = (64, 96)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Data:
    root = tmp_path_factory.mktemp("muses") / "m"
    write_muses(root, frames=2, size=SIZE)
    return Data(kind="muses", root=str(root), use=("camera", "lidar"), resize=(32, 64))


@pytest.fixture(scope="module")
def model(data):
    modalities = open_muses(data, "train", training=True).modalities
    empty = segmenter_on_meta("mit_nano", width=16, num_classes=len(CLASSES), num_modalities=len(modalities))
    built = random_segmenter(empty, seed=0).eval()
    built.card = ModelCard("mit_nano", 16, CLASSES, modalities, "remove", SIZE)
    return built


@pytest.fixture
def small_server(monkeypatch):
    """One that takes images as small as these."""
    monkeypatch.setattr(submission, "write_submission", partial(write_submission, size=SIZE))


def read(path):
    with zipfile.ZipFile(path) as archive:
        return {name: np.asarray(Image.open(archive.open(name))) for name in archive.namelist()}


def test_the_zip_holds_what_the_predictor_says(model, data, small_server, tmp_path):
    seen = []
    count = submit(model, data, tmp_path / "s.zip", progress=lambda done, of: seen.append((done, of)))
    assert (count, seen) == (2, [(1, 2), (2, 2)])
    found = read(tmp_path / "s.zip")
    assert sorted(found) == [f"{name}.png" for name in submission_names(Path(data.root))]
    stored = open_muses(replace(data, resize=None), "test", training=False)
    for index in range(2):
        sample = stored[index]
        labels = Predictor(model).predict(sample.images, sample.present, size=(32, 64)).labels
        np.testing.assert_array_equal(found[f"{sample.name}.png"], labels)
        assert labels.shape == SIZE


def test_sensors_can_be_left_out(model, data, small_server, tmp_path):
    submit(model, data, tmp_path / "a.zip", without=["lidar"])
    submit(model, data, tmp_path / "b.zip", only=["camera"])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    sample = open_muses(replace(data, resize=None), "test", training=False)[0]
    alone = Predictor(model).predict(sample.images, torch.tensor([True, False]), size=(32, 64)).labels
    np.testing.assert_array_equal(read(tmp_path / "a.zip")[f"{sample.name}.png"], alone)


def test_bad_scenes_are_counted_and_no_zip_appears(model, data, small_server, tmp_path, monkeypatch):
    frames = open_muses(replace(data, resize=None), "test", training=False)
    bad = frames.scenes[0].files[0][0]
    whole = bad.read_bytes()
    bad.write_bytes(b"x")
    try:
        with pytest.raises(ValueError, match=rf"1 of 2 scenes could not be predicted, the first: .*{bad.name}"):
            submit(model, data, tmp_path / "s.zip")
    finally:
        bad.write_bytes(whole)
    assert list(tmp_path.iterdir()) == []


def test_other_data_have_no_server(model, tmp_path):
    with pytest.raises(ValueError, match="only MUSES has a server"):
        submit(model, Data(), tmp_path / "s.zip")


def test_the_server_takes_images_of_one_size_only(model, data, tmp_path):
    with pytest.raises(ValueError, match="the server expects 1080x1920, got 64x96"):
        submit(model, data, tmp_path / "s.zip")


def test_the_command(model, data, small_server, tmp_path, capsys):
    folder, out = tmp_path / "model", tmp_path / "s.zip"
    save_model(folder, model, model.card)
    words = ["submit", str(folder), str(out), "--device=cpu"]
    assert main(words) == 1
    assert "name a recipe whose data to use" in " ".join(capsys.readouterr().err.split())
    (folder / "recipe.yaml").write_text(
        "name: m\ndata:\n  kind: muses\n  use: [camera, lidar]\n  resize: [32, 64]\n", encoding="utf-8"
    )
    assert main([*words, f"--root={data.root}"]) == 0
    assert "2 scenes" in capsys.readouterr().out
    assert len(read(out)) == 2
