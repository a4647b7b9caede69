"""A block's MLP under training on a CPU: one image after the other, its wide maps made again for the backward pass.

Expanded maps have four times the block's channels. Kept for the backward pass they are most of an encoder's memory, and
fetching fresh memory for them costs as much as computing them. Here an image's wide maps live in the cache until the
next one's take their place.

Shapes: N images, h w size of a map, P = h * w, C channels, X expanded channels.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

aten: Any = torch.ops.aten


def trained_mlp(
    x: Float[Tensor, "N h w C"], expand: nn.Linear, depthwise: nn.Conv2d, shrink: nn.Linear
) -> Float[Tensor, "N h w C"]:
    """shrink(gelu(depthwise(expand(x)))); only `x` is kept for the backward pass.

    Args:
        x: A map.
        expand: With a bias, as the others.
        depthwise: 3x3, padded by 1.
        shrink: Back to as many channels as are wanted.
    """
    parts = (expand, depthwise, shrink)
    return _MixedMLP.apply(x, *(part.get_parameter(name) for part in parts for name in ("weight", "bias")))


class _MixedMLP(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        ctx.save_for_backward(x, *parameters)
        weight, bias = parameters[4:]
        out = x.new_empty(*x.shape[:3], len(weight))
        wide = x.new_empty(x.shape[1] * x.shape[2], len(parameters[0]))  # P X
        for image, result in zip(x, out, strict=True):
            mixed = _mixed(image, parameters, wide)
            aten.gelu(mixed, out=wide)
            torch.addmm(bias, wide, weight.T, out=result.flatten(0, 1))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, *parameters = ctx.saved_tensors
        expand, _, kernel, _, shrink, _ = parameters
        above = gradients[0].contiguous()
        below = torch.empty_like(x, memory_format=torch.contiguous_format)
        sums = [torch.zeros_like(parameter) for parameter in parameters]
        sums[5] += above.sum((0, 1, 2))
        wide = x.new_empty(x.shape[1] * x.shape[2], len(expand))  # P X
        active = torch.empty_like(wide)
        for image, gradient, result in zip(x, above, below, strict=True):
            rows, gradient = image.reshape(-1, image.shape[2]), gradient.flatten(0, 1)  # P C
            mixed = _mixed(image, parameters, wide)
            aten.gelu(mixed, out=active)
            sums[4].addmm_(gradient.T, active)
            torch.mm(gradient, shrink, out=active)
            aten.gelu_backward(active, mixed, grad_input=active)
            found = aten.convolution_backward(
                _as_map(active, image), _as_map(wide, image), kernel, [len(kernel)], [1, 1], [1, 1], [1, 1],
                False, [0, 0], len(kernel), [True, True, True],
            )  # fmt: skip
            sums[2] += found[1]
            sums[3] += found[2]
            expanded = found[0].permute(0, 2, 3, 1).reshape(wide.shape)
            sums[0].addmm_(expanded.T, rows)
            sums[1] += expanded.sum(0)
            torch.mm(expanded, expand, out=result.flatten(0, 1))
        return below, *sums


def _mixed(image: Float[Tensor, "h w C"], parameters: Any, wide: Float[Tensor, "P X"]) -> Float[Tensor, "P X"]:
    """The depthwise convolution of the expanded map, which is left in `wide`."""
    expand, bias, kernel, shift = parameters[:4]
    torch.addmm(bias, image.reshape(-1, image.shape[2]), expand.T, out=wide)
    mixed = F.conv2d(_as_map(wide, image), kernel, shift, padding=1, groups=len(kernel))
    return mixed.permute(0, 2, 3, 1).reshape(wide.shape)


def _as_map(rows: Float[Tensor, "P X"], image: Float[Tensor, "h w C"]) -> Float[Tensor, "1 X h w"]:
    return rows.view(1, *image.shape[:2], -1).permute(0, 3, 1, 2)
