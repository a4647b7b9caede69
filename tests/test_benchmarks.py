"""What benchmarks/ promise of the cost of all subsets."""

import importlib
from pathlib import Path

import pytest
import torch

from robustseg.build import build_model
from robustseg.recipe import Model

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Imports a script as its own folder's files import each other."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def test_all_subsets_cost_what_was_promised(script):
    gmac = script("subset_cost").counted()
    assert gmac["a"] / gmac["c"] >= 15
    assert gmac["b"] / gmac["c"] >= 5


def test_all_ways_to_the_subsets_predict_the_same(script):
    subset_cost = script("subset_cost")
    model = build_model(Model(width=32), subset_cost.CLASSES, subset_cost.MODALITIES, seed=0).eval()
    norm = model.decoder.norm
    generator = torch.Generator().manual_seed(1)
    norm.running_mean.normal_(generator=generator)
    norm.running_var.uniform_(0.5, 2, generator=generator)
    images = torch.randn(subset_cost.MODALITIES, 3, 64, 96, generator=generator)
    with torch.inference_mode():
        subset_cost.check_alike(model, images)
        model.decoder.classifier.weight.mul_(-1)
        changed = subset_cost.WAYS["c"].predictions(model, images)
        model.decoder.classifier.weight.mul_(-1)
        assert not torch.equal(changed[0], subset_cost.WAYS["c"].predictions(model, images)[0])
