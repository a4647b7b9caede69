"""A world and a network so small that both stages train in a second or two."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robustseg.build import build_model
from robustseg.models.released import released_name
from robustseg.recipe import Data, Machine, Model, Recipe, Schedule, World


def small_recipe(out: Path, **changes) -> Recipe:
    """A recipe that writes below a folder, with any key changed."""
    schedule = Schedule(epochs=1, batch_size=4)
    values = {
        "name": "small",
        "data": Data(size=(32, 64), world=World(train_frames=10, val_frames=4)),
        "model": Model(width=16),
        "teacher": schedule,
        "student": schedule,
        "machine": Machine(accelerator="cpu", log_every=1),
        "out": str(out),
    }
    return Recipe(**(values | changes))


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    """Makes a recipe that writes below a folder, with any key changed."""
    return small_recipe


@pytest.fixture(scope="module")
def small() -> Callable[..., Recipe]:
    """The same, for runs that several tests look at."""
    return small_recipe


@pytest.fixture
def mit_file(tmp_path: Path) -> Path:
    """An encoder's weights in the layout of the official MiT files."""
    encoder = build_model(Model(width=16), num_classes=2, num_modalities=1, seed=9).encoder
    tensors = {released_name(f"encoder.{name}"): tensor for name, tensor in encoder.state_dict().items()}
    torch.save({name.removeprefix("encoder."): tensor for name, tensor in tensors.items()}, tmp_path / "mit.pth")
    return tmp_path / "mit.pth"
