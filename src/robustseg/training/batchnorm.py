"""BatchNorm over the frames of all processes, on any device; torch's own runs on GPUs alone.

Shapes: B frames of this process, C channels, h w size of a map.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.nn import functional as F


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes; every process's gradient reaches every process's tensor."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.contiguous().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.apply(gradients[0])  # recorded, so that it has a gradient in turn


def moments(x: Float[Tensor, "B C h w"]) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"], Float[Tensor, ""]]:
    """Mean, population variance and number of values of each channel over all processes.

    The variances within the processes and the distances of their means are added up, so that nothing cancels.
    """
    variance, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0)
    count = x.new_tensor([x.numel() / x.shape[1]], dtype=mean.dtype)
    sums = _Sum.apply(torch.cat([count * mean, count]))
    total = sums[-1].detach()
    overall = sums[:-1] / total
    return overall, _Sum.apply(count * (variance + (mean - overall).square())) / total, total


class SharedBatchNorm(nn.BatchNorm2d):
    """A BatchNorm whose statistics in training are of all processes' frames together.

    Parameters, buffers and their names are BatchNorm's, and so is what it does in evaluation.
    """

    def forward(self, input: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """Normalises a map; in training all processes must call it together."""
        if not self.training:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        with torch.autocast(input.device.type, enabled=False):
            x = input if input.dtype == torch.float64 else input.float()
            mean, variance, total = moments(x)
            self._remember(mean.detach(), variance.detach() * total / (total - 1))
            scale = self.weight * (variance + self.eps).rsqrt()
            shift = self.bias - mean * scale
            return (x * scale[:, None, None] + shift[:, None, None]).to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Float[Tensor, " C"], variance: Float[Tensor, " C"]) -> None:
        """Moves the running statistics towards a batch's, the variance being the unbiased one, as BatchNorm does."""
        assert self.momentum is not None
        for name, value in (("running_mean", mean), ("running_var", variance)):
            self.get_buffer(name).lerp_(value, self.momentum)
        self.get_buffer("num_batches_tracked").add_(1)


def share_batchnorm(model: nn.Module) -> None:
    """Replaces every BatchNorm2d below `model` by one that knows all processes; weights and names stay."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                shared = SharedBatchNorm(child.num_features, eps=child.eps, momentum=child.momentum).to(child.weight)
                shared.train(child.training).load_state_dict(child.state_dict())
                setattr(parent, name, shared)
