from dataclasses import dataclass, replace

import pytest
import torch
import torch.nn.functional as F

from robustseg.data.sample import Sample
from robustseg.failures import all_subsets, few_subsets
from robustseg.normalisation import normalise
from robustseg.robustness.temperature import (
    TRIED,
    best_temperatures,
    fit_temperatures,
    labelled_pixels,
    likelihood_losses,
    tried_temperatures,
)


def lowest(loss, low: float = 0.1, high: float = 10.0) -> float:
    """The minimum of a function with one valley, by ternary search."""
    for _ in range(100):
        one, two = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, two) if loss(one) < loss(two) else (one, high)
    return low


def test_temperatures_against_a_search_over_all_logits(toy_model, toy_frames) -> None:
    frames = toy_frames()
    found = fit_temperatures(toy_model, frames, all_subsets(3), pixels=10**6)
    collected = {size: [] for size in (1, 2, 3)}
    for place in range(len(frames)):
        sample = frames[place]
        for subset in all_subsets(3):
            if bool((subset & ~sample.present).any()):
                continue
            with torch.inference_mode():
                logits = toy_model(normalise(sample.images[None], frames.modalities), subset[None]).logits[0]
            valid = sample.labels != 255
            collected[int(subset.sum())].append((logits[:, valid].T.double(), sample.labels[valid]))
    for size, parts in collected.items():
        logits, labels = (torch.cat(column) for column in zip(*parts, strict=True))
        best = lowest(lambda t, z=logits, y=labels: F.cross_entropy(z / t, y).item())
        assert found[size - 1] == pytest.approx(best, rel=0.01)


def test_losses_are_cross_entropies() -> None:
    logits = 30 * torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 6
    expected = [F.cross_entropy(logits.double() / t, labels, reduction="sum") for t in tried_temperatures()]
    torch.testing.assert_close(likelihood_losses(logits, labels), torch.stack(expected), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("true", [0.3, 0.8, 1.0, 1.7, 6.0])
def test_labels_drawn_at_a_temperature_give_it_back(true: float) -> None:
    draw = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(20000, 5, generator=draw)
    labels = torch.multinomial((logits / true).softmax(dim=1), 1, generator=draw).squeeze(1)
    (found,) = best_temperatures(likelihood_losses(logits, labels)[None], torch.tensor([20000]))
    assert found == pytest.approx(true, rel=0.05)
    best = lowest(lambda t: F.cross_entropy(logits / t, labels).item())
    assert found == pytest.approx(best, rel=0.003)


def test_extremes_stay_in_bounds_and_unseen_sizes_lie_between() -> None:
    log = tried_temperatures().log()
    losses = torch.stack([-log, (log - 0.5) ** 2, torch.zeros(TRIED), (log - 1.5) ** 2, log])
    seen = torch.tensor([9, 9, 0, 9, 9])
    found = best_temperatures(losses, seen)
    assert (found[0], found[4]) == (10.0, 0.1)
    assert found[1:4] == pytest.approx([torch.e**0.5, torch.e, torch.e**1.5], abs=1e-3)
    assert best_temperatures(losses, torch.tensor([0, 9, 0, 0, 0])) == pytest.approx((torch.e**0.5,) * 5, abs=1e-3)


def test_it_is_a_function_of_frames_and_weights_alone(toy_model, toy_frames) -> None:
    frames = toy_frames()
    torch.manual_seed(1)
    first = fit_temperatures(toy_model, frames, all_subsets(3), pixels=50)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert fit_temperatures(toy_model, frames, all_subsets(3), pixels=50) == first
    torch.manual_seed(1)
    assert torch.get_rng_state().equal(state)
    assert fit_temperatures(toy_model, frames, all_subsets(3), pixels=60) != first


def test_few_frames_few_subsets_and_the_models_mode(toy_model, toy_frames) -> None:
    done = []
    toy_model.train()
    try:
        found = fit_temperatures(
            toy_model, toy_frames(), few_subsets(3), limit=3, progress=lambda *both: done.append(both)
        )
        assert toy_model.training
    finally:
        toy_model.eval()
    assert len(found) == 3
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_pixels_are_drawn_among_the_labelled() -> None:
    labels = torch.full((20, 30), 255)
    labels[3:5] = 1
    assert labelled_pixels(labels, 60, 0).tolist() == list(range(90, 150))
    drawn = labelled_pixels(labels, 10, 4)
    assert len(set(drawn.tolist())) == 10
    assert (labels.flatten()[drawn] == 1).all()
    assert drawn.equal(labelled_pixels(labels, 10, 4))
    assert not drawn.equal(labelled_pixels(labels, 10, 5))


def test_small_images_and_labels_of_another_size(toy_model, toy_frames) -> None:
    frames = toy_frames(number=2, size=(24, 64), odd_sizes={1: (40, 10)})
    assert len(fit_temperatures(toy_model, frames, all_subsets(3))) == 3
    assert len(fit_temperatures(toy_model, LargerLabels(frames), all_subsets(3))) == 3


@dataclass(frozen=True)
class LargerLabels:
    """Frames whose labels have a size of their own; the first has no sensor left."""

    frames: object

    def __getattr__(self, name: str):
        return getattr(self.frames, name)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        sample = self.frames[index]
        labels = sample.labels.repeat_interleave(2, 0).repeat_interleave(2, 1)
        return replace(sample, labels=labels, present=sample.present & (index > 0))


def test_nothing_to_fit_on_is_said(toy_model, toy_frames) -> None:
    with pytest.raises(ValueError, match="labelled pixel"):
        fit_temperatures(toy_model, toy_frames(labelled=False), all_subsets(3))
    with pytest.raises(ValueError, match="not finite"):
        best_temperatures(torch.full((1, TRIED), torch.nan).double(), torch.tensor([1]))


def test_images_are_normalised_as_in_the_models_training(toy_model, toy_frames) -> None:
    frames = toy_frames()
    expected = fit_temperatures(toy_model, frames, all_subsets(3))
    elsewhere = tuple(replace(entry, mean=(500.0,) * 3, std=(1.0,) * 3) for entry in frames.modalities)
    unmeasured = tuple(replace(entry, mean=None, std=None) for entry in frames.modalities)
    for modalities in (elsewhere, unmeasured):
        assert fit_temperatures(toy_model, toy_frames(modalities=modalities), all_subsets(3)) == expected
