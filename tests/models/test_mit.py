import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from robustseg.models.mit import SHAPES, Attention, MiT, drop_path
from robustseg.models.standard import initialise


def naive_attention(layer: Attention, x: Tensor) -> Tensor:
    """One image, one head and one query at a time; x is h w C."""
    h, w, c = x.shape
    d = c // layer.heads
    context = x
    if layer.reduce is not None and layer.reduce_norm is not None:
        r = layer.reduce.kernel_size[0]
        rows = []
        for i in range(h // r):
            for j in range(w // r):
                patch = x[i * r : (i + 1) * r, j * r : (j + 1) * r]  # r r C
                rows.append(torch.einsum("yxc,ocyx->o", patch, layer.reduce.weight) + layer.reduce.bias)
        context = F.layer_norm(torch.stack(rows), (c,), layer.reduce_norm.weight, layer.reduce_norm.bias)
    query = layer.query(x.reshape(h * w, c))
    key, value = layer.key_value(context.reshape(-1, c)).split(c, dim=1)
    out = torch.zeros_like(query)
    for head in range(layer.heads):
        part = slice(head * d, (head + 1) * d)
        for place in range(h * w):
            scores = torch.stack([query[place, part] @ row for row in key[:, part]]) / math.sqrt(d)
            out[place, part] = scores.exp() / scores.exp().sum() @ value[:, part]
    return layer.out(out).reshape(h, w, c)


@pytest.mark.parametrize(("heads", "reduction"), [(1, 1), (2, 2), (3, 3)])
def test_attention_equals_a_loop_over_heads_and_queries(heads: int, reduction: int) -> None:
    layer = Attention(12, heads, reduction).double()
    initialise(layer, Generator().manual_seed(0))
    x = torch.randn(2, 7, 6, 12, dtype=torch.float64, generator=Generator().manual_seed(1))
    expected = torch.stack([naive_attention(layer, one) for one in 4 * x])
    assert torch.allclose(layer(4 * x, torch.zeros(2, dtype=torch.int64)), expected, atol=1e-12)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (61, 100)])
def test_any_size_from_32_up(size: tuple[int, int]) -> None:
    encoder = MiT(SHAPES["mit_nano"])
    maps = encoder(torch.zeros(2, 3, *size), torch.zeros(2, dtype=torch.int64))
    strides = (4, 8, 16, 32)
    assert [tuple(stage.shape) for stage in maps] == [
        (2, c, math.ceil(size[0] / s), math.ceil(size[1] / s))
        for c, s in zip(SHAPES["mit_nano"].widths, strides, strict=True)
    ]


def test_images_that_are_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match=r"31x40.*32x32"):
        MiT(SHAPES["mit_nano"])(torch.zeros(1, 3, 31, 40), torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize(("name", "millions"), [("mit_b0", 3.3), ("mit_b1", 13.2), ("mit_b2", 24.2), ("mit_b5", 81.4)])
def test_sizes_are_those_of_the_paper(name: str, millions: float) -> None:
    with torch.device("meta"):
        encoder = MiT(SHAPES[name])
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(millions, abs=0.2)


def test_drop_path_rates_grow_linearly_to_the_last_block() -> None:
    with torch.device("meta"):
        encoder = MiT(SHAPES["mit_b0"], drop_path=0.1)
    rates = [m.drop_rate for name, m in encoder.named_modules() if re.search(r"blocks\.\d+$", name)]
    assert rates == pytest.approx([0.1 * i / 7 for i in range(8)])


def test_drop_path_drops_whole_images_and_keeps_the_mean() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        dropped = drop_path(torch.ones(4000, 2, 3, 1), 0.25)
    of_image = dropped.flatten(1)
    assert (of_image == of_image[:, :1]).all()
    assert of_image.unique().tolist() == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)


def test_evaluation_is_deterministic_and_training_is_not() -> None:
    encoder = MiT(SHAPES["mit_nano"], drop_path=0.5)
    x, modality = torch.randn(4, 3, 32, 32, generator=Generator().manual_seed(0)), torch.zeros(4, dtype=torch.int64)
    encoder.eval()
    assert torch.equal(encoder(x, modality)[3], encoder(x, modality)[3])
    encoder.train()
    assert not torch.equal(encoder(x, modality)[3], encoder(x, modality)[3])


def test_every_parameter_gets_a_gradient() -> None:
    encoder = MiT(SHAPES["mit_nano"], drop_path=0.0)
    maps = encoder(torch.randn(2, 3, 64, 64, generator=Generator().manual_seed(0)), torch.zeros(2, dtype=torch.int64))
    sum(stage.square().mul(stage).sum() for stage in maps).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in encoder.parameters())


def loss_and_gradients(recompute: bool) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Of a network with much randomness, whose draws come from the same seed."""
    encoder = MiT(SHAPES["mit_nano"], drop_path=0.5, recompute=recompute)
    initialise(encoder, Generator().manual_seed(0))
    images = torch.randn(4, 3, 64, 64, generator=Generator().manual_seed(1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        loss = torch.stack([stage.pow(3).mean() for stage in encoder(images, torch.zeros(4, dtype=torch.int64))]).sum()
        torch.rand(5)  # what follows the forward pass draws, too
        parameters = list(encoder.parameters())
        return (
            loss,
            list(torch.autograd.grad(loss, parameters, retain_graph=True)),
            list(torch.autograd.grad(loss, parameters)),
        )


def test_recomputing_blocks_changes_nothing_however_often_the_graph_is_used() -> None:
    (loss, *plain), (same_loss, *recomputed) = loss_and_gradients(False), loss_and_gradients(True)
    assert torch.equal(loss, same_loss)
    for first, second in zip(plain, recomputed, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def saved_bytes(encoder: MiT, images: Tensor) -> int:
    """What the forward pass keeps for the backward pass."""
    known = {parameter.untyped_storage().data_ptr() for parameter in encoder.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        maps = encoder(images, torch.zeros(len(images), dtype=torch.int64))
    assert maps[0].requires_grad
    return sum(kept.values())


def test_recomputing_blocks_keeps_less() -> None:
    images = torch.zeros(2, 3, 64, 64)
    plain, recomputed = (saved_bytes(MiT(SHAPES["mit_nano"], recompute=on), images) for on in (False, True))
    assert recomputed < plain / 3


def test_without_gradients_nothing_is_recomputed(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = MiT(SHAPES["mit_nano"], recompute=True)
    monkeypatch.setattr("robustseg.models.mit.checkpoint", None)
    with torch.no_grad():
        encoder(torch.zeros(1, 3, 32, 32), torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize("cached", [1, 3000, 20_000, 2**20])
@pytest.mark.parametrize("size", [(64, 96), (70, 45)])
def test_strips_and_single_images_give_the_same_maps(
    monkeypatch: pytest.MonkeyPatch, cached: int, size: tuple[int, int]
) -> None:
    encoder = MiT(SHAPES["mit_nano"]).eval()
    images = torch.randn(3, 3, *size, generator=torch.Generator().manual_seed(0))
    wanted = encoder(images, torch.zeros(3, dtype=torch.int64))  # with gradients, everything is computed as a whole
    monkeypatch.setattr("robustseg.models.mit.CACHED", cached)
    with torch.inference_mode():
        found = encoder(images, torch.zeros(3, dtype=torch.int64))
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(found, wanted, strict=True))
