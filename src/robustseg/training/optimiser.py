"""AdamW without decay on biases and norms, warm-up and polynomial decay per step, the moving average of the weights."""

from __future__ import annotations

from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from robustseg.models.private import PRIVATE, Identity, tensors_of
from robustseg.recipe import Schedule


def adamw(model: nn.Module, schedule: Schedule) -> AdamW:
    """The optimiser; biases, norms and other 1-D parameters, of each modality or of all, get no weight decay."""
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    private = set(tensors_of(model, (*PRIVATE, Identity)))
    decaying = {name for name, parameter in parameters.items() if parameter.ndim - (name in private) > 1}
    groups = [
        {"params": [p for name, p in parameters.items() if name in decaying], "weight_decay": schedule.weight_decay},
        {"params": [p for name, p in parameters.items() if name not in decaying], "weight_decay": 0.0},
    ]
    on_cpu = all(parameter.device.type == "cpu" for parameter in parameters.values())
    return AdamW(groups, lr=schedule.lr, fused=on_cpu or None)  # on GPUs it would stand in fp16's way


def learning_rate(step: int, steps_per_epoch: int, schedule: Schedule) -> float:
    """The learning rate of optimiser step `step` (from 0): linear warm-up, then polynomial decay to 0.

    Example:
        >>> schedule = Schedule(epochs=10, lr=1.0, warmup_epochs=1, warmup_ratio=0.1, power=1.0)
        >>> [round(learning_rate(step, 10, schedule), 2) for step in (0, 5, 10, 55, 99)]
        [0.1, 0.55, 1.0, 0.5, 0.01]
    """
    warmup = round(schedule.warmup_epochs * steps_per_epoch)
    total = schedule.epochs * steps_per_epoch
    if step < warmup:
        return schedule.lr * (schedule.warmup_ratio + (1 - schedule.warmup_ratio) * step / warmup)
    return schedule.lr * (1 - (step - warmup) / max(total - warmup, 1)) ** schedule.power


def set_learning_rate(optimizer: Optimizer, value: float) -> None:
    """Gives every parameter group this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = value


def moving_average(model: nn.Module, decay: float) -> AveragedModel | None:
    """The exponential moving average of the weights, buffers copied; None where `decay` is 0."""
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None
