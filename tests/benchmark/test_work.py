import pytest
import torch

from robustseg.benchmark.subsets import sensor_sets
from robustseg.benchmark.work import DECODE, ENCODE, FUSE, TICK, part_work, random_images, set_work


@pytest.fixture
def images(toy_model):
    return random_images(2, toy_model.num_modalities, (32, 64), seed=3, device=torch.device("cpu"))


@torch.inference_mode()
def test_sets_are_predicted_as_in_use(toy_model, images):
    work = set_work(toy_model, images, sensor_sets(toy_model.card.modalities))
    assert len(work) == 7
    logits = toy_model(images[:, [0, 1, 2]], torch.tensor([[True, False, True]]).expand(2, 3)).logits
    assert torch.equal(work["rgb+lidar"](), logits.argmax(dim=1))


@torch.inference_mode()
def test_parts_are_those_of_a_prediction(toy_model, images):
    parts = part_work(toy_model, images)
    alone = toy_model.encode(images[:, 0], torch.zeros(2, dtype=torch.int64))
    for got, wanted in zip(parts[ENCODE](), alone, strict=True):
        assert torch.allclose(got, wanted, atol=1e-5)
    wanted = toy_model.labels(images)
    assert torch.equal(parts[DECODE](), wanted)
    assert torch.equal(parts[TICK](), wanted)
    assert parts[FUSE]().present.all()


def test_images_depend_on_the_seed_alone(images):
    again = random_images(2, 3, (32, 64), seed=3, device=torch.device("cpu"))
    assert torch.equal(images, again)
    assert abs(float(images.std()) - 1) < 0.05
