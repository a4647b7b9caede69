from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from recordings import grey, write_video

from robustseg.deploy.sources import ArrayFiles, FileLists, VideoFiles, open_source
from robustseg.deploy.sources.open import parse_inputs
from robustseg.models.card import ModelCard


@pytest.fixture
def card(toy_model) -> ModelCard:
    return toy_model.card


def test_inputs() -> None:
    assert parse_inputs("rgb=cam/*.png, depth.a=d/*.npy") == {"rgb": "cam/*.png", "depth.a": "d/*.npy"}
    assert parse_inputs("run/*.npz") == {"": "run/*.npz"}
    for text, said in (("rgb=a.png,rgb=b.png", "'rgb' twice"), ("rgb=", "NAME=PATTERN"), ("a b=c", "NAME=PATTERN")):
        with pytest.raises(ValueError, match=said):
            parse_inputs(text)


def test_what_becomes_of_a_path(card: ModelCard, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 10, [grey(3)])
    np.savez(tmp_path / "b.npz", rgb=np.zeros((32, 32, 3), np.uint8))
    Image.new("RGB", (32, 32)).save(tmp_path / "c.png")
    video = open_source(card, tmp_path / "a.mp4")
    assert isinstance(video, VideoFiles)
    assert list(video.paths) == ["rgb"]
    assert isinstance(open_source(card, tmp_path / "b.npz"), ArrayFiles)
    assert isinstance(open_source(card, tmp_path, inputs="*.npz"), ArrayFiles)
    assert isinstance(open_source(card, tmp_path, inputs="rgb=*.png"), FileLists)
    assert isinstance(open_source(card, tmp_path, inputs="rgb=a.mp4,depth=a.mp4"), VideoFiles)
    for name, options in (
        ("a.mp4", {"inputs": "rgb=a.mp4"}),
        ("b.npz", {"inputs": "*.npz"}),
        ("c.png", {"inputs": "rgb=*.png"}),
    ):
        assert open_source(card, tmp_path, **options).files == (tmp_path / name,)


def test_what_cannot_be_opened(card: ModelCard, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 10, [grey(3)])
    Image.new("RGB", (32, 32)).save(tmp_path / "c.png")
    (tmp_path / "rig.yaml").write_text("images: {rgb: {topic: /c}}")
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "metadata.yaml").write_text("rosbag2_bagfile_information: {}")
    rig = tmp_path / "rig.yaml"
    for path, options, said in (
        ("bag", {}, "say with --rig FILE"),
        ("a.bag", {}, "say with --rig FILE"),
        ("bag", {"rig": rig, "inputs": "rgb=*.png"}, "not both"),
        ("c.png", {}, "no folder, video, NPZ file or recording"),
        ("c.png", {"inputs": "rgb=*.png"}, "is no folder"),
        (".", {"inputs": "*.png"}, "is no NPZ file: say which modality it is"),
        (".", {"inputs": "rgb=a.mp4,depth=*.png"}, "is a video, and not all inputs are"),
        (".", {"inputs": "rgb=../a.mp4"}, "leads outside"),
        ("none.mp4", {}, "no video"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=said):
            open_source(card, tmp_path / path, **options)
