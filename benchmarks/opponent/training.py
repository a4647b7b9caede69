"""A student's step as the released script takes it.

Shapes: B batch, M modalities, H W size.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.optim import AdamW

from opponent.losses import WEIGHTS, Noise, released_losses
from opponent.network import Network, Places


class Student:
    """A network that learns from the labels and a frozen teacher.

    Args:
        model: The student.
        teacher: The same network with its own weights.
        lr: Of AdamW.
    """

    def __init__(self, model: Network, teacher: Network, *, lr: float) -> None:
        self.model = model.train()
        self.teacher = teacher.eval()
        self.optimizer = adamw(model, lr)

    def step(
        self, images: Float[Tensor, "B M 3 H W"], labels: Int64[Tensor, "B H W"], places: Places, noise: Noise
    ) -> dict[str, Tensor]:
        """One step of the optimiser; the unweighted losses that it was taken on."""
        with torch.no_grad():
            teacher = self.teacher(images, [range(images.shape[1])] * len(images))
        losses = released_losses(self.model(images, places), teacher, labels, places, noise)
        total = torch.stack([weight * losses[name] for name, weight in WEIGHTS.items()]).sum()
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        return {name: loss.detach() for name, loss in losses.items()}


def adamw(model: Network, lr: float) -> AdamW:
    """Parameter by parameter; no decay for those with one dimension."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=lr, foreach=False, fused=False)
