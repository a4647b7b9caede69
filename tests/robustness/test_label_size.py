"""Labels of a size of their own are scored at that size, with the logits brought to it."""

from dataclasses import replace

import torch
import torch.nn.functional as F

from robustseg.failures import all_subsets
from robustseg.normalisation import normalise
from robustseg.robustness import evaluate
from robustseg.robustness.evaluate import batches


class LargerLabels:
    """Frames whose labels are larger than their images, in two sizes."""

    def __init__(self, frames):
        self.frames = frames
        self.modalities, self.classes, self.sequences = frames.modalities, frames.classes, frames.sequences

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, index):
        sample = self.frames[index]
        labels = F.pad(sample.labels, (0, 5, 0, 3 + 2 * (index % 2)), value=1)
        return replace(sample, labels=labels)


def test_logits_are_brought_to_the_labels(toy_frames, toy_model):
    frames = LargerLabels(toy_frames(number=3))
    result = evaluate(toy_model, frames, batch_size=2)
    rows = all_subsets(3).tolist()
    for place in range(3):
        sample = frames[place]
        images = normalise(sample.images, frames.modalities)[None]
        for row, subset in enumerate(rows):
            present = sample.present & torch.tensor(subset)
            if not present.any():
                assert result.counts[place, row].sum() == 0
                continue
            with torch.inference_mode():
                encoded = toy_model.encode_batch(images, present[None])
                fused = toy_model.fuse(encoded.maps, encoded.sample, encoded.modality, present[None])
                logits = toy_model.decode(fused, tuple(sample.labels.shape))
            predicted = logits[0].argmax(dim=0)
            for value in range(4):
                of, said = (sample.labels == value), (predicted == value) & (sample.labels != 255)
                expected = [(of & said).sum(), (said & ~of).sum(), (of & ~said).sum()]
                assert result.counts[place, row, value].tolist() == [int(number) for number in expected]


def test_a_batch_ends_where_the_labels_size_changes(toy_frames):
    assert [len(batch.names) for batch in batches(LargerLabels(toy_frames(number=3)), 2)] == [1, 1, 1]
