from dataclasses import replace

import numpy as np
import pytest
import torch

from robustseg.data.resizing import resized_frame
from robustseg.deploy import Predictor, predict_folder
from robustseg.deploy.images import stack_images
from robustseg.deploy.tiling import bytes_needed
from robustseg.models.segmenter import Segmenter
from robustseg.normalisation import normalise
from robustseg.robustness import evaluate

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


def test_a_network_without_a_card_is_refused(toy_model, toy_frames, tmp_path) -> None:
    plain = Segmenter(toy_model.encoder, toy_model.decoder, num_modalities=3)
    for use in (
        Predictor,
        lambda model: evaluate(model, toy_frames()),
        lambda model: predict_folder(model, toy_frames(), tmp_path),
    ):
        with pytest.raises(ValueError, match="this network has no card"):
            use(plain)


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


def count_encoded(model, monkeypatch) -> list[int]:
    """How many images each of the encoder's calls gets, from now on."""
    counts, encode = [], model.encode
    monkeypatch.setattr(
        model, "encode", lambda images, modality: (counts.append(len(images)), encode(images, modality))[1]
    )
    return counts


def test_an_image_that_is_given_again_is_not_encoded_again(toy_model, monkeypatch) -> None:
    predictor, counts = Predictor(toy_model), count_encoded(toy_model, monkeypatch)
    predictor({"rgb": RGB, "lidar": LIDAR})
    predictor({"rgb": RGB.copy(), "lidar": LIDAR, "depth": DEPTH})
    changed = LIDAR.copy()
    changed[3, 4] += 1
    found = predictor({"rgb": RGB, "lidar": changed})
    assert counts == [2, 1, 1]
    fresh = Predictor(toy_model)({"rgb": RGB, "lidar": changed})
    np.testing.assert_allclose(found.confidence, fresh.confidence, rtol=1e-5)
    predictor({"rgb": RGB}, size=(64, 96))
    predictor({"rgb": RGB}, size=(64, 96))
    predictor.forget()
    predictor({"rgb": RGB}, size=(64, 96))
    assert counts[4:] == [1, 1]


def test_an_array_that_is_written_over_is_another_image(toy_model) -> None:
    predictor, buffer = Predictor(toy_model), LIDAR.copy()
    before = predictor({"lidar": buffer})
    buffer[:] = LIDAR[::-1]
    np.testing.assert_array_equal(predictor({"lidar": buffer}).labels, Predictor(toy_model)({"lidar": buffer}).labels)
    assert (predictor.encode("lidar", buffer).image.numpy() == buffer.transpose(2, 0, 1)).all()
    buffer[:] = LIDAR
    np.testing.assert_array_equal(predictor.answer([predictor.encode("lidar", buffer)]).labels, before.labels)


def test_answers_from_encodings_are_those_of_images(toy_model) -> None:
    predictor = Predictor(toy_model)
    rgb, lidar = predictor.encode("rgb", RGB), predictor.encode("lidar", LIDAR)
    predictor.encode("rgb", RGB[::-1])
    found, whole = predictor.answer([lidar, rgb]), Predictor(toy_model)({"rgb": RGB, "lidar": LIDAR})
    np.testing.assert_allclose(found.confidence, whole.confidence, rtol=1e-5)
    assert (found.used, found.without, found.tiled) == (("rgb", "lidar"), ("depth",), False)
    for encodings, message in (
        ([], "nothing is encoded"),
        ([rgb, rgb], "rgb: two encodings"),
        ([rgb, predictor.encode("depth", DEPTH[:20])], "got rgb 40x56, depth 20x56"),
        ([rgb, predictor.encode("depth", DEPTH, size=(64, 64))], "got rgb 40x56, depth 64x64"),
    ):
        with pytest.raises(ValueError, match=message):
            predictor.answer(encodings)
    with pytest.raises(ValueError, match="knows no 'radar'"):
        predictor.encode("radar", RGB)


