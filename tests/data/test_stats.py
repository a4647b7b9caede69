"""Statistics against a naive loop; absent modalities, empty channels, ignored pixels."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from robustseg.data.sample import Sample
from robustseg.data.stats import class_frequency, data_statistics, measured
from robustseg.labels import LabelClass
from robustseg.modalities import Modality


@dataclass(frozen=True)
class FewFrames:
    """Frames kept in a list."""

    modalities: tuple[Modality, ...]
    classes: tuple[LabelClass, ...]
    samples: tuple[Sample, ...]

    @property
    def sequences(self) -> tuple[str, ...]:
        return tuple(sample.sequence for sample in self.samples)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


CLASSES = tuple(LabelClass(name, (0, 0, 0)) for name in ("road", "car", "sky"))


@pytest.fixture
def frames() -> FewFrames:
    """Seven frames of two sizes; the second modality has an empty channel, the third is never there."""
    draw = torch.Generator().manual_seed(0)
    samples = []
    for index in range(7):
        height = 4 + index % 2
        images = torch.randn(3, 3, height, 6, generator=draw) * 3 + 1e5
        images[1, 2] = 0
        images[2] = torch.nan
        labels = torch.tensor([0, 1, 255])[torch.randint(0, 3, (height, 6), generator=draw)]
        labels = labels if index else torch.zeros_like(labels)
        samples.append(Sample(images, labels, torch.tensor([True, index in (2, 5), False]), str(index)))
    return FewFrames((Modality("rgb"), Modality("event"), Modality("gone")), CLASSES, tuple(samples))


def test_moments_against_a_loop(frames: FewFrames) -> None:
    moments = data_statistics(frames).moments
    for place in (0, 1):
        for channel in range(3):
            seen = [s.images[place, channel].double().numpy().ravel() for s in frames.samples if s.present[place]]
            values = np.concatenate(seen)
            assert moments.mean[place, channel].item() == pytest.approx(values.mean(), rel=1e-12)
            assert moments.std[place, channel].item() == pytest.approx(values.std(), rel=1e-9, abs=1e-12)
    assert moments.frames.tolist() == [7, 2, 0]
    assert moments.std[1, 2] == 0
    assert moments.mean[2].tolist() == moments.std[2].tolist() == [0, 0, 0]


def test_classes_against_a_loop(frames: FewFrames) -> None:
    counts = data_statistics(frames).classes
    for train_id in range(3):
        assert counts.pixels[train_id] == sum(int((s.labels == train_id).sum()) for s in frames.samples)
        assert counts.frames[train_id] == sum(bool((s.labels == train_id).any()) for s in frames.samples)
    assert counts.ignored == sum(int((s.labels == 255).sum()) for s in frames.samples)
    assert counts.frequency.sum() == pytest.approx(1)
    assert counts.frequency[2] == 0
    assert 0 < counts.ignored_share < 1


def test_frequency_alone(frames: FewFrames) -> None:
    labels = torch.cat([frames.samples[place].labels.flatten() for place in (0, 2, 4)])
    expected = [((labels == train_id).sum() / (labels != 255).sum()).item() for train_id in range(3)]
    assert class_frequency(frames, limit=3) == pytest.approx(expected, rel=1e-5)
    assert class_frequency(frames) == pytest.approx(data_statistics(frames).classes.frequency.tolist(), rel=1e-5)
    assert class_frequency(FewFrames(frames.modalities, CLASSES, ())) == ()


def test_limit_and_progress(frames: FewFrames) -> None:
    seen = []
    statistics = data_statistics(frames, limit=3, progress=lambda places: (seen.append(p) or p for p in places))
    assert seen == [0, 2, 4]
    assert statistics.frames == 3
    assert statistics.moments.frames.tolist() == [3, 1, 0]


def test_measured_fills_in_what_is_unknown(frames: FewFrames) -> None:
    known = Modality("rgb", mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    gone = Modality("gone", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    rgb, event, _ = measured((known, Modality("event"), gone), frames)
    assert rgb == known
    assert event.mean is not None
    assert event.std is not None
    assert event.mean[0] == pytest.approx(1e5, rel=1e-3)
    assert (event.mean[2], event.std[2]) == (0, 1)


def test_measured_names_a_modality_that_is_never_there(frames: FewFrames) -> None:
    with pytest.raises(ValueError, match="'gone' cannot be measured"):
        measured(frames.modalities, frames)


def test_measured_reads_nothing_if_all_is_known() -> None:
    known = Modality("rgb", mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    assert measured((known,), FewFrames((known,), CLASSES, ())) == (known,)


def test_nothing_at_all_divides_by_nothing() -> None:
    statistics = data_statistics(FewFrames((Modality("rgb"),), CLASSES, ()))
    assert statistics.classes.frequency.tolist() == [0, 0, 0]
    assert statistics.classes.ignored_share == 0
    assert statistics.moments.std.tolist() == [[0, 0, 0]]
