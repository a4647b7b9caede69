from dataclasses import dataclass

import pytest
import torch
from lightning.fabric import Fabric

from robustseg.build import build_model
from robustseg.data.world import WorldFrames
from robustseg.failures import all_subsets
from robustseg.metrics import count
from robustseg.normalisation import normalise
from robustseg.recipe import Model
from robustseg.training.selection import hold_out, selection_counts, selection_score


def test_holdout_is_fixed_disjoint_and_complete():
    frames = WorldFrames("train", 20, 0, size=(32, 64))
    train, held = hold_out(frames, 0.1, seed=5)
    assert (len(train), len(held)) == (16, 4)  # a scene has four frames, and stays whole
    assert len(set(held.sequences)) == 1
    assert not set(held.sequences) & set(train.sequences)
    assert sorted([*train.indices, *held.indices]) == list(range(20))
    assert hold_out(frames, 0.1, seed=5)[1].indices == held.indices
    assert hold_out(frames, 0.1, seed=6)[1].indices != held.indices
    assert train[0].name == frames[train.indices[0]].name


@dataclass(frozen=True)
class Sequences:
    """Frames of which only the sequences matter."""

    sequences: tuple[str, ...]
    modalities: tuple = ()
    classes: tuple = ()

    def __len__(self):
        return len(self.sequences)

    def __getitem__(self, index):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("lengths", "held_out"),
    [
        ((90, *[1] * 10), 10),
        ((50, 50), 10),
        ((100,), 10),
        ((30, 15, 55), 15),
        ((4, 4, 4), 1),
        ((1, 50, 50, 50, 50), 21),
        ((3, 100, 100), 23),
    ],
)
@pytest.mark.parametrize("seed", range(8))
def test_a_long_sequence_does_not_take_the_training_data(lengths, held_out, seed):
    names = tuple(f"s{place}" for place, length in enumerate(lengths) for _ in range(length))
    train, held = hold_out(Sequences(names), 0.1, seed)
    assert (len(train), len(held)) == (len(names) - held_out, held_out)


@pytest.mark.parametrize(("count", "fraction"), [(1, 0.5), (10, 0.0), (4, 0.9)])
def test_impossible_holdouts(count, fraction):
    with pytest.raises(ValueError, match="leaves nothing"):
        hold_out(WorldFrames("train", count, 0, size=(32, 64)), fraction, seed=0)


def test_counts_equal_a_loop_of_whole_forwards():
    frames = WorldFrames("val", 3, 0, size=(32, 64))
    model = build_model(Model(width=16), num_classes=len(frames.classes), num_modalities=4, seed=0)
    subsets = all_subsets(4)
    fabric = Fabric(accelerator="cpu", devices=1)
    counts = selection_counts(fabric, model, frames, subsets, batch_size=2)
    assert model.training
    model.eval()
    expected = torch.zeros_like(counts)
    for place in range(3):
        sample = frames[place]
        images = normalise(sample.images[None], frames.modalities)
        for row, subset in enumerate(subsets):
            with torch.no_grad():
                predicted = model(images, subset[None]).logits.argmax(dim=1)
            expected[row] += count(predicted, sample.labels[None], len(frames.classes))[0]
    assert (counts - expected).abs().sum() <= 4  # a tie may fall either way
    assert 0 <= selection_score(counts) <= 100


def test_subsets_without_frames_are_left_out_of_the_score():
    counts = torch.zeros(2, 3, 3, dtype=torch.int64)
    counts[0, :, 0] = 5
    assert selection_score(counts) == 100
    with pytest.raises(ValueError, match="labelled pixel"):
        selection_score(torch.zeros(2, 3, 3, dtype=torch.int64))
