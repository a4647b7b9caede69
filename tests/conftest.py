"""Toys that tests of evaluation, reports and prediction share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import torch
from hub_server import Hub, serving
from huggingface_hub import constants

from robustseg.data.sample import Sample
from robustseg.failures import all_subsets
from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.models.card import ModelCard
from robustseg.models.segmenter import Segmenter
from robustseg.models.standard import random_segmenter, segmenter_on_meta
from robustseg.robustness import Evaluation

TOY_MODALITIES = (
    Modality("rgb", mean=(100.0, 110.0, 120.0), std=(50.0, 55.0, 60.0), photometric=True),
    Modality("depth", unit="m", mean=(20.0,) * 3, std=(10.0,) * 3),
    Modality("lidar", unit="m", mean=(5.0,) * 3, std=(8.0,) * 3, resample="nearest"),
)
TOY_CLASSES = (
    LabelClass("road", (128, 64, 128), ids=(7,)),
    LabelClass("car", (0, 0, 142), ids=(26, 27)),
    LabelClass("tree", (107, 142, 35), ids=(300,)),
    LabelClass("unicorn", (255, 105, 180), ids=(9,)),
)


@dataclass(frozen=True)
class ToyFrames:
    """Random frames; every third one lacks depth, the fifth has nothing but lidar."""

    size: tuple[int, int] = (32, 48)
    number: int = 6
    labelled: bool = True
    modalities: tuple[Modality, ...] = TOY_MODALITIES
    classes: tuple[LabelClass, ...] = TOY_CLASSES
    odd_sizes: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def sequences(self) -> tuple[str, ...]:
        return ("",) * self.number

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> Sample:
        generator = torch.Generator().manual_seed(index)
        height, width = self.odd_sizes.get(index, self.size)
        images = 40 * torch.rand(len(self.modalities), 3, height, width, generator=generator)
        labels = torch.randint(0, 3, (height // 8 + 1, width // 8 + 1), generator=generator)  # blocks of 8 pixels
        labels = labels.repeat_interleave(8, 0).repeat_interleave(8, 1)[:height, :width].clone()
        labels[:2] = 255
        present = torch.tensor([index != 4, index % 3 != 2 and index != 4, True])
        images[~present] = torch.nan
        tags = {"weather": ("day", "fog")[index % 2], "id": str(index)}
        return Sample(images, labels if self.labelled else labels.fill_(255), present, f"drive/{index:04d}", tags)


@pytest.fixture
def toy_frames() -> type[ToyFrames]:
    return ToyFrames


@pytest.fixture(scope="session")
def toy_frames_once() -> ToyFrames:
    return ToyFrames()


@pytest.fixture(scope="session")
def toy_model() -> Segmenter:
    empty = segmenter_on_meta("mit_nano", width=16, num_classes=len(TOY_CLASSES), num_modalities=len(TOY_MODALITIES))
    model = random_segmenter(empty, seed=0).eval()
    model.card = ModelCard("mit_nano", 16, TOY_CLASSES, TOY_MODALITIES, "remove", (32, 48))
    return model


def random_evaluation(
    modalities: tuple[str, ...] = ("rgb", "depth", "lidar"),
    sensors: tuple[str, ...] | None = None,
    frames: int = 6,
    seed: int = 0,
    **others: object,
) -> Evaluation:
    """Random counts; the last of three classes occurs nowhere. A frame's labels are the same in every row."""
    generator = torch.Generator().manual_seed(seed)
    subsets = all_subsets(len(modalities))
    rows = len(subsets)
    pixels = torch.randint(20, 90, (frames, 1, 2), generator=generator).expand(frames, rows, 2)
    missed = (torch.rand(frames, rows, 2, generator=generator) * pixels).long()
    counts = torch.zeros(frames, rows, 3, 3, dtype=torch.int64)
    counts[:, :, :2, 0] = pixels - missed
    counts[:, :, :2, 1] = missed.flip(-1)  # what one class misses, the other takes
    counts[:, :, :2, 2] = missed
    fields = {
        "scored": torch.ones(frames, rows, dtype=torch.bool),
        "subsets": subsets,
        "frames": tuple(f"f{place}" for place in range(frames)),
        "tags": tuple({"weather": ("day", "fog")[place % 2]} for place in range(frames)),
        "modalities": modalities,
        "sensors": sensors or modalities,
        "classes": ("road", "car", "unicorn"),
        "model": "student",
        "split": "val",
        "majority": 0,
    }
    return Evaluation(counts=counts, **(fields | others))


@pytest.fixture
def made() -> Callable[..., Evaluation]:
    return random_evaluation


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Hub]:
    """A stand-in for the Hugging Face Hub on this machine, with an empty cache and nobody logged in."""
    with serving() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        template = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
        yield server
