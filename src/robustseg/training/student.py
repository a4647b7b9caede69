"""The second stage: random sensors, taught by the frozen teacher that sees all of them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from robustseg.distill.objective import Objective
from robustseg.models.segmenter import Segmenter
from robustseg.training.batches import TrainingBatch
from robustseg.training.frozen import FrozenTeacher
from robustseg.training.losses import Losses


class StudentStep(nn.Module):
    """Named, unweighted losses of one batch: cross-entropy, logit KL, HPDM and RRM, as far as they have a weight."""

    def __init__(self, model: Segmenter, teacher: FrozenTeacher, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.teacher = teacher
        self.objective = objective

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each loss in the sum that is minimised."""
        return self.objective.weights

    def forward(self, images: Float[Tensor, "B M 3 H W"], batch: TrainingBatch, step_seed: int) -> Losses:
        """`images` normalised; the losses' noise is drawn from `step_seed`."""
        generator = torch.Generator(device=images.device).manual_seed(step_seed)
        teacher = self.teacher(images, batch.present)
        student = self.model.answers(images, batch.drawn)
        losses = self.objective(
            student=student,
            teacher=teacher,
            labels=batch.labels,
            present=batch.drawn.any(dim=1),
            teacher_present=batch.present,
            permutation=batch.permutation,
            generator=generator,
        )
        return Losses(losses)
