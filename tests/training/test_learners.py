"""Models that a student cannot learn from, or start from, are found before anything is trained."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from robustseg.build import build_model
from robustseg.frames import open_frames
from robustseg.models.weights import save_model
from robustseg.recipe import Data, Distill, Model, Recipe, World
from robustseg.training import learners
from robustseg.training.learners import check_given, check_start
from robustseg.training.run import model_card

PLAIN = Distill(hpdm=0, rrm=0)
OWN = ({"private": ("norm",)}, {"fusion": "weighted"}, {"fusion": "moments"}, {"fusion": "early"})


def data(*use: str) -> Data:
    return Data(size=(32, 64), world=World(train_frames=10, val_frames=4), use=use or ("rgb", "depth", "lidar"))


@pytest.fixture
def saved(recipe: Callable[..., Recipe], tmp_path: Path) -> Callable[..., str]:
    """Writes the untrained model of a recipe."""

    def save(name: str, *use: str, shift: float = 0.0, **model: object) -> str:
        made = recipe(tmp_path, model=Model(width=16, **model), data=data(*use))
        frames = open_frames(made.data, "train")
        card = model_card(made, frames, "teacher")
        first = replace(card.modalities[0], mean=tuple(value + shift for value in card.modalities[0].mean))
        network = build_model(made.model, len(frames.classes), len(frames.modalities), seed=0)
        (tmp_path / name).mkdir()
        save_model(tmp_path / name, network, replace(card, modalities=(first, *card.modalities[1:])))
        return str(tmp_path / name)

    return save


def check(made: Recipe) -> None:
    check_start(made, open_frames(made.data, "train"))


@pytest.mark.parametrize("model", OWN)
def test_what_modalities_have_of_their_own_is_for_the_same_modalities(recipe, saved, tmp_path, model):
    starts = {
        "same": saved("same", **model),
        "turned": saved("turned", "lidar", "depth", "rgb", **model),
        "shared": saved("shared", "lidar", "depth", "rgb"),
    }
    made = {
        name: recipe(tmp_path, model=Model(width=16, **model), data=data(), distill=replace(PLAIN, student_init=folder))
        for name, folder in starts.items()
    }
    check(made["same"])
    with pytest.raises(ValueError, match=r"turned, which has parts of its own for each of lidar, depth, rgb: the data"):
        check(made["turned"])
    if model != {"fusion": "early"}:  # it shares nothing with the standard network
        check(made["shared"])


def test_both_branches_of_a_pair_see_what_they_were_trained_with(recipe, saved, tmp_path):
    pair = {"model": Model(width=16, fusion="pair"), "data": data()}
    distill = replace(PLAIN, teacher=saved("teacher"))

    def joined(folder: str) -> Recipe:
        return recipe(tmp_path, **pair, distill=replace(distill, student_init=folder))

    check(joined(saved("same")))
    with pytest.raises(ValueError, match="the model's modalities are lidar, depth, rgb"):
        check(joined(saved("turned", "lidar", "depth", "rgb")))
    with pytest.raises(ValueError, match="the model of student_init normalises rgb by mean"):
        check(joined(saved("other", shift=3.0)))


@pytest.mark.parametrize("role", ["teacher", "student_init"])
@pytest.mark.parametrize(
    "model", [{"fusion": "weighted"}, {"fusion": "moments"}, {"absence": "zero"}, {"private": ("patch",)}]
)
def test_branches_of_a_pair_are_plain_networks(recipe, saved, tmp_path, role, model):
    folders = {"teacher": saved("one"), "student_init": saved("two")} | {role: saved("odd", **model)}
    made = recipe(tmp_path, model=Model(width=16, fusion="pair"), data=data(), distill=replace(PLAIN, **folders))
    with pytest.raises(ValueError, match=r"nothing private, its \w+ is of fusion"):
        check_given(made)


def test_a_teacher_with_maps_of_other_widths_teaches_no_maps(recipe, saved, tmp_path):
    distill = Distill(teacher=saved("teacher", backbone="mit_b0"), student_init="scratch", rrm=0.0)
    with pytest.raises(ValueError, match=r"mit_b0 has maps of other widths than .*mit_nano: set distill.hpdm"):
        check_given(recipe(tmp_path, distill=distill))
    check_given(recipe(tmp_path, distill=replace(distill, hpdm=0.0, entropy_features=1.0)))


def test_a_teacher_that_is_the_start_as_well_is_loaded_once(recipe, saved, tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr(learners, "load", lambda folder, load=learners.load: loaded.append(folder) or load(folder))
    check(recipe(tmp_path, data=data(), distill=Distill(teacher=saved("teacher"))))
    assert len(loaded) == 1
