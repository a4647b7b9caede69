"""The first stage: every sensor a frame has, supervised loss only."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from robustseg.distill import ohem_cross_entropy
from robustseg.models.segmenter import Segmenter
from robustseg.recipe import Distill
from robustseg.training.batches import TrainingBatch
from robustseg.training.losses import Losses


class TeacherStep(nn.Module):
    """Named, unweighted losses of one batch; a module, so that data parallelism wraps them with the model.

    Letters: B batch, M modalities, K classes, H W size.
    """

    def __init__(self, model: Segmenter, distill: Distill, class_weights: Float[Tensor, " K"] | None = None) -> None:
        super().__init__()
        self.model = model
        self.besides = nn.ModuleList()
        self.threshold = distill.ohem_threshold
        self.min_kept = distill.ohem_min_kept
        self.class_weights = class_weights

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each loss in the sum that is minimised."""
        return {"cross_entropy": 1.0}

    def forward(self, images: Float[Tensor, "B M 3 H W"], batch: TrainingBatch, step_seed: int) -> Losses:
        """`images` normalised; `step_seed` unused, the teacher draws nothing."""
        output = self.model.coarse(images, batch.present)
        loss = ohem_cross_entropy(
            output.logits,
            batch.labels,
            threshold=self.threshold,
            min_kept=self.min_kept,
            class_weights=self.class_weights,
        )
        return Losses({"cross_entropy": loss})
