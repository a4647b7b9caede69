import numpy as np
import pytest
import torch

from robustseg.deploy.health import Monitor, learn_health, learning
from robustseg.deploy.health.statistics import NAMES
from robustseg.deploy.predictor import Predictor
from robustseg.deploy.tiling import bytes_needed
from robustseg.metrics import count, mean_iou


def test_profiles_of_all_modalities_are_learned_and_judge(toy_model, toy_frames) -> None:
    frames, done = toy_frames(number=6), []
    predictor = Predictor(toy_model)
    learner = learn_health(predictor, frames, limit=4, progress=lambda *where: done.append(where))
    profiles = learner.profiles()
    assert list(profiles) == ["rgb", "depth", "lidar"]
    assert done[-1] == (6, 6)
    again = learn_health(predictor, frames, limit=4).profiles()
    for name, profile in profiles.items():
        assert torch.equal(profile.out, again[name].out)
        assert profile.span[0] >= 0
        assert profile.span[1] <= 40
    assert not torch.equal(learner.profiles(without="noise")["lidar"].out, profiles["lidar"].out)
    monitor = Monitor(profiles, frames.modalities, patience=1)
    sample = frames[0]
    black = torch.zeros_like(sample.images[0])
    encoding = predictor.encode("rgb", black.movedim(0, -1))
    assert monitor.judge("rgb", encoding, stamp=0.0).doubtful


def test_examples_are_what_leaving_out_does(toy_model, toy_frames) -> None:
    """By the plain way: labels with and without the image, counted."""
    frames = toy_frames(number=2)
    predictor = Predictor(toy_model)
    learner = learning.Learner(predictor, [(0.0, 40.0)] * 3, 4)
    with torch.no_grad():
        learner.look(frames[0], torch.Generator().manual_seed(0))
    images = {m.name: frames[0].images[place].movedim(0, -1) for place, m in enumerate(frames.modalities)}
    found = [predictor(images).labels, predictor(images | {"lidar": None}).labels]
    counts = [count(torch.from_numpy(labels)[None].long(), frames[0].labels[None], 4)[0] for labels in found]
    assert torch.equal(learner.total, counts[0])
    lidar = learner.examples[2]
    assert torch.equal(lidar.change[0], counts[1] - counts[0])
    assert [bool(fault) for fault in lidar.fault] == [False] + [True] * learning.BROKEN
    assert len(lidar.seen[0]) == len(NAMES) + 2 * toy_model.encoder.widths[0]
    assert np.isfinite(mean_iou(counts[0]).item())


def test_nothing_to_learn_from(toy_model, toy_frames) -> None:
    with pytest.raises(ValueError, match="nothing can be learned"):
        learn_health(Predictor(toy_model), toy_frames(labelled=False))


def test_tiled_frames_teach_nothing(toy_model, toy_frames) -> None:
    predictor = Predictor(toy_model, memory=bytes_needed(toy_model.card, 128 * 128))
    with pytest.raises(ValueError, match="rgb: too large to be judged"):
        learn_health(predictor, toy_frames(number=2, size=(160, 300)))
