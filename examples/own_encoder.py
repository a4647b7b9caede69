"""Your own encoder in the same three calls: anything that gives four maps per image can be fused and decoded."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from robustseg.models.decoder import Decoder
from robustseg.models.segmenter import Segmenter

WIDTHS = (16, 24, 32, 48)


class PerModalityStem(nn.Module):
    """A small convolutional encoder whose first layer belongs to the modality; the rest is shared."""

    def __init__(self, num_modalities: int) -> None:
        super().__init__()
        self.stems = nn.ModuleList(nn.Conv2d(3, WIDTHS[0], 7, 4, 3) for _ in range(num_modalities))
        self.stages = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(WIDTHS))

    def forward(self, images: Tensor, modality: Tensor) -> list[Tensor]:
        """From images "N 3 H W" and their modality "N" to four maps "N C h w"."""
        order = modality.argsort()  # one run of the stem per modality that is there
        stemmed = [self.stems[m](images[modality == m]) for m in modality.unique().tolist()]
        maps = [torch.cat(stemmed)[order.argsort()]]
        for stage in self.stages:
            maps.append(stage(maps[-1].relu()))
        return maps


torch.manual_seed(0)
model = Segmenter(PerModalityStem(3), Decoder(WIDTHS, 5, width=32), num_modalities=3).eval()
images = torch.randn(2, 3, 3, 64, 96)
present = torch.tensor([[True, True, True], [False, True, False]])
logits = model(images, present).logits
print(tuple(logits.shape))

images[~present] = torch.nan  # what is absent is never read
assert torch.equal(model(images, present).logits, logits)
