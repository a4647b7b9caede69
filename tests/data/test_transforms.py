"""Transforms against naive numpy loops; identity, padding, absence, seeds."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from robustseg.data.sample import Sample
from robustseg.data.transforms import augment, blur, jitter, sample_generator, span, turned
from robustseg.failures import hit_at_random
from robustseg.modalities import Modality
from robustseg.recipe import Transforms

RGB = Modality("rgb", photometric=True, missing=7.0)
LIDAR = Modality("lidar", resample="nearest", missing=-1.0)
DEPTH = Modality("depth", missing=0.5)
MODALITIES = (RGB, LIDAR, DEPTH)
NOTHING = Transforms(flip=0.0, scale=(1.0, 1.0), jitter=0.0, blur=0.0)


def make_sample(height: int = 10, width: int = 14, *, modalities: int = 3) -> Sample:
    draw = torch.Generator().manual_seed(0)
    return Sample(
        images=torch.rand(modalities, 3, height, width, generator=draw) * 255,
        labels=torch.randint(0, 5, (height, width), generator=draw),
        present=torch.ones(modalities, dtype=torch.bool),
        name="frame",
        tags={"weather": "fog"},
    )


def apply(sample: Sample, transforms: Transforms, size: tuple[int, int], seed: int = 0) -> Sample:
    generator = torch.Generator().manual_seed(seed)
    return augment(sample, transforms, size=size, modalities=MODALITIES, generator=generator)


def test_identity_settings_give_the_identical_sample() -> None:
    sample = make_sample()
    same = apply(sample, NOTHING, (10, 14))
    assert torch.equal(same.images, sample.images)
    assert torch.equal(same.labels, sample.labels)
    assert (same.name, same.tags) == ("frame", {"weather": "fog"})
    assert torch.equal(same.present, sample.present)


def test_flip_moves_everything_alike() -> None:
    sample = make_sample()
    flipped = apply(sample, Transforms(flip=1.0, scale=(1.0, 1.0), jitter=0.0, blur=0.0), (10, 14))
    assert torch.equal(flipped.images, sample.images.flip(-1))
    assert torch.equal(flipped.labels, sample.labels.flip(-1))


def naive_axis(length: int, crop: int, scale: float, start: float) -> list[tuple[float, int, int] | None]:
    """Source coordinate of each pixel with the first and last pixel that may be read, or None outside the frame."""
    wanted = max(1, round(crop / scale))
    if wanted <= length:
        first = list(range(length - wanted + 1))[int(start * (length - wanted + 1))]
        return [(first + (pixel + 0.5) * wanted / crop - 0.5, first, first + wanted - 1) for pixel in range(crop)]
    covered = round(crop * length / wanted)
    first = list(range(crop - covered + 1))[int(start * (crop - covered + 1))]
    inside = [((pixel + 0.5) * length / covered - 0.5, 0, length - 1) for pixel in range(covered)]
    return [None] * first + inside + [None] * (crop - covered - first)


def naive_nearest(image: np.ndarray, row: tuple[float, int, int], column: tuple[float, int, int]) -> set[float]:
    """The nearest pixel's value, of both neighbours halfway between two."""
    nudges = (-1e-6, 1e-6)
    return {image[int(row[0] + 0.5 + a), int(column[0] + 0.5 + b)].item() for a in nudges for b in nudges}


def naive_linear(image: np.ndarray, row: tuple[float, int, int], column: tuple[float, int, int]) -> float:
    (y, first_row, last_row), (x, first_column, last_column) = row, column
    y, x = min(max(y, first_row), last_row), min(max(x, first_column), last_column)
    top, left = int(y), int(x)
    down, right = min(top + 1, last_row), min(left + 1, last_column)
    a, b = y - top, x - left
    upper = (1 - b) * image[top, left] + b * image[top, right]
    return (1 - a) * upper + a * ((1 - b) * image[down, left] + b * image[down, right])


