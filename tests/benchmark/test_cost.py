"""Operations counted against counts by hand."""

from dataclasses import replace
from math import ceil

import pytest
import torch
from torch import nn

from robustseg.benchmark.cost import frame_macs, macs
from robustseg.models.mit import SHAPES


def test_convolutions_and_matrices_by_hand():
    x = torch.empty(2, 6, 9, 7, device="meta", requires_grad=True)
    with torch.device("meta"):
        depthwise, dense, linear = nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.Conv2d(6, 4, 2), nn.Linear(7, 5)
    for layer, by_hand in ((depthwise, 2 * 63 * 6 * 9), (dense, 2 * 48 * 6 * 4 * 4), (linear, 2 * 6 * 9 * 7 * 5)):
        assert macs(lambda layer=layer: layer(x)) == by_hand
        assert macs(lambda layer=layer: layer(x).sum().backward()) == 3 * by_hand
        assert macs(lambda layer=layer: layer(x.detach()).sum().backward()) == 2 * by_hand


def test_attention_is_counted():
    query, key = (torch.empty(1, 2, length, 8, device="meta") for length in (10, 5))
    assert macs(lambda: nn.functional.scaled_dot_product_attention(query, key, key)) == 2 * 2 * 10 * 5 * 8


def encoder_macs(backbone: str, height: int, width: int) -> int:
    """Layer by layer, from the shapes that the paper gives."""
    shape, total, before = SHAPES[backbone], 0, 3
    stages = zip(shape.widths, shape.depths, shape.reductions, strict=True)
    for stage, (c, depth, reduction) in enumerate(stages):
        kernel, stride = (3, 2) if stage else (7, 4)
        height, width = ceil(height / stride), ceil(width / stride)
        pixels, short = height * width, (height // reduction) * (width // reduction)
        total += kernel * kernel * before * c * pixels
        attention = c * c * pixels + 2 * c * c * short + 2 * pixels * short * c + c * c * pixels
        attention += reduction**2 * c * c * short if reduction > 1 else 0
        mlp = (2 * c + 9) * shape.expansion * c * pixels
        total += depth * (attention + mlp)
        before = c
    return total


@pytest.mark.parametrize("size", [(64, 96), (128, 64)])
def test_a_frame_by_hand(toy_model, size):
    card = toy_model.card
    one, two, three = (frame_macs(card, size, number) for number in (1, 2, 3))
    encoder = encoder_macs(card.backbone, *size)
    assert two - one == three - two == encoder
    pixels, K, E = size[0] * size[1] // 16, len(card.classes), card.width
    maps = sum(c * E * pixels // 4**stage for stage, c in enumerate(SHAPES[card.backbone].widths))
    assert one - encoder == maps + E * K * pixels


def test_zero_images_are_encoded_too(toy_model):
    card = toy_model.card
    filled = frame_macs(replace(card, absence="zero"), (64, 64), 1)
    assert filled - frame_macs(card, (64, 64), 1) == 3 * encoder_macs(card.backbone, 64, 64)


def first_convolution(backbone: str, height: int, width: int) -> int:
    return 49 * 3 * SHAPES[backbone].widths[0] * (height // 4) * (width // 4)


def test_other_fusions_by_hand(toy_model):
    size = (64, 96)
    standard = replace(toy_model.card, fusion="mean")
    encoder, first = (count(standard.backbone, *size) for count in (encoder_macs, first_convolution))
    one = frame_macs(standard, size, 1)
    weighted, moments, early, late, pair = (
        replace(standard, fusion=fusion) for fusion in ("weighted", "moments", "early", "late", "pair")
    )
    assert frame_macs(weighted, size, 1) > one
    assert frame_macs(moments, size, 3) == frame_macs(weighted, size, 3)  # what it adds, it does pixel by pixel
    assert frame_macs(early, size, 1) == one
    assert frame_macs(early, size, 3) - frame_macs(early, size, 2) == first
    assert frame_macs(late, size, 3) == 3 * one
    assert frame_macs(pair, size, 3) - frame_macs(pair, size, 2) == 2 * encoder
    pixels = [size[0] * size[1] // 16 // 4**stage for stage in range(4)]
    scores = sum((9 + 1) * 2 * c * p for c, p in zip(SHAPES[standard.backbone].widths, pixels, strict=True))
    assert frame_macs(pair, size, 1) - one == encoder + scores
