"""Counting what the network computes: multiplications of matrices and convolutions, on the meta device.

On the meta device nothing is computed, and attention runs as plain matrix products, which torch's counter sees; the
fused attention of CPUs and GPUs it counts as 0. The backward pass of depthwise convolutions, which that counter takes
for dense ones, is counted here. One multiply-add is one MAC; 1 GMAC = 2 GFLOP.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from robustseg.models.card import ModelCard
from robustseg.models.segmenter import Segmenter
from robustseg.models.standard import segmenter_on_meta
from robustseg.models.weights import structure

GIGA = 10**9


def _convolution_backward(
    grad: Sequence[int],
    x: Sequence[int],
    weight: Sequence[int],
    *rest: Any,
    out_shape: Any = None,
) -> int:
    """As many operations as forward for the input's gradient, and as many for the weight's, where they are asked for.

    `rest`: bias, stride, padding, dilation, whether transposed, output padding, groups, what is asked for.
    """
    forward = 2 * grad[0] * math.prod(grad[2:]) * math.prod(weight)
    return forward * sum(rest[-1][:2])


def macs(function: Callable[[], object]) -> int:
    """Multiply-adds of what a function computes, all of it on the meta device."""
    own = {torch.ops.aten.convolution_backward: _convolution_backward}
    with FlopCounterMode(display=False, custom_mapping=own) as counter, sdpa_kernel(SDPBackend.MATH):
        function()
    return counter.get_total_flops() // 2


def meta_model(backbone: str, *, width: int, classes: int, modalities: int) -> Segmenter:
    """The standard network without memory."""
    return segmenter_on_meta(backbone, width=width, num_classes=classes, num_modalities=modalities)


def meta_logits(model: Segmenter, samples: int, modalities: int, size: tuple[int, int]) -> Float[Tensor, "B K H W"]:
    """The logits of so many samples, each with so many modalities: encoded, fused, decoded.

    Which rows are fused must be known, so that this is not on the meta device.
    """
    present = (torch.arange(model.num_modalities) < modalities).repeat(samples, 1)
    sample, modality = present.nonzero(as_tuple=True)
    maps = model.encode(torch.empty(len(sample), 3, *size, device="meta"), modality.to("meta"))
    return model.decode(model.fuse(maps, sample, modality, present), size)


def frame_macs(card: ModelCard, size: tuple[int, int], present: int) -> int:
    """Multiply-adds of one frame in inference, with so many modalities present.

    Counted as what a second frame adds to a first: merging the decoder's weights is no work of a frame. Upsampling,
    which on CPUs is a product with small matrices, is left out, and so are sums, of which means are made. Under absence
    "zero" a zero image of every modality is encoded as well, see `Segmenter.encode_batch`; in a batch all frames share
    it.
    """
    model = structure(replace(card, absence="remove")).eval()
    every = torch.arange(len(card.modalities))
    zeros = torch.empty(len(every), 3, *size, device="meta")
    with torch.no_grad():
        one, two = (macs(lambda frames=frames: meta_logits(model, frames, present, size)) for frames in (1, 2))
        filled = macs(lambda: model.encode(zeros, every.to("meta"))) if card.absence == "zero" else 0
    return two - one + filled