@pytest.mark.parametrize("scale", [0.5, 0.73, 1.0, 1.37, 2.0])
@pytest.mark.parametrize("size", [(10, 14), (6, 20), (16, 5)])
@pytest.mark.parametrize("seed", [1, 2])
def test_scale_crop_and_padding_against_a_loop(scale: float, size: tuple[int, int], seed: int) -> None:
    sample = make_sample()
    result = apply(sample, Transforms(flip=0.5, scale=(scale, scale), jitter=0.0, blur=0.0), size, seed)
    flip, _, top, left = torch.rand(4, generator=torch.Generator().manual_seed(seed)).tolist()
    rows, columns = naive_axis(10, size[0], scale, top), naive_axis(14, size[1], scale, left)
    if flip < 0.5:  # what is inside is reversed where it lies
        inside = [column for column in columns if column]
        columns = [column and inside.pop() for column in columns]
    assert result.images.shape == (3, 3, *size)
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            if row is None or column is None:
                assert result.labels[y, x] == 255
                assert (result.images[:, :, y, x] == torch.tensor([[7.0], [-1.0], [0.5]])).all()
                continue
            assert result.labels[y, x].item() in naive_nearest(sample.labels.numpy(), row, column)
            images, found = sample.images[:, 0].numpy(), result.images[:, 0, y, x].tolist()
            assert found[1] in naive_nearest(images[1], row, column)
            for place in (0, 2):
                assert found[place] == pytest.approx(naive_linear(images[place], row, column), abs=1e-3)


ANGLE = Modality("angle", mirror=(1.0, -1.0, 1.0), photometric=True)


