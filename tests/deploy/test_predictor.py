from dataclasses import replace

import numpy as np
import pytest
import torch

from robustseg.data.resizing import resized_frame
from robustseg.deploy import Predictor
from robustseg.deploy.predictor import stack_images
from robustseg.normalisation import normalise

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (40, 56, 3), dtype=np.uint8)
DEPTH = RNG.uniform(1, 60, (40, 56))
LIDAR = RNG.uniform(0, 30, (40, 56, 3)).astype(np.float32)


def test_a_prediction_is_the_models_own(toy_model) -> None:
    prediction = Predictor(toy_model)({"lidar": LIDAR, "rgb": RGB})
    images = torch.zeros(3, 3, 40, 56)
    images[0] = torch.from_numpy(RGB).permute(2, 0, 1)
    images[2] = torch.from_numpy(LIDAR).permute(2, 0, 1)
    with torch.inference_mode():
        inputs = normalise(images[None], toy_model.card.modalities)
        logits = toy_model(inputs, torch.tensor([[True, False, True]])).logits[0]
    np.testing.assert_array_equal(prediction.labels, logits.argmax(dim=0).numpy())
    np.testing.assert_allclose(prediction.confidence, logits.softmax(dim=0).amax(dim=0).numpy(), rtol=1e-5)
    assert (prediction.labels.dtype, prediction.confidence.dtype) == (np.uint8, np.float32)
    assert prediction.used == ("rgb", "lidar")
    assert prediction.without == ("depth",)


def test_confidence_is_that_of_the_temperature_for_what_is_there(toy_model, monkeypatch) -> None:
    predictor, inputs = Predictor(toy_model), ({"rgb": RGB}, {"rgb": RGB, "lidar": LIDAR})
    before = [predictor(images) for images in inputs]
    monkeypatch.setattr(toy_model, "card", replace(toy_model.card, temperatures=(0.5, 3.0, 1.0)))
    for images, plain, temperature in zip(inputs, before, (0.5, 3.0), strict=True):
        found = predictor(images)
        np.testing.assert_array_equal(found.labels, plain.labels)
        stacked, present = stack_images(images, toy_model.card.modalities)
        with torch.inference_mode():
            logits = toy_model(normalise(stacked[None], toy_model.card.modalities), present[None]).logits[0]
        expected = (logits / temperature).softmax(dim=0).amax(dim=0).numpy()
        np.testing.assert_allclose(found.confidence, expected, rtol=1e-5)


def test_one_channel_is_repeated_and_tensors_are_taken(toy_model) -> None:
    predictor = Predictor(toy_model)
    flat = predictor({"depth": DEPTH})
    for image in (np.stack([DEPTH] * 3, axis=-1), DEPTH[..., None], torch.from_numpy(DEPTH), DEPTH[::-1][::-1]):
        np.testing.assert_array_equal(predictor({"depth": image}).confidence, flat.confidence)


@pytest.mark.parametrize("shape", [(1, 1), (20, 70), (33, 65), (50, 31)])
def test_any_size_works(toy_model, shape: tuple[int, int]) -> None:
    prediction = Predictor(toy_model)({"rgb": RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)})
    assert prediction.labels.shape == prediction.confidence.shape == shape
    assert np.isfinite(prediction.confidence).all()


def test_the_network_may_look_at_another_size(toy_model) -> None:
    predictor = Predictor(toy_model)
    prediction = predictor({"rgb": RGB, "lidar": LIDAR}, size=(64, 96))
    assert prediction.labels.shape == (40, 56)
    trained = replace(toy_model.card, resize=(64, 96))
    before, toy_model.card = toy_model.card, trained
    try:
        np.testing.assert_array_equal(predictor({"rgb": RGB, "lidar": LIDAR}).labels, prediction.labels)
    finally:
        toy_model.card = before
    with pytest.raises(ValueError, match="height and width"):
        predictor({"rgb": RGB}, size=(0, 8))


def test_resize_keeps_sparse_values(toy_model) -> None:
    images = torch.rand(3, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    small = resized_frame(images, (5, 7), toy_model.card.modalities)
    assert set(small[2].flatten().tolist()) <= set(images[2].flatten().tolist())
    assert not set(small[0].flatten().tolist()) <= set(images[0].flatten().tolist())


def test_absent_slots_are_never_read(toy_model) -> None:
    images, present = stack_images({"rgb": RGB}, toy_model.card.modalities)
    dirty = images.clone()
    dirty[1:] = torch.nan
    predictor = Predictor(toy_model)
    np.testing.assert_array_equal(
        predictor.predict(dirty, present).confidence, predictor.predict(images, present).confidence
    )


def test_none_is_a_sensor_that_is_not_there(toy_model) -> None:
    predictor = Predictor(toy_model)
    alone = predictor({"rgb": RGB})
    np.testing.assert_array_equal(predictor({"rgb": RGB, "depth": None}).confidence, alone.confidence)
    with pytest.raises(ValueError, match="no image was given"):
        predictor({"rgb": None})


def with_nan() -> np.ndarray:
    image = DEPTH.copy()
    image[3, 4:6] = np.nan
    return image


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({}, "no image was given; give at least one of rgb, depth, lidar"),
        ({"radar": RGB}, "knows no 'radar'; its modalities are rgb, depth, lidar"),
        ({"rgb": RGB.astype(str)}, "rgb: pixels must be integers or floats"),
        ({"rgb": RGB.astype(complex)}, "rgb: pixels must be integers or floats"),
        ({"depth": DEPTH > 3}, "depth: pixels must be integers or floats, got bool"),
        ({"rgb": RGB.transpose(2, 0, 1)}, r"channels last; got \(3, 40, 56\)"),
        ({"rgb": RGB[None]}, r"got \(1, 40, 56, 3\)"),
        ({"rgb": RGB[:0]}, r"got \(0, 56, 3\)"),
        ({"rgb": RGB, "depth": DEPTH[:20]}, r"one size .* got rgb 40x56, depth 20x56"),
        ({"depth": with_nan()}, "depth: 2 pixels are NaN or infinite; fill .* with 0"),
    ],
)
def test_bad_input_gets_a_clear_line(toy_model, images: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Predictor(toy_model)(images)
