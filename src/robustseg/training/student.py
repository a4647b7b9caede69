"""The second stage: random sensors, taught by the frozen teacher that sees all of them, or by labels alone.

Shapes: B batch, D subsets of each sample's modalities that are answered for, M modalities, K classes, H W image size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from robustseg.distill import Predictors, better_half, consistency, input_entropy, prediction
from robustseg.distill.objective import Objective
from robustseg.models.inference import twice_differentiable
from robustseg.models.segmenter import Output, Segmenter
from robustseg.training.batches import TrainingBatch
from robustseg.training.frozen import FrozenTeacher
from robustseg.training.losses import Losses
from robustseg.training.targets import superset_logits


class StudentStep(nn.Module):
    """Named, unweighted losses of one batch, those that have a weight.

    Args:
        model: The student.
        teacher: Its teacher; None where no loss needs one.
        objective: Which losses, in which form.
        predictors: What the loss "prediction" trains along with the student; others need none.
    """

    def __init__(
        self,
        model: Segmenter,
        teacher: FrozenTeacher | None,
        objective: Objective,
        predictors: Predictors | None = None,
    ) -> None:
        super().__init__()
        if teacher is None and objective.needs_teacher:
            raise ValueError("the student has losses that need a teacher, and no teacher")
        self.model = model
        self.besides: nn.Module = nn.ModuleList() if predictors is None else predictors
        self.teacher = teacher
        self.objective = objective

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each loss in the sum that is minimised."""
        return self.objective.weights

    def forward(self, images: Float[Tensor, "B M 3 H W"], batch: TrainingBatch, step_seed: int) -> Losses:
        """`images` normalised; the losses' noise is drawn from `step_seed`."""
        generator = torch.Generator(device=images.device).manual_seed(step_seed)
        twice = "entropy_inputs" in self.weights
        images = images.detach().requires_grad_(twice)
        teacher = self.teacher(images, batch.present) if self.teacher else None
        with twice_differentiable() if twice else nullcontext():
            student, halves = self._answers(images, batch)
            further = self._further(images, batch, student, teacher, halves)
        losses = self.objective(
            student=student,
            teacher=teacher,
            labels=batch.labels,
            present=batch.drawn.any(dim=1),
            teacher_present=batch.present,
            permutation=batch.permutation,
            generator=generator,
            target=self._target(batch, teacher),
        )
        return Losses({name: (losses | further)[name] for name in self.weights})

    def _answers(
        self, images: Float[Tensor, "B M 3 H W"], batch: TrainingBatch
    ) -> tuple[Output, Float[Tensor, "_DB K _h _w"] | None]:
        """The student's answers and, for consistency, the logits from the better half of each of their subsets.

        All are decoded together: the statistics of BatchNorm move once a step.
        """
        if "consistency" not in self.weights:
            return self.model.answers(images, batch.drawn), None
        encoded = self.model.encode_batch(images, batch.drawn.any(dim=1))
        halves = [
            better_half(encoded.maps, encoded.sample, encoded.modality, subset) for subset in batch.drawn.unbind(1)
        ]
        both = self.model.answers_from(encoded, torch.cat([batch.drawn, torch.stack(halves, dim=1)], dim=1))
        whole, half = both.logits.chunk(2)
        return Output(whole, [stage.chunk(2)[0] for stage in both.features], encoded), half

    def _target(self, batch: TrainingBatch, teacher: Output | None) -> Float[Tensor, "_DB K _h _w"] | None:
        """What the logits are taught, answer by answer; None where nothing teaches them."""
        if self.teacher is None or teacher is None or "logit_kl" not in self.weights:
            return None
        match self.objective.distill.target:
            case "superset":
                return superset_logits(self.teacher, teacher, labels=batch.labels, subsets=batch.drawn)
            case "everything":
                answers = batch.drawn.shape[1]
                return teacher.logits if answers == 1 else teacher.logits.repeat(answers, 1, 1, 1)

    def _further(
        self,
        images: Float[Tensor, "B M 3 H W"],
        batch: TrainingBatch,
        student: Output,
        teacher: Output | None,
        halves: Float[Tensor, "_DB K _h _w"] | None,
    ) -> dict[str, Tensor]:
        """The losses that take more than two answers: the images, the network, or what is trained besides it."""
        subsets = batch.drawn.unbind(1)
        terms: dict[str, Callable[[], Tensor]] = {
            "consistency": lambda: _mean(
                consistency(part=part, whole=whole, labels=batch.labels, **self.objective.supervision)
                for part, whole in zip(
                    cast(Tensor, halves).chunk(len(subsets)), student.logits.chunk(len(subsets)), strict=True
                )
            ),
            "entropy_inputs": lambda: _mean(
                input_entropy(logits, batch.labels, images, subset)
                for logits, subset in zip(student.logits.chunk(len(subsets)), subsets, strict=True)
            ),
            "prediction": lambda: _mean(
                prediction(
                    cast(Predictors, self.besides),
                    fused=fused,
                    teacher=cast(Output, teacher).maps,
                    present=subset,
                    teacher_present=batch.present,
                )
                for *fused, subset in zip(*(m.chunk(len(subsets)) for m in student.features), subsets, strict=True)
            ),
        }
        return {name: terms[name]() for name in self.weights if name in terms}


def _mean(losses: Iterable[Tensor]) -> Float[Tensor, ""]:
    """Over the answers to a batch."""
    return torch.stack(list(losses)).mean()
