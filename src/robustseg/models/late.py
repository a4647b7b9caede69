"""Late fusion: every modality is segmented on its own, and the predictions are averaged.

Shapes: B batch, M modalities, N encoded images, P present slots of a batch, C channels of a stage, K classes, h w a
stage's size, H W image size.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.models.fusion import Fused, pick, rows_to_fuse, spread
from robustseg.models.segmenter import Segmenter, check_present
from robustseg.models.upsampling import upsampled


class LateFusion(Segmenter):
    """One encoder and one decoder for every modality; the prediction is the mean of the present ones' probabilities.

    So a subset costs as many decodings as it has modalities.
    """

    def fuse(
        self,
        maps: list[Float[Tensor, "N _C _h _w"]],
        sample: Int64[Tensor, " N"],
        modality: Int64[Tensor, " N"],
        present: Bool[Tensor, "B M"],
    ) -> Fused:
        """Nothing is fused yet: each sample's maps, modality after modality along the channels, 0 where absent.

        Raises:
            ValueError: A sample has no modality, or one that is present was not encoded.
        """
        check_present(present, len(present), self.num_modalities)
        row, to = rows_to_fuse(sample, modality, present)
        slot, order = (to * self.num_modalities + modality[row]).sort()  # rows may come in any order
        row = row[order]
        return Fused([spread(pick(stage, row), slot, present).flatten(1, 2) for stage in maps], present)

    def decode(self, fused: Fused, size: tuple[int, int] | None = None) -> Float[Tensor, "B K H W"]:
        """Log-probabilities: of the mean of the present modalities' class probabilities, each decoded on its own.

        At `size` (height, width) they are upsampled bilinearly, as logits are, and are then no longer normalised.
        """
        sample, modality = fused.present.nonzero(as_tuple=True)
        apart = (self.num_modalities, -1)
        rows = [stage.unflatten(1, apart)[sample, modality] for stage in fused.maps]  # P C h w
        alone = F.one_hot(modality, self.num_modalities).bool()  # P M
        mean = log_mean_probabilities(self.decoder(Fused(rows, alone), None), fused.present)
        return mean if size is None else upsampled(mean, size)


def log_mean_probabilities(logits: Float[Tensor, "P K h w"], present: Bool[Tensor, "B M"]) -> Float[Tensor, "B K h w"]:
    """The log of each sample's mean softmax over its rows; finite whatever the logits.

    Args:
        logits: One row for each true entry of `present`, in their order.
        present: At least one in every sample.
    """
    slot = present.flatten().nonzero().squeeze(1).to(logits.device)
    each = logits.log_softmax(dim=1)
    if len(slot) < present.numel():
        each = each.new_full((present.numel(), *each.shape[1:]), -math.inf).index_copy(0, slot, each)
    count = present.sum(dim=1).to(each)
    return each.unflatten(0, present.shape).logsumexp(dim=1) - count.log()[:, None, None, None]
