"""Small networks of every fusion, with answers that differ from pixel to pixel."""

from collections.abc import Callable, Iterator

import jaxtyping
import pytest
import torch

from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.models import mit
from robustseg.models.card import ModelCard
from robustseg.models.segmenter import Segmenter
from robustseg.models.standard import random_segmenter, segmenter_on_meta

MODALITIES = (
    Modality("rgb", mean=(100.0, 110.0, 120.0), std=(50.0, 55.0, 60.0), photometric=True),
    Modality("depth", unit="m", scale=0.5, mean=(20.0,) * 3, std=(10.0,) * 3),
    Modality("lidar-2", unit="m", mean=(5.0,) * 3, std=(8.0,) * 3, resample="nearest"),
)
CLASSES = tuple(LabelClass(name, (40 * place, 80, 200 - place)) for place, name in enumerate("abcd"))


@pytest.fixture
def shallow(monkeypatch) -> None:
    """One block in each stage: tracing takes a time that grows with the blocks."""
    monkeypatch.setitem(mit.SHAPES, "mit_nano", mit.MiTShape((8, 8, 16, 16), (1, 1, 1, 1), (1, 1, 2, 2), expansion=1))


@pytest.fixture
def traceable() -> Iterator[None]:
    """Without the checks of shapes, which a traced size, being no number, does not pass."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture
def made(shallow) -> Callable[..., Segmenter]:
    """A network by its fusion, absence and private parts, with random private weights and large logits."""

    def make(fusion="mean", absence="remove", private=(), temperatures=(1.5, 0.7, 2.0)) -> Segmenter:
        parts = {"absence": absence, "fusion": fusion, "private": private}
        model = random_segmenter(
            segmenter_on_meta("mit_nano", width=16, num_classes=4, num_modalities=3, **parts), seed=0
        ).eval()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
            model.decoder.classifier.weight *= 20
        model.card = ModelCard(
            "mit_nano", 16, CLASSES, MODALITIES, absence, (64, 96), sha256="0" * 64, temperatures=temperatures,
            fusion=fusion, private=private,
        )  # fmt: skip
        return model

    return make
