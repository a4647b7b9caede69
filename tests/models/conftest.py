"""The reference vectors: weights and images by formula, outputs from files (see tests/reference/README.md)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from robustseg import recipe
from robustseg.build import build_model
from robustseg.models.segmenter import Segmenter

REFERENCE = Path(__file__).parent.parent / "reference"


def hashed(shape: tuple[int, ...], t: int) -> np.ndarray:
    u = np.sin(12.9898 * (np.arange(np.prod(shape, dtype=int)) + 1) + 78.233 * t) * 43758.5453
    return (np.sqrt(3) * (2 * (u - np.floor(u)) - 1)).reshape(shape)


def wave(shape: tuple[int, ...], a: float, b: float) -> np.ndarray:
    return np.sin(a * (np.arange(np.prod(shape)) + 1) + b).reshape(shape)


def formula_weight(name: str, shape: tuple[int, ...], t: int) -> Tensor:
    value = hashed(shape, t)
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
        value = 1 + 0.2 * value
    elif len(shape) == 1:
        value = 0.1 * value
    else:
        value = value * np.sqrt(2 / (np.prod(shape) / shape[0]))
    return torch.from_numpy(value).float()


@dataclass(frozen=True)
class Reference:
    """One reference network: its checkpoint, its images, and what came out."""

    backbone: str
    classes: int
    checkpoint: dict[str, Tensor]
    images: Tensor
    vectors: dict[str, np.ndarray]

    @property
    def sensors(self) -> list[str]:
        return ["camera", "depth", "event", "lidar"][: self.images.shape[1]]


@pytest.fixture(scope="session")
def reference() -> Callable[[str], Reference]:
    def make(name: str) -> Reference:
        classes, modalities, batch, size = {"b0": (25, 4, 2, (64, 96)), "b2": (19, 3, 1, (64, 64))}[name]
        shapes = json.loads((REFERENCE / f"official_keys_{name}.json").read_text())
        checkpoint = {key: formula_weight(key, tuple(shapes[key]), t + 1) for t, key in enumerate(sorted(shapes))}
        shape = (batch, 3, *size)
        images = [wave(shape, 0.011 * (m + 1), 0.9 * m) + 0.5 * hashed(shape, 100 + m) for m in range(modalities)]
        return Reference(
            f"mit_{name}",
            classes,
            checkpoint,
            torch.from_numpy(np.stack(images, axis=1)).float(),
            dict(np.load(REFERENCE / f"model_{name}.npz")),
        )

    return make


@pytest.fixture
def tiny() -> Callable[..., Segmenter]:
    """A small network in evaluation mode whose normalisation has seen something."""

    def make(modalities: int = 4, **fields: object) -> Segmenter:
        model = build_model(recipe.Model(**{"width": 24, **fields}), 5, modalities, seed=1).eval()
        generator = torch.Generator().manual_seed(2)
        norm = model.decoder.get_submodule("norm")
        norm.get_buffer("running_mean").normal_(generator=generator)
        norm.get_buffer("running_var").uniform_(0.5, 2, generator=generator)
        for parameter in model.parameters():  # as if trained: biases are not 0, maps are not alike
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data.add_(noise, alpha=0.05)
        return model

    return make


@pytest.fixture
def images() -> Tensor:
    """B 3, M 4, 40 by 56 pixels."""
    return torch.randn(3, 4, 3, 40, 56, generator=torch.Generator().manual_seed(0))
