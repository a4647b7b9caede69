"""The arithmetic behind benchmarks/loading.py, and that its parts are those of training."""

import pytest
import torch

from robustseg.data.world import WorldFrames
from robustseg.recipe import Transforms
from robustseg.training.batches import TrainingFrames


@pytest.fixture
def loading(script):
    return script("loading")


def test_shares_by_hand(loading):
    taken = {"render": 0.4, "read": 0.01, "augment": 0.02, "draw": 0.03, "collate": 0.04, "normalise": 0.06}
    found = loading.summary(taken | {"load": 0.2, "teacher": 1.0, "student": 3.0}, 2, seen=8)
    assert found["seconds per sample"]["render"] == 0.05
    assert found["seconds per sample"]["load"] == 0.1
    whole = 2 * 0.05 + 0.2 + 0.06
    assert found["loading, percent"]["teacher"] == pytest.approx(100 * whole / (whole + 1), abs=0.01)
    assert found["loading, percent"]["student"] == pytest.approx(100 * whole / (whole + 3), abs=0.01)


def test_batches_are_those_of_training_epoch_after_epoch(loading):
    frames = TrainingFrames(WorldFrames("train", 4, 0, size=(32, 64)), Transforms(), size=(32, 48), seed=1)
    assert set(loading.sample_parts(frames)) | set(loading.batch_parts(frames, 2)) == {
        *("read", "augment", "draw", "collate", "load", "normalise"),
    }
    batches = loading.batches(frames, 4)
    once, again = next(batches), next(batches)
    assert sorted(once.names) == sorted(again.names)
    assert not torch.equal(once.images, again.images)
