"""Random and reference inputs of the losses; formulas of the reference vectors: waves of the flat index."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

REFERENCE = Path(__file__).parents[1] / "reference" / "losses.npz"
LIVE = [2, 0, 3]


def wave(shape: tuple[int, ...], a: float, b: float) -> Tensor:
    index = np.arange(np.prod(shape), dtype=np.float64)
    return torch.from_numpy(np.sin(a * (index + 1) + b).reshape(shape).astype(np.float32))


@dataclass
class Case:
    """Arguments of a loss on maps; `absent` student slots hold NaN."""

    student: list[Tensor]
    teacher: list[Tensor]
    labels: Tensor
    present: Tensor
    teacher_present: Tensor
    permutation: Tensor
    num_classes: int

    def maps(self) -> dict[str, object]:
        return {
            "student": self.student,
            "teacher": self.teacher,
            "present": self.present,
            "teacher_present": self.teacher_present,
        }

    def all(self) -> dict[str, object]:
        return {
            **self.maps(),
            "labels": self.labels,
            "num_classes": self.num_classes,
            "permutation": self.permutation,
        }


def random_case(seed: int, dtype: torch.dtype = torch.float64) -> Case:
    """Three samples, three modalities, two stages; classes 4 and 5 of 6 are nowhere, NaN in every absent slot."""
    draw = torch.Generator().manual_seed(seed)
    shapes = [(3, 3, 5, 4, 6), (3, 3, 4, 2, 3)]
    student = [torch.randn(shape, generator=draw, dtype=dtype) for shape in shapes]
    teacher = [torch.randn(shape, generator=draw, dtype=dtype) for shape in shapes]
    labels = torch.randint(0, 4, (3, 16, 24), generator=draw)
    labels[torch.rand(labels.shape, generator=draw) < 0.3] = 255
    present = torch.tensor([[True, True, True], [False, True, False], [True, False, True]])
    teacher_present = torch.tensor([[True, True, True], [True, True, False], [False, True, True]])
    permutation = torch.tensor([[1, 2, 0], [0, 1, 2], [0, 1, 2]])
    for own, other in zip(student, teacher, strict=True):
        own[~present] = torch.nan
        other[~teacher_present] = torch.nan
        own.requires_grad_()
        other.requires_grad_()
    return Case(student, teacher, labels, present, teacher_present, permutation, 6)


def reference_labels() -> Tensor:
    row, column = np.arange(64)[:, None], np.arange(96)[None]
    labels = (row // 8 + column // 12) % 24
    labels[:6, :9] = 255
    return torch.from_numpy(np.stack([np.roll(labels, 5 * n, axis=1) for n in range(2)])).long()


def reference_case() -> Case:
    """The released losses' inputs; slots in the order of the live list, then the absent modality."""
    student, teacher = [], []
    slots = [*LIVE, 1]
    for i, (width, stride) in enumerate(zip((32, 64, 160, 256), (4, 8, 16, 32), strict=True)):
        size = (width, 64 // stride, 96 // stride)
        own = torch.full((2, 4, *size), torch.nan)
        for n in range(2):
            own[n, :3] = wave((3, *size), 0.37, 0.3 * n + 0.1 * i)
        student.append(own.requires_grad_())
        teacher.append(torch.stack([wave((4, *size), 0.481, 0.5 * n + 0.2 * i)[slots] for n in range(2)]))
    present = torch.tensor([[True, True, True, False]] * 2)
    everything = torch.ones_like(present)
    return Case(student, teacher, reference_labels(), present, everything, torch.arange(4).repeat(2, 1), 25)


@pytest.fixture
def case() -> Case:
    return random_case(0)


@pytest.fixture
def reference() -> dict[str, np.ndarray]:
    return dict(np.load(REFERENCE))


@pytest.fixture
def released() -> Case:
    return reference_case()


@pytest.fixture
def released_noise():
    """Draw j is 1.4 * wave(shape, 0.71, 0.13 * j), j = 1, 2, ..."""
    drawn = 0

    def noise(shape: tuple[int, int, int]) -> Tensor:
        nonlocal drawn
        drawn += 1
        return 1.4 * wave(shape, 0.71, 0.13 * drawn)

    return noise


@pytest.fixture
def make_case():
    return random_case


@pytest.fixture
def reference_logits() -> tuple[Tensor, Tensor, Tensor]:
    """Student logits, teacher logits, labels."""
    return 3 * wave((2, 25, 64, 96), 0.21, 0.4), 3 * wave((2, 25, 64, 96), 0.17, 0.9), reference_labels()
