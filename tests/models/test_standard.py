import pytest
import torch

from robustseg.models.standard import random_segmenter, segmenter_on_meta


def empty(**changes: object):
    return segmenter_on_meta("mit_nano", **{"width": 16, "num_classes": 3, "num_modalities": 2, **changes})


def test_weights_depend_on_the_seed_and_on_nothing_else() -> None:
    before = torch.get_rng_state()
    one, same, other = (random_segmenter(empty(), seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["decoder.fuse.weight"], other["decoder.fuse.weight"])


def test_maps_and_gradients_start_at_a_healthy_size() -> None:
    model = random_segmenter(empty(width=96), seed=0)
    images = torch.randn(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    output = model(images)
    assert all(0.3 < features.std() < 2 for features in output.features)
    assert 0.01 < output.logits.std() < 3
    state = model.state_dict()
    assert all(tensor.isfinite().all() for tensor in state.values())
    linear = state["encoder.stages.3.blocks.0.mlp.expand.weight"]
    assert linear.std().item() == pytest.approx(0.02, rel=0.1)
    depthwise = state["encoder.stages.3.blocks.0.mlp.depthwise.weight"]
    assert depthwise.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.1)


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(ValueError, match="no backbone 'vit'; choose one of mit_nano, mit_b0"):
        segmenter_on_meta("vit", width=1, num_classes=1, num_modalities=1)


@pytest.mark.parametrize("backbone", ["mit_nano", "mit_b0"])
def test_zero_images_have_gradients_from_the_first_step_on(backbone: str) -> None:
    empty = segmenter_on_meta(backbone, width=16, num_classes=3, num_modalities=2, absence="zero")
    model = random_segmenter(empty, seed=0)
    images = torch.randn(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    model(images, torch.tensor([[True, False], [True, True]])).logits.square().mean().backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert float(torch.stack([gradient.norm() for gradient in gradients]).norm()) < 1e3
