import subprocess
import sys

import numpy as np
import pytest
import torch

from robustseg.data.world import CLASSES, WorldFrames, sequence
from robustseg.data.world.conditions import CONDITIONS
from robustseg.data.world.dataset import SPLITS, address

SIZE = (48, 64)
DIGEST = """
import hashlib
from robustseg.data.world import sequence
sample = sequence(4, [3.25], size=(48, 64))[0]
print(hashlib.sha256(sample.images.numpy().tobytes() + sample.labels.numpy().tobytes()).hexdigest())
"""


def test_the_same_instant_is_the_same_bytes_in_any_order_and_process():
    first, second = sequence(4, [1.0, 3.25], size=SIZE), sequence(4, [3.25, 1.0], size=SIZE)
    assert torch.equal(first[1].images, second[0].images)
    assert torch.equal(first[0].labels, second[1].labels)
    digests = {subprocess.check_output([sys.executable, "-c", DIGEST], text=True) for _ in range(2)}
    import hashlib

    here = hashlib.sha256(first[1].images.numpy().tobytes() + first[1].labels.numpy().tobytes()).hexdigest()
    assert digests == {here + "\n"}


def test_another_seed_or_scene_is_another_picture():
    base, scene, seed = (sequence(n, [2.0], seed=s, size=SIZE)[0].images for n, s in ((5, 0), (10, 0), (5, 1)))
    assert not torch.equal(base, scene)
    assert not torch.equal(base, seed)


def test_splits_share_no_scene():
    scenes = [{address(split, index, 0)[0] for index in range(2000)} for split in SPLITS]
    assert len(set.union(*scenes)) == sum(len(part) for part in scenes)


def test_dataset_frames_are_instants_of_their_sequence():
    frames = WorldFrames("train", 12, 0, SIZE)
    sample = frames[9]
    scene, time = address("train", 9, 0)
    (again,) = sequence(scene, [time], size=SIZE)
    assert torch.equal(sample.images, again.images)
    assert torch.equal(sample.labels, again.labels)
    assert (sample.name, sample.tags, sample.sequence, sample.time) == (again.name, again.tags, again.sequence, time)


def test_the_cache_gives_equal_frames_that_nobody_can_spoil():
    frames = WorldFrames("val", 4, 0, SIZE)
    calls = []
    frames.preload(lambda done, total: calls.append((done, total)))
    first = frames[2]
    expected = first.images.clone()
    first.images.zero_()
    first.labels.zero_()
    assert torch.equal(frames[2].images, expected)
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_several_processes_render_the_same():
    alone, shared = WorldFrames("val", 64, 0, (24, 32)), WorldFrames("val", 64, 0, (24, 32))
    alone.preload()
    shared.preload(processes=2)
    assert all(torch.equal(alone[i].images, shared[i].images) for i in range(64))


def test_frames_have_the_documented_form():
    frames = WorldFrames("val", 40, 0, SIZE)
    samples = [frames[index] for index in range(40)]
    assert len({sample.name for sample in samples}) == 40
    counts = {name: sum(sample.tags["condition"] == name for sample in samples) for name in CONDITIONS}
    assert set(counts.values()) == {8}
    images = torch.stack([sample.images for sample in samples])
    assert images.dtype == torch.float32
    assert images.shape == (40, len(frames.modalities), 3, *SIZE)
    assert torch.equal(images, images.round())
    assert 0 <= images.min() <= images.max() <= 255
    assert all(sample.present.all() for sample in samples)


def test_every_class_is_in_many_frames():
    frames = WorldFrames("train", 60, 0)
    seen = np.zeros(len(CLASSES))
    for index in range(60):
        labels = frames[index].labels
        assert labels.min() >= 0
        assert labels.max() < len(CLASSES)
        seen += np.bincount(labels.numpy().ravel(), minlength=len(CLASSES)) >= 12
    assert (seen >= 30).all(), dict(zip([entry.name for entry in CLASSES], seen, strict=True))


def test_the_stored_statistics_fit():
    frames = WorldFrames("train", 40, 3)
    images = torch.stack([frames[index].images for index in range(40)]).double()
    for place, modality in enumerate(frames.modalities):
        assert modality.mean is not None
        assert modality.std is not None
        mean, std = images[:, place].mean((0, 2, 3)), images[:, place].std((0, 2, 3))
        assert ((mean - torch.tensor(modality.mean)).abs() < 0.35 * torch.tensor(modality.std)).all()
        assert (std / torch.tensor(modality.std)).log().abs().max() < 0.4


def test_what_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"split 'dev'.*train, val, test"):
        WorldFrames("dev", 1, 0)
    with pytest.raises(ValueError, match=r"condition 'snow'.*day, night, fog, rain, low_sun"):
        sequence(0, [0.0], condition="snow")
    with pytest.raises(ValueError, match="at least 0, got -1"):
        sequence(0, [-1.0])
    with pytest.raises(IndexError):
        WorldFrames("train", 1, 0)[1]


def test_some_of_the_sensors_in_an_order_of_ones_own():
    everything, some = (WorldFrames("val", 4, 0, size=(32, 64), use=use) for use in ((), ("lidar", "rgb")))
    assert [modality.name for modality in some.modalities] == ["lidar", "rgb"]
    assert torch.equal(some[1].images, everything[1].images[[3, 0]])
    assert some[1].present.shape == (2,)
    assert torch.equal(some[1].labels, everything[1].labels)
    with pytest.raises(ValueError, match="'radar', which is none of rgb, depth, event, lidar"):
        WorldFrames("val", 4, 0, use=("radar",))
