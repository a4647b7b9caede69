"""A tiny model folder, and results without measuring."""

from dataclasses import replace

import pytest

from robustseg.benchmark.latency import Times
from robustseg.benchmark.memory import Memory
from robustseg.benchmark.result import Benchmark, Machine, Row
from robustseg.benchmark.settings import Settings
from robustseg.benchmark.subsets import sensor_sets
from robustseg.modalities import Modality
from robustseg.models.weights import save_model

MACHINE = Machine("AMD EPYC", 1, "2.13.0", "0.1", "2026-11-23")


@pytest.fixture
def folder(tmp_path, toy_model):
    save_model(tmp_path / "student", toy_model, toy_model.card)
    return tmp_path / "student"


@pytest.fixture
def polarised(tmp_path, toy_model):
    """Two of its three modalities come from one camera."""
    modalities = tuple(
        replace(entry, sensor=name) for entry, name in zip(toy_model.card.modalities, "cdc", strict=True)
    )
    save_model(tmp_path / "polarised", toy_model, replace(toy_model.card, modalities=modalities))
    return tmp_path / "polarised"


def benchmark(*names: str, split: str = "val") -> Benchmark:
    """10 ms, 1 GMAC and 20 points of mIoU for each modality, and 10 ms and 2 GMAC besides."""
    rows = tuple(
        Row(entry, Times((10.0 + 10 * entry.size,) * 4), 2.0 + entry.size, 20.0 * entry.size if split else None)
        for entry in sensor_sets([Modality(name) for name in names])
    )
    parts = {"encode one modality": Times((9.0, 10.0, 11.0))}
    settings, memory = Settings((64, 96), batch=2), Memory(300.0, 20.0, "somehow")
    return Benchmark("student", "0" * 64, "mit_nano", 16, 1000, settings, MACHINE, rows, parts, memory, split)


@pytest.fixture
def measured():
    return benchmark
