from pathlib import Path

import pytest
import torch

import robustseg
from robustseg import recipe
from robustseg.build import build_model
from robustseg.models.mit import SHAPES


def test_the_recipe_becomes_the_network() -> None:
    fields = recipe.Model(backbone="mit_nano", width=40, absence="zero", dropout=0.25, drop_path=0.5)
    model = build_model(fields, num_classes=7, num_modalities=3, seed=0)
    output = model(torch.zeros(2, 3, 3, 32, 64))
    assert output.logits.shape == (2, 7, 32, 64)
    assert tuple(features.shape[1] for features in output.features) == SHAPES["mit_nano"].widths
    assert model.absence == "zero"
    assert model.decoder.get_submodule("fuse").get_parameter("weight").shape[0] == 40
    assert "p=0.25" in repr(model.decoder)
    rates = [module.drop_rate for module in model.modules() if hasattr(module, "drop_rate")]
    assert (rates[0], rates[-1]) == (0, 0.5)


def test_the_seed_decides() -> None:
    one, same, other = (
        build_model(recipe.Model(), 3, 2, seed=seed).state_dict()["decoder.fuse.weight"] for seed in (5, 5, 6)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*mit\.pth"):
        build_model(recipe.Model(encoder_weights=str(tmp_path / "mit.pth")), 3, 2, seed=0)


def test_load_is_public(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no model folder"):
        robustseg.load(tmp_path)
    with pytest.raises(AttributeError, match="no attribute 'unload'"):
        _ = robustseg.unload
