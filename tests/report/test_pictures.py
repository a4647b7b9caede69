from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from robustseg.deploy import Predictor
from robustseg.failures import all_subsets
from robustseg.report.pictures import one_per_value, predict_subsets, subset_picture, telling_subsets
from robustseg.robustness import evaluate


def test_a_picture_of_frames_by_subsets(toy_model, toy_frames, tmp_path) -> None:
    frames = toy_frames(odd_sizes={4: (40, 56)})
    samples = [frames[1], frames[2], frames[4]]  # complete, without depth, nothing but lidar
    predictions = predict_subsets({"teacher": toy_model, "student": toy_model}, samples, all_subsets(3)[[6, 0]])
    assert list(predictions) == ["all sensors", "rgb"]
    expected = Predictor(toy_model).predict(samples[0].images, torch.tensor([True, False, False])).labels
    np.testing.assert_array_equal(predictions["rgb"]["student"][0], expected)
    assert (predictions["rgb"]["student"][2] == 255).all()
    path = tmp_path / "deep" / "picture.png"
    subset_picture(
        path, samples, predictions, modalities=frames.modalities, classes=frames.classes, captions=["fog", "day", "-"]
    )
    with Image.open(path) as picture:
        assert picture.width > picture.height > 300
    assert [entry.name for entry in path.parent.iterdir()] == ["picture.png"]


def test_what_does_not_fit_together_is_refused(toy_frames, tmp_path) -> None:
    frames = toy_frames()
    label = frames[0].labels.numpy().astype(np.uint8)
    parts = {"modalities": frames.modalities, "classes": frames.classes}
    with pytest.raises(ValueError, match="at least one frame"):
        subset_picture(tmp_path / "x.png", [], {"all": {"m": []}}, **parts)
    with pytest.raises(ValueError, match="2 frames need as many predictions"):
        subset_picture(tmp_path / "x.png", [frames[0], frames[1]], {"all": {"m": [label]}}, **parts)


def test_telling_subsets_are_full_and_the_largest_gains(toy_model, toy_frames) -> None:
    found = evaluate(toy_model, toy_frames(number=1))
    teacher = replace(found, counts=torch.tensor([1, 10, 10]).expand(1, 7, 4, 3))
    counts = teacher.counts.clone()
    for place, hits in ((2, 90), (1, 80), (4, 70)):  # lidar, depth, rgb+lidar
        counts[:, place, :, 0] = hits
    student = replace(teacher, counts=counts)
    chosen = telling_subsets(student, teacher, number=3)
    assert chosen.tolist() == [[True, True, True], [True, False, True], [False, False, True]]
    assert len(telling_subsets(student, teacher, number=5)) == 5
    assert telling_subsets(student, teacher, number=1).tolist() == [[True, True, True]]


def test_one_complete_frame_per_condition(toy_frames) -> None:
    assert one_per_value(toy_frames(), "weather") == {"day": 0, "fog": 1}
    assert one_per_value(toy_frames(), "weather", most=1) == {"day": 0}
    assert one_per_value(toy_frames(), "place") == {}
