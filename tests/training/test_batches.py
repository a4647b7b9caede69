import pytest
import torch

from robustseg.data.world import WorldFrames
from robustseg.recipe import Transforms
from robustseg.training.batches import Share, TrainingFrames, epoch_keys, epoch_loader, steps_per_epoch


def keys(share: Share, **changes):
    return list(epoch_keys(21, share, seed=3, epoch=changes.pop("epoch", 2), **changes))


def test_an_epoch_holds_each_frame_at_most_once_in_full_batches():
    batches = keys(Share(4, parts=1))
    seen = [index for batch in batches for _, index in batch]
    assert [len(batch) for batch in batches] == [4] * 5
    assert len(set(seen)) == 20
    assert {epoch for batch in batches for epoch, _ in batch} == {2}
    assert seen != [index for batch in keys(Share(4, parts=1), epoch=3) for _, index in batch]


def test_processes_and_parts_share_the_same_steps():
    whole = keys(Share(4, parts=1))
    ranks = [keys(Share(4, parts=4, rank=rank, world=2)) for rank in range(2)]
    assert [len(batches) for batches in ranks] == [10, 10]
    for step, batch in enumerate(whole):
        parts = [key for rank in ranks for part in rank[2 * step : 2 * step + 2] for key in part]
        assert sorted(parts) == sorted(batch)


def test_resuming_skips_exactly_the_steps_done():
    assert keys(Share(4, parts=2), first_step=3) == keys(Share(4, parts=2))[6:]  # two parts a step


def test_frames_and_draws_depend_on_epoch_and_index_alone():
    frames = TrainingFrames(WorldFrames("train", 6, 0, size=(32, 64)), Transforms(), size=(32, 48), seed=1)
    once, again, other = frames[1, 4], frames[1, 4], frames[2, 4]
    assert torch.equal(once.sample.images, again.sample.images)
    assert torch.equal(once.drawn, again.drawn)
    assert torch.equal(once.permutation, again.permutation)
    assert not torch.equal(once.sample.images, other.sample.images)
    loaded = list(epoch_loader(frames, Share(3, parts=1), epoch=1, first_step=0, workers=0))
    parallel = list(epoch_loader(frames, Share(3, parts=1), epoch=1, first_step=0, workers=2))
    for one, two in zip(loaded, parallel, strict=True):
        assert one.names == two.names
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.drawn, two.drawn)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="only a GPU has page-locked memory to copy from")
def test_batches_for_a_gpu_lie_in_page_locked_memory():
    frames = TrainingFrames(WorldFrames("train", 4, 0, size=(32, 64)), Transforms(), size=(32, 48), seed=1)
    (batch,) = epoch_loader(frames, Share(4, parts=1), epoch=1, first_step=0, workers=0)
    assert batch.images.is_pinned()
    assert batch.labels.is_pinned()
    there = batch.to(torch.device("cuda"))
    assert torch.equal(there.images.cpu(), batch.images)
    assert there.names == batch.names


class Broken(WorldFrames):
    def __getitem__(self, index):
        raise ValueError("rgb/train/0001.png: damaged")


def test_a_workers_error_is_one_line():
    frames = TrainingFrames(Broken("train", 4, 0, size=(32, 64)), Transforms(), size=(32, 64), seed=1)
    with pytest.raises(ValueError, match=r"^rgb/train/0001.png: damaged$"):
        next(iter(epoch_loader(frames, Share(2, parts=1), epoch=0, first_step=0, workers=1)))


def test_draws_stay_within_what_is_there():
    frames = TrainingFrames(WorldFrames("train", 4, 0, size=(32, 64)), Transforms(), size=(32, 64), seed=1)
    drawn = torch.cat([frames[epoch, 0].drawn for epoch in range(200)])
    assert drawn.any(dim=1).all()
    sizes = drawn.sum(dim=1).bincount(minlength=5)[1:] / 200
    assert (sizes - 0.25).abs().max() < 0.12  # the size is uniform


def test_impossible_batches_are_clear_errors():
    with pytest.raises(ValueError, match="multiple of"):
        Share(6, parts=4)
    with pytest.raises(ValueError, match="lower batch_size"):
        steps_per_epoch(3, 8)


def test_faults_are_drawn_with_the_frame_and_not_without_being_asked_for():
    world = WorldFrames("train", 4, 0, size=(32, 64))
    well, ill = (TrainingFrames(world, Transforms(faults=chance), size=(32, 48), seed=1) for chance in (0.0, 1.0))
    changed = [(well[0, i].sample.images != ill[0, i].sample.images).flatten(1).any(dim=1) for i in range(4)]
    assert torch.stack(changed).float().mean() > 0.7  # of an empty crop there is nothing to lose
    for index in range(4):
        assert torch.equal(ill[3, index].sample.images, ill[3, index].sample.images)
        assert torch.equal(well[3, index].sample.labels, ill[3, index].sample.labels)
