"""The counting behind benchmarks/, and what it promises."""

import importlib
from pathlib import Path

import pytest
import torch
from torch import nn

from robustseg.build import build_model
from robustseg.recipe import Model

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Imports a script as its own folder's files import each other."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def test_convolutions_and_matrices_by_hand(script):
    macs = script("flops").macs
    x = torch.empty(2, 6, 9, 7, device="meta", requires_grad=True)
    with torch.device("meta"):
        depthwise, dense, linear = nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.Conv2d(6, 4, 2), nn.Linear(7, 5)
    for layer, by_hand in ((depthwise, 2 * 63 * 6 * 9), (dense, 2 * 48 * 6 * 4 * 4), (linear, 2 * 6 * 9 * 7 * 5)):
        assert macs(lambda layer=layer: layer(x)) == by_hand
        assert macs(lambda layer=layer: layer(x).sum().backward()) == 3 * by_hand
        assert macs(lambda layer=layer: layer(x.detach()).sum().backward()) == 2 * by_hand


def test_attention_is_counted(script):
    query, key = (torch.empty(1, 2, length, 8, device="meta") for length in (10, 5))
    macs = script("flops").macs(lambda: nn.functional.scaled_dot_product_attention(query, key, key))
    assert macs == 2 * 2 * 10 * 5 * 8


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