def calibrated(model, images: dict[str, np.ndarray]) -> np.ndarray:
    """The class probabilities "K H W" that the model's card asks for, by the plainest way."""
    stacked, present = stack_images(images, model.card.modalities)
    with torch.inference_mode():
        logits = model(normalise(stacked[None], model.card.modalities), present[None]).logits[0]
    return (logits / model.card.temperatures[len(images) - 1]).softmax(dim=0).numpy()


def test_probabilities_and_worth(toy_model, monkeypatch) -> None:
    """What a sensor is worth is what the label's probability loses without it; alone, all above the class's share."""
    K = len(toy_model.card.classes)
    card = replace(
        toy_model.card, temperatures=(0.5, 2.0, 1.0), frequency=tuple(2 * (k + 1) / K / (K + 1) for k in range(K))
    )
    monkeypatch.setattr(toy_model, "card", card)
    images = {"rgb": RGB, "lidar": LIDAR}
    found = Predictor(toy_model)(images, probabilities=True, worth=True)
    both = calibrated(toy_model, images)
    np.testing.assert_allclose(found.probabilities, both, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.probabilities.max(axis=0), found.confidence, rtol=1e-5)
    assert list(found.worth) == ["rgb", "lidar"]
    for sensor, other in (("rgb", "lidar"), ("lidar", "rgb")):
        alone = np.take_along_axis(calibrated(toy_model, {other: images[other]}), found.labels[None].astype(int), 0)[0]
        np.testing.assert_allclose(found.worth[sensor], both.max(axis=0) - alone, atol=1e-5)
    single = Predictor(toy_model)({"lidar": LIDAR}, worth=True)
    share = np.array(card.frequency)[single.labels]
    np.testing.assert_allclose(single.worth["lidar"], single.confidence - share, atol=1e-6)
    assert single.probabilities is None
    assert Predictor(toy_model)(images).worth is None


def test_modalities_of_one_sensor_are_worth_something_together(toy_model, monkeypatch) -> None:
    rgb, depth, lidar = toy_model.card.modalities
    together = (replace(rgb, sensor="stereo"), replace(depth, sensor="stereo"), lidar)
    plain = Predictor(toy_model)({"rgb": RGB, "depth": DEPTH, "lidar": LIDAR}, worth=True)
    monkeypatch.setattr(toy_model, "card", replace(toy_model.card, modalities=together))
    found = Predictor(toy_model)({"rgb": RGB, "depth": DEPTH, "lidar": LIDAR}, worth=True)
    assert list(found.worth) == ["stereo", "lidar"]
    np.testing.assert_allclose(found.worth["lidar"], plain.worth["lidar"], atol=1e-6)


@pytest.mark.parametrize("size", [None, (170, 300)])
def test_a_frame_beyond_the_memory_is_tiled(toy_model, size) -> None:
    """Each pixel is what the model says of the tile it is taken from, and worth and probabilities with it."""
    generator = np.random.default_rng(1)
    rgb = generator.integers(0, 256, (170, 300, 3), dtype=np.uint8)
    depth = generator.uniform(1, 60, (170, 300))
    if size is not None:
        rgb, depth = rgb[::2, ::2], depth[::2, ::2]
    predictor = Predictor(toy_model, memory=bytes_needed(toy_model.card, 128**2))
    found = predictor({"rgb": rgb, "depth": depth}, size=size, probabilities=True, worth=True)
    assert found.tiled
    assert found.labels.shape == found.confidence.shape == found.worth["rgb"].shape == rgb.shape[:2]
    if size is not None:
        return
    np.testing.assert_allclose(found.probabilities.max(axis=0), found.confidence, rtol=1e-5)
    part = Predictor(toy_model)({"rgb": rgb[:, 64:160], "depth": depth[:, 64:160]}, worth=True)
    assert not part.tiled
    for one, other in ((found.confidence, part.confidence), (found.worth["depth"], part.worth["depth"])):
        np.testing.assert_allclose(one[:, 80:144], other[:, 16:80], atol=1e-5)
    np.testing.assert_array_equal(found.labels[:, 80:144], part.labels[:, 16:80])


def test_too_little_memory_is_said(toy_model) -> None:
    with pytest.raises(ValueError, match=r"memory must be at least \d+ MB for this model, got 1 MB"):
        Predictor(toy_model, memory=1e6)
