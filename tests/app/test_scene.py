from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from robustseg.app import Choice, Material, Scene
from robustseg.app.scene import mean_of
from robustseg.data.sample import Sample, collate
from robustseg.deploy import Predictor
from robustseg.failures import FAULTS
from robustseg.normalisation import normalise
from robustseg.robustness.cases import Variant
from robustseg.robustness.variants import Images

ALL = ("rgb", "depth", "event", "lidar")


@pytest.fixture
def encoded(world_model, monkeypatch) -> list[int]:
    """How many images each call has encoded, as it goes on."""
    numbers: list[int] = []
    encode = world_model.encode

    def counted(images, modality):
        numbers.append(len(images))
        return encode(images, modality)

    monkeypatch.setattr(world_model, "encode", counted)
    return numbers


def given(frames, frame: int, names) -> dict[str, np.ndarray]:
    sample = frames[frame]
    return {name: sample.images[ALL.index(name)].permute(1, 2, 0).numpy() for name in names}


@pytest.mark.parametrize("on", [ALL, ("depth", "lidar"), ("event",)])
def test_the_answer_is_the_predictors(scene, material, tiny_world, on) -> None:
    look = scene.look(Choice(3, on, worth=on[0]))
    own = Predictor(material.model)(given(tiny_world, 3, on), worth=True)
    full = Predictor(material.model)(given(tiny_world, 3, ALL))
    np.testing.assert_array_equal(look.prediction.labels, own.labels)
    np.testing.assert_allclose(look.prediction.worth[on[0]], own.worth[on[0]], atol=1e-5)
    np.testing.assert_array_equal(look.changed, own.labels != full.labels)
    assert look.live == on


def test_switching_encodes_nothing_and_a_fault_one_image(scene, encoded) -> None:
    for choice, images in [
        (Choice(2, ALL), 4),
        (Choice(2, ("rgb", "lidar")), 0),
        (Choice(2, ()), 0),
        (Choice(2, ALL, worth="rgb"), 0),
        (Choice(2, ALL, "lidar", "beam_loss", 3), 1),
        (Choice(2, ("lidar",), "lidar", "beam_loss", 3), 0),
        (Choice(2, ("lidar",), "lidar", "beam_loss", 0), 0),
        (Choice(2, ALL, "lidar", "beam_loss", 4), 1),
        (Choice(3, ALL, "rgb", "noise", 4), 5),
    ]:
        encoded.clear()
        look = scene.look(choice)
        assert (sum(encoded), look.cost.encoded) == (images, images), choice


@pytest.mark.parametrize("fault", [name for name, row in FAULTS.items() if "camera" in row.sorts])
def test_a_broken_image_is_that_of_the_evaluation(scene, material, tiny_world, fault) -> None:
    frame, severity = 6, 1
    look = scene.look(Choice(frame, ALL, "rgb", fault, severity))
    batch = collate([tiny_world[frame]], [frame])
    images = Images(batch, tiny_world.modalities, material.history, device=torch.device("cpu"), seed=0)
    expected = images(0, Variant("fault", fault, severity))[0]
    found = normalise(look.images[0][None], tiny_world.modalities[:1])[0]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(look.images[1], tiny_world[frame].images[1])


def test_what_is_late_has_not_arrived_when_the_recording_begins(scene) -> None:
    look = scene.look(Choice(4, ("rgb", "depth"), "rgb", "late_frame", 1))
    assert look.live == ("depth",)
    assert look.note.startswith("rgb: nothing has arrived yet")
    look = scene.look(Choice(4, ("rgb",), "rgb", "late_frame", 1))
    assert look.prediction is None
    assert "nothing to answer from" in look.note


def test_nothing_on_is_no_error(scene) -> None:
    look = scene.look(Choice(0, ()))
    assert (look.prediction, look.iou, look.changed, look.live) == (None, None, None, ())
    assert "All sensors are off" in look.note
    assert look.complete is not None