def plain_jitter(image: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    brightness, contrast, saturation = factors
    bright = image * brightness
    grey = torch.einsum("pchw,c->phw", bright[None], torch.tensor([0.299, 0.587, 0.114]))[0]
    middle = grey.mean()
    contrasted, grey = middle + (bright - middle) * contrast, middle + (grey - middle) * contrast
    changed = grey + (contrasted - grey) * saturation
    return changed.clamp(image.min().clamp(max=0), image.max().clamp(min=255))


def plain_blur(image: torch.Tensor) -> torch.Tensor:
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 16


def plain_augment(sample: Sample, transforms: Transforms, size: tuple[int, int], modalities, generator) -> Sample:
    """One step after the other, each on whole images of its own."""
    flip, scale, top, left = torch.rand(4, generator=generator).tolist()
    scale = transforms.scale[0] + scale * (transforms.scale[1] - transforms.scale[0])
    spans = zip(sample.labels.shape, size, (top, left), strict=True)
    rows, columns = (span(length, crop, scale=scale, start=start) for length, crop, start in spans)
    part = columns.target.stop - columns.target.start, rows.target.stop - rows.target.start
    images = []
    for image, modality in zip(sample.images, modalities, strict=True):
        method = cv2.INTER_NEAREST_EXACT if modality.resample == "nearest" else cv2.INTER_LINEAR
        planes = [cv2.resize(plane[rows.source, columns.source].numpy(), part, interpolation=method) for plane in image]
        images.append(torch.from_numpy(np.stack(planes)))
    labels = sample.labels[rows.source, columns.source].to(torch.uint8).numpy()
    labels = torch.from_numpy(cv2.resize(labels, part, interpolation=cv2.INTER_NEAREST_EXACT)).long()
    if flip < transforms.flip:
        labels = labels.flip(-1)
        images = [
            image.flip(-1) * torch.tensor(modality.mirror)[:, None, None]
            for image, modality in zip(images, modalities, strict=True)
        ]
    places = [place for place, modality in enumerate(modalities) if modality.photometric]
    for place, (jittered, blurred, *draws) in zip(
        places, torch.rand(5, len(places), generator=generator).T, strict=True
    ):
        if jittered < transforms.jitter:
            images[place] = plain_jitter(images[place], 1 + 0.5 * (2 * torch.stack(draws) - 1))
        if blurred < transforms.blur:
            images[place] = plain_blur(images[place])
    crop = torch.stack([torch.full((3, *size), modality.missing) for modality in modalities])
    crop[..., rows.target, columns.target] = torch.stack(images)
    ids = torch.full(size, 255)
    ids[rows.target, columns.target] = labels
    return replace(sample, images=crop, labels=ids)


@pytest.mark.parametrize("scale", [(0.3, 1.0), (1.0, 1.25), (0.5, 2.0)])
def test_the_same_as_one_step_after_the_other(scale: tuple[float, float]) -> None:
    """Up to rounding: on some processors OpenCV computes one channel otherwise than three together."""
    modalities = (RGB, ANGLE, LIDAR)
    transforms = Transforms(flip=0.5, scale=scale, jitter=0.5, blur=0.5)
    for seed in range(60):
        sides = torch.randint(1, 50, (4,), generator=torch.Generator().manual_seed(seed)).tolist()
        sample, size = make_sample(*sides[:2]), (sides[2], sides[3])
        sources = (torch.Generator().manual_seed(seed) for _ in range(2))
        plain = plain_augment(sample, transforms, size, modalities, next(sources))
        result = augment(sample, transforms, size=size, modalities=modalities, generator=next(sources))
        torch.testing.assert_close(result.images, plain.images, rtol=1e-6, atol=1e-4)
        assert torch.equal(result.labels, plain.labels), seed


def test_doubling_equals_opencv() -> None:
    sample = make_sample()
    result = apply(sample, Transforms(flip=0.0, scale=(2.0, 2.0), jitter=0.0, blur=0.0), (20, 28))
    expected = cv2.resize(sample.images[0].permute(1, 2, 0).numpy(), (28, 20), interpolation=cv2.INTER_LINEAR)
    assert np.allclose(result.images[0].permute(1, 2, 0), expected, atol=1e-3)
    assert torch.equal(result.labels, sample.labels.repeat_interleave(2, 0).repeat_interleave(2, 1))


def test_every_crop_position_is_reached() -> None:
    spans = [span(9, 6, scale=1.0, start=start / 100) for start in range(101)]
    assert {part.source.start for part in spans} == {0, 1, 2, 3}
    spans = [span(6, 9, scale=1.0, start=start / 100) for start in range(101)]
    assert {part.target.start for part in spans} == {0, 1, 2, 3}


def test_quarter_turns() -> None:
    sample = make_sample(8, 8)
    turns = Transforms(flip=0.0, scale=(1.0, 1.0), quarter_turns=True, jitter=0.0, blur=0.0)
    seen = set()
    for seed in range(20):
        result = apply(sample, turns, (8, 8), seed)
        (quarters,) = [k for k in range(4) if np.array_equal(np.rot90(sample.labels.numpy(), k), result.labels)]
        assert torch.equal(result.images, turned(sample, quarters).images)
        seen.add(quarters)
    assert seen == {0, 1, 2, 3}


def test_photometric_changes_only_cameras() -> None:
    sample = make_sample()
    result = apply(sample, Transforms(flip=0.0, scale=(1.0, 1.0), jitter=1.0, blur=1.0), (10, 14))
    assert not torch.allclose(result.images[0], sample.images[0])
    assert torch.equal(result.images[1:], sample.images[1:])
    assert torch.equal(result.labels, sample.labels)
    assert 0 <= result.images[0].min() <= result.images[0].max() <= 255


def test_jitter_against_a_loop() -> None:
    images = make_sample().images[:2] / 4 + 90  # far from the limits
    factors = torch.tensor([[1.1, 0.9], [0.8, 1.2], [0.7, 1.3]])
    result = jitter(images, factors)
    weights = np.array([0.299, 0.587, 0.114])
    for place in range(2):
        brightness, contrast, saturation = factors[:, place].tolist()
        image = images[place].permute(1, 2, 0).double().numpy() * brightness
        image = (image @ weights).mean() + (image - (image @ weights).mean()) * contrast
        grey = (image @ weights)[..., None]
        image = grey + (image - grey) * saturation
        assert np.allclose(result[place].permute(1, 2, 0), image, atol=1e-3)


def test_jitter_keeps_the_range() -> None:
    high = torch.full((1, 3, 4, 4), 3000.0)
    high[0, 0, 0, 0] = 4000
    low = torch.full((1, 3, 4, 4), 200.0)
    both = jitter(torch.cat([high, low]), torch.tensor([[1.5, 1.5], [1.5, 1.5], [1.5, 1.5]]))
    assert both[0].max() == 4000
    assert both[1].max() == 255
    assert both.min() >= 0


def test_blur_against_opencv() -> None:
    images = make_sample().images[:1]
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = cv2.filter2D(images[0].permute(1, 2, 0).numpy(), -1, kernel, borderType=cv2.BORDER_REPLICATE)
    assert np.allclose(blur(images)[0].permute(1, 2, 0), expected, atol=1e-3)


def test_garbage_in_an_absent_slot_stays_there() -> None:
    sample = make_sample()
    hurt = Sample(sample.images.clone(), sample.labels, torch.tensor([False, True, True]), "frame")
    hurt.images[0] = torch.nan
    everything = Transforms(jitter=1.0, blur=1.0)
    clean, result = apply(sample, everything, (9, 9), 3), apply(hurt, everything, (9, 9), 3)
    assert torch.equal(clean.images[1:], result.images[1:])
    assert result.present.tolist() == [False, True, True]


def test_the_input_is_not_changed() -> None:
    sample = make_sample()
    before = sample.images.clone()
    apply(sample, Transforms(jitter=1.0, blur=1.0), (10, 14))
    assert torch.equal(sample.images, before)


def test_draws_depend_on_seed_epoch_index_and_stream_alone() -> None:
    keys = [(s, e, i, stream) for s in range(4) for e in range(4) for i in range(4) for stream in range(2)]
    draws = {key: torch.rand(3, generator=sample_generator(*key)).tolist() for key in keys}
    assert len({tuple(draw) for draw in draws.values()}) == len(keys)
    assert draws[1, 2, 3, 0] == torch.rand(3, generator=sample_generator(1, 2, 3)).tolist()
    first = torch.tensor([draw[0] for draw in draws.values()])
    assert abs(first.mean() - 0.5) < 0.1
    state = torch.random.get_rng_state()
    apply(make_sample(), Transforms(), (8, 8))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_without_faults_no_draw_is_made_for_them() -> None:
    generator, expected = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    augment(make_sample(), Transforms(faults=0.0), size=(8, 8), modalities=MODALITIES, generator=generator)
    torch.rand(4, generator=expected)
    torch.rand(5, 1, generator=expected)  # the one photometric modality
    assert torch.equal(generator.get_state(), expected.get_state())


def test_faults_come_after_all_else_and_spare_labels() -> None:
    sample = make_sample(40, 60)
    size = (30, 50)
    for seed in range(5):
        well, ill = (apply(sample, Transforms(faults=chance), size, seed) for chance in (0.0, 1.0))
        source = torch.Generator().manual_seed(seed)
        augment(sample, Transforms(), size=size, modalities=MODALITIES, generator=source)
        assert torch.equal(ill.labels, well.labels)
        if (well.labels != 255).all():  # no border, which is filled after the faults
            expected = hit_at_random(well.images, well.present, MODALITIES, probability=1.0, generator=source)
            assert torch.equal(ill.images, expected)
        assert not torch.equal(ill.images, well.images)
        assert torch.equal(ill.images, apply(sample, Transforms(faults=1.0), size, seed).images)
