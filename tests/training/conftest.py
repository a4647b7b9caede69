"""A world and a network so small that both stages train in a second or two."""

from collections.abc import Callable
from pathlib import Path

import pytest

from robustseg.recipe import Data, Machine, Model, Recipe, Schedule, World


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    """Makes a recipe that writes below a folder, with any key changed."""

    def make(out: Path, **changes) -> Recipe:
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

    return make
