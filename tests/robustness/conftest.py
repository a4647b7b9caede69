import copy

import pytest
import torch

from robustseg.failures import all_subsets
from robustseg.robustness import Evaluation


@pytest.fixture
def found() -> Evaluation:
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(1, 50, (6, 7, 3, 3), generator=generator)
    counts[:, :, 2] = 0  # a class that occurs nowhere
    scored = torch.ones(6, 7, dtype=torch.bool)
    counts[:, 1] = 0
    scored[:, 1] = False  # nothing but depth: in no frame
    return Evaluation(
        counts=counts,
        scored=scored,
        subsets=all_subsets(3),
        frames=tuple(f"f{i}" for i in range(6)),
        tags=tuple({"weather": ("day", "fog")[i % 2], "place": "here", "id": str(i)} for i in range(6)),
        modalities=("rgb", "depth", "aolp"),
        sensors=("camera", "depth", "camera"),
        classes=("road", "car", "unicorn"),
        model="student",
        split="val",
        note="selected on val",
    )


@pytest.fixture(scope="session")
def keen_model(toy_model):
    """The toy with larger weights, whose predictions follow every change of the images."""
    model = copy.deepcopy(toy_model)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5)
        images = torch.randn(8, 3, 3, 32, 48, generator=generator)
        model.train()(images)  # BatchNorm gets to know what it sees
    return model.eval()
