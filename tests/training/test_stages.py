"""What a recipe says of subsets reaches batches, scores and a stage's identity; nothing is trained here."""

from dataclasses import replace

import pytest
import torch

from robustseg.failures import all_subsets
from robustseg.frames import open_frames
from robustseg.models.weights import save_model
from robustseg.recipe import Data, Distill, Model, Sight, World
from robustseg.scoring import Task
from robustseg.training import calibration
from robustseg.training.batches import Share, epoch_loader
from robustseg.training.calibration import calibrated
from robustseg.training.identity import stage_identity
from robustseg.training.learners import teacher_folder
from robustseg.training.run import make_stage, model_card

NEEDED = Data(size=(32, 64), world=World(train_frames=10, val_frames=4), needs_one_of=("depth", "lidar"))


@pytest.fixture
def taught(recipe, tmp_path):
    """A recipe whose teacher is there, untrained."""
    made = recipe(tmp_path, data=NEEDED, sight=Sight(drawn=2, singles=1), select="last")
    frames = open_frames(made.data, "train")
    teacher = make_stage(made, "teacher", frames, torch.device("cpu"))
    teacher_folder(made).mkdir(parents=True)
    save_model(teacher_folder(made), teacher.step.model, model_card(made, frames, "teacher"))
    return made, teacher, frames


def needed(frames) -> torch.Tensor:
    return torch.tensor([modality.name in NEEDED.needs_one_of for modality in frames.modalities])


def test_subsets_of_a_stage_hold_what_is_needed(taught):
    made, teacher, frames = taught
    student = make_stage(made, "student", frames, torch.device("cpu"))
    rows = all_subsets(len(frames.modalities))
    assert torch.equal(student.subsets, rows[(rows & needed(frames)).any(dim=1)])
    assert torch.equal(teacher.subsets, rows[-1:])
    assert teacher.train.one_of is None
    batches = list(epoch_loader(student.train, Share(4, parts=1), epoch=0, first_step=0, workers=0))
    drawn = torch.cat([batch.drawn for batch in batches])
    assert drawn.shape == (8, 3, len(frames.modalities))
    assert (drawn & needed(frames)).any(dim=2).all()
    assert (drawn[:, 2].sum(dim=1) == 1).all()


def test_scores_and_temperatures_are_of_subsets_with_what_is_needed(taught, monkeypatch):
    made, _, frames = taught
    model, _, plan = Task(teacher_folder(made), made.data, "val", device="cpu").open("cpu")
    cases = plan.cases["emm"]
    rows = all_subsets(len(frames.modalities))
    assert [list(case.present) for case in cases] == rows[(rows & needed(frames)).any(dim=1)].tolist()
    assert [list(case.needs) for case in cases] == (torch.tensor([c.present for c in cases]) & needed(frames)).tolist()
    seen = []
    monkeypatch.setattr(
        calibration, "fit_temperatures", lambda model, frames, subsets, progress: seen.append(subsets) or (1.0,) * 4
    )
    calibrated(model.card, model, frames, "toys", made.data.needs_one_of)
    assert seen[0].tolist() == [list(case.present) for case in cases]


CHANGES = {
    "sight": {"sight": Sight(drawn=2)},
    "needs_one_of": {"data": replace(NEEDED, needs_one_of=("depth",))},
    "holdout_seed": {"holdout_seed": 1},
    "fusion": {"model": Model(width=16, fusion="weighted")},
    "private": {"model": Model(width=16, private=("norm",))},
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_decides_a_students_weights_is_in_its_identity(recipe, tmp_path, name):
    plain, changed = recipe(tmp_path, data=NEEDED), recipe(tmp_path, **({"data": NEEDED} | CHANGES[name]))
    assert stage_identity(plain, "student") != stage_identity(changed, "student")
    same = stage_identity(plain, "teacher") == stage_identity(changed, "teacher")
    assert same == (name in ("sight", "needs_one_of"))  # a teacher sees everything


def test_the_order_of_private_parts_makes_no_difference(recipe, tmp_path):
    one, other = (recipe(tmp_path, model=Model(private=parts)) for parts in (("norm", "patch"), ("patch", "norm")))
    assert stage_identity(one, "student") == stage_identity(other, "student")
    assert stage_identity(replace(one, distill=Distill(rrm=0.0)), "student") != stage_identity(other, "student")
