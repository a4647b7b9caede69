"""What tests run in other processes, which import it by name."""

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