def test_iou_is_that_of_sets_of_pixels(scene, tiny_world) -> None:
    look, truth = scene.look(Choice(1, ("rgb", "event"))), tiny_world[1].labels.numpy()
    seen = truth != 255
    values = []
    for k in range(len(tiny_world.classes)):
        ours, theirs = (look.prediction.labels == k) & seen, (truth == k) & seen
        both = (ours | theirs).sum()
        values.append(100 * (ours & theirs).sum() / both if both else np.nan)
    np.testing.assert_allclose(look.iou.numpy(), values)
    assert mean_of(look.iou) == pytest.approx(np.nanmean(values))


def test_only_faults_that_can_happen_are_offered(scene, material) -> None:
    assert {"late_frame", "overexposure"} <= set(scene.faults("rgb", 0))
    assert "beam_loss" in scene.faults("lidar", 0)
    assert "overexposure" not in scene.faults("lidar", 0)
    assert scene.faults("", 0) == ()
    scene.show(material.frames[0])
    assert "late_frame" not in scene.faults("rgb", 0)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(0, ("sonar",)), "no sensor 'sonar'"),
        (Choice(99, ALL), "no such frame"),
        (Choice(0, ALL, "rgb", "beam_loss", 1), "beam_loss cannot happen to rgb"),
        (Choice(0, ALL, "rgb", "rust", 1), "no fault 'rust'"),
        (Choice(0, ALL, "rgb", "noise", 6), "severity is 0 to 5"),
    ],
)
def test_what_makes_no_sense_is_said(scene, choice, said) -> None:
    with pytest.raises(ValueError, match=said):
        scene.look(choice)


def test_visitors_do_not_share_what_they_look_at(material, tiny_world) -> None:
    mine, yours = Scene(material), Scene(material)
    own = replace(tiny_world[5], labels=torch.full((32, 48), 255), name="mine")
    mine.show(own)
    assert mine.look(Choice(0, ALL)).sample.name == "mine"
    assert mine.look(Choice(0, ALL)).truth is None
    assert yours.look(Choice(0, ALL)).sample.name == tiny_world[0].name
    mine.show(None)
    assert mine.look(Choice(0, ALL)).sample.name == tiny_world[0].name


def test_a_new_visitor_begins_anew(scene, tiny_world) -> None:
    scene.show(tiny_world[0])
    other = deepcopy(scene)
    assert other.own is None
    assert other.material is scene.material


def test_visitors_at_once_see_what_each_would_see_alone(material) -> None:
    choices = [Choice(frame, ALL[frame % 4 :]) for frame in range(8)]
    alone = [Scene(material).look(choice).prediction.labels for choice in choices]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda choice: Scene(material).look(choice).prediction.labels, choices))
    np.testing.assert_array_equal(together, alone)


def test_a_frame_without_images_is_no_error(world_model, tiny_world) -> None:
    scene = Scene(Material("toy", world_model))
    whole = tiny_world[0]
    scene.show(Sample(whole.images, whole.labels, torch.zeros(4, dtype=torch.bool), "empty"))
    look = scene.look(Choice(0, ALL))
    assert look.note.startswith("No sensor has an image")
    assert look.complete is None
    scene.show(None)
    with pytest.raises(ValueError, match="upload images"):
        scene.look(Choice(0, ALL))


def test_the_monitor_is_asked(world_model, tiny_world, unlike) -> None:
    scene = Scene(Material("toy", world_model, tiny_world, profiles={"event": unlike}))
    verdicts = scene.look(Choice(1, ("rgb", "event"))).verdicts
    assert {name: (entry.doubtful, entry.reason) for name, entry in verdicts.items()} == {
        "rgb": (False, ""),
        "event": (True, "odd"),
    }
    frozen = scene.look(Choice(1, ALL, "rgb", "frozen_frame", 5)).verdicts
    age = tiny_world[1].time - tiny_world[0].time
    assert (frozen["rgb"].sick, frozen["rgb"].reason) == (True, f"frozen for {age:.2f} s")
    assert not frozen["depth"].sick
    assert not scene.look(Choice(0, ALL, "rgb", "frozen_frame", 5)).verdicts["rgb"].sick
