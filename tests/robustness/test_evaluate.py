from dataclasses import replace

import pytest
import torch

from robustseg.deploy import Predictor
from robustseg.failures import all_subsets
from robustseg.metrics import count
from robustseg.models.released import ORIGIN
from robustseg.normalisation import normalise
from robustseg.robustness import evaluate
from robustseg.robustness.evaluate import batches


def test_counts_equal_one_forward_pass_per_frame_and_subset(toy_model, toy_frames) -> None:
    frames = toy_frames()
    found = evaluate(toy_model, frames, batch_size=4)
    assert found.counts.shape == (6, 7, 4, 3)
    for f in range(len(frames)):
        sample = frames[f]
        for s, subset in enumerate(all_subsets(3)):
            present = (sample.present & subset)[None]
            assert found.scored[f, s] == present.any()
            if not present.any():
                assert found.counts[f, s].sum() == 0
                continue
            images = normalise(sample.images[None], frames.modalities)
            with torch.inference_mode():
                logits = toy_model(images, present).logits
            expected = count(logits.argmax(dim=1), sample.labels[None], 4)[0]
            assert found.counts[f, s].equal(expected)
    assert found.frames[1] == "drive/0001"
    assert found.tags[1]["weather"] == "fog"


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_the_batch_size_changes_nothing(toy_model, toy_frames, batch_size: int) -> None:
    frames = toy_frames(odd_sizes={1: (40, 33), 2: (40, 33), 5: (64, 32)})
    found = evaluate(toy_model, frames, batch_size=batch_size)
    sizes = torch.tensor([frames[f].labels.ne(255).sum() for f in range(6)])
    labelled = found.counts[..., [0, 2]].sum(dim=(2, 3))  # every labelled pixel is a hit or missed
    assert labelled.equal(sizes[:, None] * found.scored)


def test_small_frames_are_seen_as_in_prediction(toy_model, toy_frames) -> None:
    frames = toy_frames(number=2, size=(24, 64), odd_sizes={1: (40, 10)})
    found = evaluate(toy_model, frames)
    for place in range(2):
        sample = frames[place]
        labels = torch.from_numpy(Predictor(toy_model).predict(sample.images, sample.present).labels).long()
        assert found.counts[place, -1].equal(count(labels[None], sample.labels[None], 4)[0])


def test_the_device_is_named_as_for_load(toy_model, toy_frames) -> None:
    place = next(toy_model.parameters()).device
    try:
        assert len(evaluate(toy_model, toy_frames(number=1), device="auto").frames) == 1
        with pytest.raises(ValueError, match="no device 'warp:3'"):
            evaluate(toy_model, toy_frames(number=1), device="warp:3")
    finally:
        toy_model.to(place)


def test_batches_hold_neighbours_of_one_size(toy_frames) -> None:
    frames = toy_frames(odd_sizes={1: (40, 33), 2: (40, 33)})
    assert [batch.index.tolist() for batch in batches(frames, 2)] == [[0], [1, 2], [3, 4], [5]]
    with pytest.raises(ValueError, match="batch_size 0"):
        next(batches(frames, 0))


def test_the_model_keeps_its_mode_and_progress_reaches_the_end(toy_model, toy_frames) -> None:
    seen = []
    toy_model.train()
    try:
        evaluate(toy_model, toy_frames(number=3), batch_size=2, progress=lambda done, of: seen.append((done, of)))
        assert toy_model.training
    finally:
        toy_model.eval()
    assert seen == [(2, 3), (3, 3)]


def test_few_subsets(toy_model, toy_frames) -> None:
    found = evaluate(toy_model, toy_frames(number=2), subsets="few")
    assert found.letters == ("R", "D", "L", "RD", "RL", "DL", "RDL")


def test_frames_that_do_not_fit_are_refused(toy_model, toy_frames) -> None:
    modalities = toy_frames().modalities
    with pytest.raises(ValueError, match=r"model's modalities are rgb, depth, lidar, the data's depth, rgb, lidar"):
        evaluate(toy_model, toy_frames(modalities=(modalities[1], modalities[0], modalities[2])))
    with pytest.raises(ValueError, match="4 classes, the data 3"):
        evaluate(toy_model, toy_frames(classes=toy_frames().classes[:3]))
    swapped = [toy_frames().classes[place] for place in (0, 2, 1, 3)]
    with pytest.raises(ValueError, match="class 1 is 'car' to the model and 'tree' in the data, one of 2"):
        evaluate(toy_model, toy_frames(classes=tuple(swapped)))
    with pytest.raises(ValueError, match="no frame"):
        evaluate(toy_model, toy_frames(number=0))
    with pytest.raises(ValueError, match="labelled pixel"):
        evaluate(toy_model, toy_frames(labelled=False))
    with pytest.raises(ValueError, match="choose of emm, emm_zero"):
        evaluate(toy_model, toy_frames(), protocol="rmm")


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ({"scale": 1 / 256}, "'depth' with scale 1.0, the data with 0.00390625"),
        ({"offset": 5.0}, "'depth' with offset 0.0, the data with 5.0"),
        ({"channels": ("depth.0",) * 3}, r"'depth' with channels \[\], the data with \[depth.0, depth.0, depth.0\]"),
    ],
)
def test_a_sensor_is_read_as_in_training(toy_model, toy_frames, monkeypatch, read: dict, said: str) -> None:
    rgb, depth, lidar = toy_frames().modalities
    frames = toy_frames(number=1, modalities=(rgb, replace(depth, **read), lidar))
    with pytest.raises(ValueError, match=said):
        evaluate(toy_model, frames)
    trained_from = replace(toy_model.card, origin=ORIGIN, labels="labels/{name}.png")
    monkeypatch.setattr(toy_model, "card", trained_from)
    with pytest.raises(ValueError, match=said):
        evaluate(toy_model, frames)
    monkeypatch.setattr(toy_model, "card", replace(trained_from, labels=""))  # converted: knows no reading
    assert evaluate(toy_model, frames).frames == ("drive/0000",)


def test_a_note_can_be_added(toy_model, toy_frames) -> None:
    found = replace(evaluate(toy_model, toy_frames(number=1)), note="selected on val")
    assert found.note == "selected on val"


def test_numbers_of_a_converted_model_fit_any_names(toy_model, toy_frames) -> None:
    before = toy_model.card
    numbered = tuple(replace(entry, name=f"class {place}") for place, entry in enumerate(before.classes))
    toy_model.card = replace(before, classes=numbered)
    try:
        assert evaluate(toy_model, toy_frames(number=1)).classes == ("road", "car", "tree", "unicorn")
    finally:
        toy_model.card = before


def test_subsets_and_frames_without_what_is_needed_are_not_scored(toy_model, toy_frames):
    found = evaluate(toy_model, toy_frames(), one_of=("rgb", "depth"))
    assert found.subsets[:, :2].any(dim=1).all()
    assert len(found.subsets) == 6
    assert not found.scored[4].any()  # it has nothing but lidar
    assert evaluate(toy_model, toy_frames()).scored[4, -1]
