"""Your own encoder, distilled with our losses: a small convolutional one behind encode, fuse and decode.

A teacher learns from all sensors of a few frames of the built-in world, then a student from random ones and from it.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from robustseg.data.sample import collate
from robustseg.data.world import WorldFrames
from robustseg.distill import Objective, draw_permutation, ohem_cross_entropy
from robustseg.failures import all_subsets, draw_present, subset_name
from robustseg.metrics import count, mean_iou
from robustseg.models.decoder import Decoder
from robustseg.models.segmenter import Segmenter
from robustseg.normalisation import normalise
from robustseg.recipe import Distill

WIDTHS, STEPS = (16, 24, 32, 48), 60


class ConvEncoder(nn.Module):
    """One strided convolution per stage for all modalities, and a vector that tells them apart."""

    def __init__(self, num_modalities: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTHS[0], 7, stride=4, padding=3)
        self.identity = nn.Embedding(num_modalities, WIDTHS[0])
        self.stages = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(WIDTHS))
        self.norms = nn.ModuleList(nn.GroupNorm(1, width) for width in WIDTHS)  # of each image on its own

    def forward(self, images: Tensor, modality: Tensor) -> list[Tensor]:
        """From normalised images "N 3 H W" and their modality "N" to four maps "N C h w", at strides 4, 8, 16, 32."""
        maps = [self.norms[0](self.stem(images) + self.identity(modality)[..., None, None])]
        for stage, norm in zip(self.stages, self.norms[1:], strict=True):
            maps.append(norm(stage(maps[-1].relu())))
        return maps


def network(seed: int) -> tuple[Segmenter, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = Segmenter(ConvEncoder(M), Decoder(WIDTHS, K, width=32), num_modalities=M)
    return model, torch.optim.AdamW(model.parameters(), 5e-3)


def learn(optimiser: torch.optim.Optimizer, loss: Tensor) -> float:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


frames = WorldFrames("train", 8, 0, size=(48, 64))
batch = collate([frames[index] for index in range(len(frames))], range(len(frames)))
images, labels, available = normalise(batch.images, frames.modalities), batch.labels, batch.present
M, K = len(frames.modalities), len(frames.classes)

teacher, optimiser = network(seed=0)
for _ in range(STEPS):
    learn(optimiser, ohem_cross_entropy(teacher.coarse(images, available).logits, labels))
with torch.no_grad():
    taught = teacher.eval().coarse(images, available)  # of every batch anew, where there are several

(student, optimiser), objective, totals = network(seed=1), Objective(Distill(), K), []
generator = torch.Generator().manual_seed(0)
for _ in range(STEPS):
    present = draw_present(available, generator)  # modality dropout, each sample's own
    order = draw_permutation(present, available, generator)  # which modality teaches which
    answer = student.coarse(images, present)
    losses = objective(student=answer, teacher=taught, labels=labels, present=present, permutation=order)
    totals.append(learn(optimiser, objective.total(losses)))
print(f"the student's loss: {sum(totals[:5]) / 5:.2f} in the first five steps, {sum(totals[-5:]) / 5:.2f} in the last")

student.eval()
for subset in all_subsets(M):
    present = subset.expand(len(images), M)
    seen = images.masked_fill(~present[..., None, None, None], torch.nan)  # what is absent is never read
    score = mean_iou(count(student.labels(seen, present), labels, K).sum(dim=0), "skip")
    print(f"{score:5.1f} % mIoU, on the frames it learned from, with {subset_name(subset, frames.modalities)}")
