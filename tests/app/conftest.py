"""A tiny world with a network that has learned nothing, for tests of the explorer."""

import pytest
import torch

from robustseg.app import Material, Scene
from robustseg.data.world import WorldFrames
from robustseg.deploy.health import Profile
from robustseg.models.card import ModelCard
from robustseg.models.segmenter import Segmenter
from robustseg.models.standard import random_segmenter, segmenter_on_meta


class Unlike(Profile):
    """Knows no healthy image."""

    def __init__(self) -> None:
        """Needs no numbers."""

    span = (0.0, 255.0)  # pyright: ignore

    def unhealthy(self, gain, odds, distance):
        return torch.tensor(False), torch.tensor(True)

    def told(self, found):
        return torch.tensor(0.0), torch.tensor(0.0)

    def distance(self, found):
        return torch.tensor(9.0)

    def oddest(self, found) -> str:
        return "odd"


@pytest.fixture
def unlike() -> Profile:
    return Unlike()


@pytest.fixture(scope="session")
def tiny_world() -> WorldFrames:
    frames = WorldFrames("val", 12, 0, size=(32, 48))
    frames.preload()
    return frames


@pytest.fixture(scope="session")
def world_model(tiny_world: WorldFrames) -> Segmenter:
    classes, modalities = tiny_world.classes, tiny_world.modalities
    empty = segmenter_on_meta("mit_nano", width=16, num_classes=len(classes), num_modalities=len(modalities))
    model = random_segmenter(empty, seed=0).eval()
    model.card = ModelCard("mit_nano", 16, classes, modalities, "remove", (32, 48))
    return model


@pytest.fixture
def material(world_model: Segmenter, tiny_world: WorldFrames) -> Material:
    tags = tuple(tiny_world[place].tags for place in range(len(tiny_world)))
    return Material("toy", world_model, tiny_world, tags)


@pytest.fixture
def scene(material: Material) -> Scene:
    return Scene(material)
