"""What tests run in other processes, which import it by name."""

import torch
from torch import nn

from robustseg.build import load
from robustseg.training.batchnorm import share_batchnorm
from robustseg.training.selection import selection_counts


def counts_of(fabric, folder, frames, subsets):
    """As plain numbers: a tensor's memory would end with its process."""
    return selection_counts(fabric, load(folder), frames, subsets, batch_size=2).tolist()


def batchnorm_steps(fabric, model, images):
    """Outputs, gradients and buffers, as plain numbers, of two data-parallel steps on this process's frames."""
    share_batchnorm(model)
    module = fabric.setup(model)
    outputs = []
    for _ in range(2):
        module.zero_grad()
        outputs.append(module(images.chunk(fabric.world_size)[fabric.global_rank]))
        fabric.backward(outputs[-1].pow(3).mean())
    tensors = [*outputs, *(parameter.grad for parameter in model.parameters()), *model.buffers()]
    return [tensor.tolist() for tensor in tensors]


class Slope(nn.Module):
    """How steep a network's cubed outputs are in its inputs: a loss whose gradient is one of a gradient."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images, frames):
        """The cost is a mean over `frames`, which are all those of this process, or of several together."""
        images = images.detach().requires_grad_()
        cost = self.model(images).pow(3).flatten(1).mean(dim=1).sum() / frames
        (slope,) = torch.autograd.grad(cost, images, create_graph=True)
        return slope.square().mean()


def slope_gradients(fabric, model, images):
    """Gradients, as plain numbers, of a data-parallel step on this process's frames."""
    share_batchnorm(model)
    module = fabric.setup(Slope(model))
    own = images.chunk(fabric.world_size)[fabric.global_rank]
    fabric.backward(module(own, len(images)))
    return [parameter.grad.tolist() for parameter in model.parameters() if parameter.grad is not None]
