"""What a student minimises: the weighted sum of the losses, and how much each of them pulls.

Shapes: B batch, M modalities, C channels of a stage, K classes, h w a stage's size, H W image size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.distill.anyseg import crossmodal, unimodal
from robustseg.distill.cross_entropy import ohem_cross_entropy
from robustseg.distill.entropy import feature_entropy
from robustseg.distill.ifv import ifv
from robustseg.distill.inputs import Maps
from robustseg.distill.logits import logit_kl
from robustseg.distill.prototypes import Matching, hpdm
from robustseg.distill.representation import rrm
from robustseg.recipe import LOSSES, NEED_TEACHER, Distill

OF_MAPS = ("hpdm", "rrm", "umd", "cmd", "ifv", "consistency", "entropy_features", "prediction")
"""The losses that read the maps of single modalities."""

COMPARED = ("hpdm", "rrm", "umd", "cmd", "ifv")
"""Those that compare the student's with the teacher's."""


@runtime_checkable
class Prediction(Protocol):
    """What the losses read of a model's output."""

    @property
    def logits(self) -> Float[Tensor, "_DB K _h _w"]:
        """Before softmax, at the labels' size or coarser: losses upsample them bilinearly. D answers to each sample."""
        ...

    @property
    def maps(self) -> Maps:
        """The unfused maps of every stage."""
        ...


@dataclass(frozen=True)
class Objective:
    """The losses of a recipe, as far as they are of predictions and maps; a term of weight 0 is not computed.

    Those that take the images or the network as well are computed where these are known, see
    `robustseg.training.student`.

    Attributes:
        distill: Weights and forms.
        num_classes: K.
        class_weights: Of the cross-entropy; None = all the same.
    """

    distill: Distill
    num_classes: int
    class_weights: Float[Tensor, " K"] | None = None

    def __post_init__(self) -> None:
        negative = {name: weight for name, weight in self._all_weights().items() if not weight >= 0}
        if negative:
            raise ValueError(f"weights of losses must be 0 or more, got {negative}")
        if not self.weights:
            raise ValueError("every loss has weight 0, so the student would learn nothing")

    @property
    def weights(self) -> dict[str, float]:
        """Loss name -> weight, of the losses that have one."""
        return {name: weight for name, weight in self._all_weights().items() if weight > 0}

    @property
    def needs_teacher(self) -> bool:
        """Whether there is a loss that needs a teacher."""
        return not self.weights.keys().isdisjoint(NEED_TEACHER)

    @property
    def supervision(self) -> dict[str, Any]:
        """How every cross-entropy chooses and weighs pixels: arguments of `ohem_cross_entropy`."""
        return {
            "threshold": self.distill.ohem_threshold,
            "min_kept": self.distill.ohem_min_kept,
            "class_weights": self.class_weights,
        }

    def __call__(
        self,
        *,
        student: Prediction,
        teacher: Prediction | None,
        labels: Int64[Tensor, "B H W"],
        present: Bool[Tensor, "B M"],
        teacher_present: Bool[Tensor, "B M"] | None = None,
        permutation: Int64[Tensor, "B M"] | None = None,
        generator: torch.Generator | None = None,
        target: Float[Tensor, "_DB K _h _w"] | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """Loss name -> unweighted loss.

        Args:
            student: Of the images in `present`; where it gives D answers to each sample, those to every sample's first
                subset come first, and losses of logits are means over all.
            teacher: Of the images in `teacher_present`; detached by every loss. None where no loss needs one.
            labels: Train ids; 255 is ignored.
            present: The student's modalities.
            teacher_present: The teacher's; None = all.
            permutation: See `hpdm`; not used where the recipe is not `hybrid`.
            generator: Of the noise of the released RRM.
            target: Logits that teach the D*B answers one by one; None = the teacher's, where D is 1.

        Raises:
            ValueError: There is no teacher, but a loss that needs one.
        """
        recipe = self.distill
        if teacher is None and self.needs_teacher:
            raise ValueError(f"{', '.join(name for name in NEED_TEACHER if name in self.weights)}: there is no teacher")
        read_maps = not self.weights.keys().isdisjoint(COMPARED)  # spread out for these alone
        maps = {"student": student.maps, "teacher": teacher.maps} if teacher is not None and read_maps else {}
        if target is None and teacher is not None:
            target = teacher.logits
        masks = {"present": present, "teacher_present": teacher_present}
        classes = {"labels": labels, "num_classes": self.num_classes}
        answers = student.logits.split(max(len(labels), 1))  # B K h w each; no answer hides what is hard in another
        terms: dict[str, Callable[[], Tensor]] = {
            "cross_entropy": lambda: torch.stack(
                [ohem_cross_entropy(answer, labels, **self.supervision) for answer in answers]
            ).mean(),
            "logit_kl": lambda: logit_kl(
                student=student.logits,
                teacher=cast(Tensor, target),
                size=(labels.shape[1], labels.shape[2]),
            ),
            "hpdm": lambda: hpdm(
                **maps,
                **masks,
                **classes,
                permutation=permutation if recipe.hybrid else None,
                form=recipe.hpdm_form,
                matching=Matching(recipe.hpdm_axis, recipe.hpdm_printed_order, recipe.hpdm_temperature),
            ),
            "rrm": lambda: rrm(**maps, **masks, form=recipe.rrm_form, generator=generator),
            "umd": lambda: unimodal(**maps, **masks),
            "cmd": lambda: crossmodal(**maps, **masks),
            "ifv": lambda: ifv(**maps, **masks, **classes, of=recipe.ifv_of),
            "entropy_features": lambda: feature_entropy(student.maps, present),
        }
        return {name: terms[name]() for name in self.weights if name in terms}

    def total(self, losses: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """The weighted sum."""
        return torch.stack([weight * losses[name] for name, weight in self.weights.items()]).sum()

    def _all_weights(self) -> dict[str, float]:
        return {name: getattr(self.distill, name) for name in LOSSES}


def gradient_shares(
    losses: Mapping[str, Tensor], weights: Mapping[str, float], parameters: Sequence[Tensor]
) -> dict[str, float]:
    """Each weighted loss's gradient norm as a share of the sum of these norms; all 0 where no loss has a gradient.

    Costs one backward pass per loss and keeps the graph; meant for rows of a log, not for every step.
    """
    norms = {name: abs(weight) * _gradient_norm(losses[name], parameters) for name, weight in weights.items()}
    total = sum(norms.values())
    return {name: norm / total if total else 0.0 for name, norm in norms.items()}


def _gradient_norm(loss: Tensor, parameters: Sequence[Tensor]) -> float:
    if not loss.requires_grad:
        return 0.0
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    norms = [gradient.float().norm() for gradient in gradients if gradient is not None]
    return float(torch.stack(norms).norm()) if norms else 0.0
