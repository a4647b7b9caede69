"""Every fusion trains, and what it cannot do is said before training starts."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from robustseg.build import load
from robustseg.frames import open_frames
from robustseg.models.card import read_card, write_card
from robustseg.models.early import EarlyFusion
from robustseg.models.late import LateFusion
from robustseg.models.pair import PairFusion
from robustseg.recipe import Data, Distill, Machine, Model, Recipe, Schedule, World
from robustseg.robustness import evaluate
from robustseg.training import fit
from robustseg.training.run import train

PLAIN = Distill(hpdm=0, rrm=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, small: Callable[..., Recipe]) -> Path:
    """The run of a standard teacher and student."""
    return train(small(tmp_path_factory.mktemp("standard"))).parent


def pair_of(trained: Path, **distill: object) -> Distill:
    folders = {"teacher": str(trained / "teacher"), "student_init": str(trained / "student")}
    return replace(PLAIN, **(folders | distill))


@pytest.mark.parametrize(("fusion", "kind"), [("early", EarlyFusion), ("late", LateFusion)])
def test_both_stages_train_and_all_subsets_are_scored(recipe, tmp_path, fusion, kind) -> None:
    made = recipe(tmp_path, model=Model(width=16, fusion=fusion), distill=PLAIN if fusion == "early" else Distill())
    folder = train(made)
    assert type(load(folder)) is kind
    assert type(load(folder.parent / "teacher")) is kind
    found = evaluate(load(folder), open_frames(made.data, "val"))
    assert found.counts.shape[:2] == (4, 15)
    assert found.scored.all()
    assert (found.counts.sum(dim=(2, 3)) > 0).all()


def test_a_pair_trains_its_weightings_and_the_students_decoder(recipe, tmp_path, trained) -> None:
    made = recipe(tmp_path, name="pair", model=Model(width=16, fusion="pair"), distill=pair_of(trained))
    folder = train(made)
    assert type(load(folder)) is PairFusion
    own = load_file(folder / "model.safetensors")
    for half, stage in (("first", "teacher"), ("second", "student")):
        given = load_file(trained / stage / "model.safetensors")
        encoder = {name: tensor for name, tensor in given.items() if name.startswith("encoder.")}
        assert all(
            torch.equal(own[name.replace("encoder.", f"encoder.{half}.", 1)], tensor)
            for name, tensor in encoder.items()
        )
    student = load_file(trained / "student" / "model.safetensors")
    assert not torch.equal(own["decoder.fuse.weight"], student["decoder.fuse.weight"])
    assert torch.allclose(own["decoder.fuse.weight"], student["decoder.fuse.weight"], atol=0.05)
    assert float(own["weightings.0.score.bias"].abs().max()) > 0
    assert evaluate(load(folder), open_frames(made.data, "val")).counts.shape[:2] == (4, 15)


@pytest.mark.parametrize("fusion", ["early", "late", "pair"])
def test_the_entropy_of_images_is_trained_too(recipe, tmp_path, trained, fusion) -> None:
    distill = replace(pair_of(trained) if fusion == "pair" else PLAIN, entropy_inputs=1.0)
    folder = train(recipe(tmp_path, model=Model(width=16, fusion=fusion), distill=distill))
    assert load(folder).card.fusion == fusion
    with (folder / "log.csv").open() as stream:
        assert all(float(row["entropy_inputs_share"]) > 0 for row in csv.DictReader(stream))


def test_a_pair_keeps_the_licences_of_both(recipe, tmp_path, trained) -> None:
    teacher = tmp_path / "licensed"
    teacher.mkdir()
    for file in ("model.json", "model.safetensors"):
        (teacher / file).write_bytes((trained / "teacher" / file).read_bytes())
    write_card(teacher, replace(read_card(teacher), origin="somebody's weights"))
    folder = train(
        recipe(tmp_path, model=Model(width=16, fusion="pair"), distill=pair_of(trained, teacher=str(teacher)))
    )
    assert read_card(folder).origin == "random initialisation; somebody's weights"


def test_the_moving_average_of_an_early_student_of_a_standard_teacher_is_kept(
    recipe, tmp_path, trained, monkeypatch
) -> None:
    steps, optimise = [], fit._optimise

    def watched(fabric, stage, module, running, parts):
        row = optimise(fabric, stage, module, running, parts)
        steps.append({name: parameter.detach().clone() for name, parameter in running.model.named_parameters()})
        return row

    monkeypatch.setattr(fit, "_optimise", watched)
    student = Schedule(epochs=1, batch_size=4, ema=0.9)
    distill = replace(PLAIN, teacher=str(trained / "teacher"), student_init="scratch")
    made = recipe(tmp_path, model=Model(width=16, fusion="early"), distill=distill, student=student)
    model = load(train(made))
    assert type(model) is EarlyFusion
    first, second = steps
    for name, kept in model.named_parameters():
        assert torch.allclose(kept, 0.9 * first[name] + 0.1 * second[name], atol=1e-7), name
    assert not all(torch.allclose(kept, second[name], atol=1e-7) for name, kept in model.named_parameters())


def test_losses_on_maps_that_cannot_be_compared_are_refused(recipe, tmp_path, trained) -> None:
    early = Model(width=16, fusion="early")
    with pytest.raises(ValueError, match=r"fusion 'early' has no maps.*set distill.hpdm, distill.rrm to 0"):
        train(recipe(tmp_path, model=early))
    with pytest.raises(ValueError, match=r"fusion 'pair' has no maps.*set distill.rrm to 0"):
        train(recipe(tmp_path, model=Model(width=16, fusion="pair"), distill=pair_of(trained, rrm=1.0)))
    with pytest.raises(ValueError, match=r"set distill.cmd, distill.ifv to 0"):
        train(recipe(tmp_path, model=early, distill=replace(PLAIN, cmd=1.0, ifv=1.0)))
    with pytest.raises(ValueError, match=r"fusion 'late' has none"):
        recipe(tmp_path, model=Model(width=16, fusion="late"), distill=replace(PLAIN, prediction=1.0))
    assert not (tmp_path / "small").exists()
    folder = train(recipe(tmp_path, name="early", model=early, distill=PLAIN)).parent / "teacher"
    distill = Distill(teacher=str(folder), student_init="scratch")
    with pytest.raises(ValueError, match=r"fusion 'early' has no maps"):
        train(recipe(tmp_path, distill=distill))


def test_a_pair_of_nothing_or_of_other_networks_is_refused(recipe, tmp_path, trained) -> None:
    model = Model(width=16, fusion="pair")
    for distill in (PLAIN, pair_of(trained, student_init="teacher"), pair_of(trained, student_init="scratch")):
        with pytest.raises(ValueError, match="joins two trained models"):
            train(recipe(tmp_path, model=model, distill=distill))
    with pytest.raises(ValueError, match=r"cannot start from .*another network"):
        train(recipe(tmp_path, model=Model(width=24, fusion="pair"), distill=pair_of(trained)))
    assert not (tmp_path / "small").exists()


@pytest.mark.slow
@pytest.mark.parametrize("fusion", ["early", "late", "pair"])
def test_two_processes_train_every_fusion(recipe, tmp_path, trained, fusion) -> None:
    machine = Machine(accelerator="cpu", devices=2, log_every=1, sync_batchnorm=True)
    data = Data(size=(32, 64), world=World(train_frames=12, val_frames=5))
    distill = pair_of(trained) if fusion == "pair" else PLAIN
    folder = train(recipe(tmp_path, model=Model(width=16, fusion=fusion), distill=distill, machine=machine, data=data))
    assert load(folder).card.fusion == fusion
