"""Losses that take the images, the network or modules of their own, in a step and in a whole run."""

import csv
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from robustseg.build import build_model
from robustseg.distill import Objective, Predictors, better_half, consistency, draw_permutation, prediction
from robustseg.models.fusion import joined
from robustseg.recipe import LOSSES, Distill, Machine, Model, Recipe, Schedule, Sight
from robustseg.training import fit
from robustseg.training.batches import TrainingBatch
from robustseg.training.checkpoint import save_checkpoint
from robustseg.training.frozen import FrozenTeacher
from robustseg.training.run import train
from robustseg.training.student import StudentStep

ONLY_SUPERVISED = Distill(logit_kl=0.0, hpdm=0.0, rrm=0.0)
EVERY_LOSS = Distill(**dict.fromkeys(LOSSES, 0.01), target="superset")


@pytest.fixture
def batch() -> TrainingBatch:
    """Two frames with two answers each; the second frame lacks a modality."""
    draw = torch.Generator().manual_seed(0)
    present = torch.tensor([[True, True, True], [True, False, True]])
    drawn = torch.tensor([[[True, False, False], [True, True, True]], [[True, False, False], [True, False, True]]])
    images = torch.randn(2, 3, 3, 32, 64, generator=draw)
    images[~present] = torch.nan
    labels = torch.randint(0, 4, (2, 32, 64), generator=draw)
    permutation = draw_permutation(drawn.any(dim=1), present, draw)
    return TrainingBatch(images, labels, present, drawn, permutation, ("", ""))


def made_step(distill: Distill) -> StudentStep:
    recipe = Model(width=16, dropout=0.0, drop_path=0.0)
    teacher, student = (build_model(recipe, 4, 3, seed=seed) for seed in (1, 2))
    predictors = Predictors(student.encoder.widths, 3, torch.Generator().manual_seed(3))
    return StudentStep(student, FrozenTeacher(teacher), Objective(distill, 4), predictors).train()


def terms(step: StudentStep, batch: TrainingBatch) -> dict[str, Tensor]:
    return step(batch.images, batch, 0).terms


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_teaches_by_itself(batch, name):
    step = made_step(Distill(**dict.fromkeys(LOSSES, 0.0) | {name: 1.0}))
    losses = terms(step, batch)
    assert losses.keys() == {name}
    losses[name].backward()
    gradients = [p.grad for p in step.model.encoder.parameters() if p.grad is not None]
    assert torch.stack([gradient.norm() for gradient in gradients]).norm() > 0
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert all((p.grad is not None) == (name == "prediction") for p in step.besides.parameters())


def test_consistency_of_each_answer_with_its_better_half(batch):
    step = made_step(replace(ONLY_SUPERVISED, consistency=1.0))
    found = terms(step, batch)["consistency"]
    parts, wholes = [], []
    for subset in batch.drawn.unbind(1):
        encoded = step.model.encode_batch(batch.images, subset)
        half = better_half(encoded.maps, encoded.sample, encoded.modality, subset)
        assert half.sum(1).tolist() == ((subset.sum(1) + 1) // 2).tolist()
        parts.append(step.model.fuse(encoded.maps, encoded.sample, encoded.modality, half))
        wholes.append(step.model.fuse(encoded.maps, encoded.sample, encoded.modality, subset))
    assert int(step.model.decoder.norm.num_batches_tracked) == 1
    *halves, first, second = step.model.decode(joined(parts + wholes)).chunk(4)  # together, as BatchNorm asks
    expected = [
        consistency(part=part, whole=whole, labels=batch.labels, threshold=0.7)
        for part, whole in zip(halves, (first, second), strict=True)
    ]
    assert found.item() == pytest.approx(sum(value.item() for value in expected) / 2, rel=1e-4)


def test_prediction_of_what_each_answer_lacks(batch):
    step = made_step(replace(ONLY_SUPERVISED, prediction=1.0))
    found = terms(step, batch)["prediction"]
    teacher = step.teacher(batch.images, batch.present).maps
    each = [
        prediction(
            step.besides,
            fused=step.model.coarse(batch.images, subset).features,
            teacher=teacher,
            present=subset,
            teacher_present=batch.present,
        )
        for subset in batch.drawn.unbind(1)
    ]
    assert each[1].item() == 0  # the second answer lacks nothing
    assert found.item() == pytest.approx(each[0].item() / 2, rel=1e-4)


def test_a_nearer_target_is_another_one(batch):
    near, far = (terms(made_step(replace(Distill(), target=name)), batch) for name in ("superset", "everything"))
    assert near["logit_kl"] != far["logit_kl"]
    assert all(torch.equal(near[name], far[name]) for name in ("cross_entropy", "hpdm", "rrm"))


def run_of(recipe, folder, distill: Distill = EVERY_LOSS) -> Recipe:
    schedule = Schedule(epochs=2, batch_size=4)
    sight = Sight(drawn=1, everything=True)
    made = recipe(folder, distill=distill, sight=sight, student=schedule)
    return replace(made, machine=replace(made.machine, checkpoint_every=1))


def test_a_run_with_every_loss(recipe, tmp_path):
    student = train(run_of(recipe, tmp_path))
    with (student / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        assert sum(float(row[f"{name}_share"]) for name in LOSSES) == pytest.approx(1, abs=1e-2)
        assert all(float(row[f"{name}_weight"]) == 0.01 for name in LOSSES)
    kept, plain = (load_file(student.parent / stage / "model.safetensors") for stage in ("student", "teacher"))
    assert kept.keys() == plain.keys()  # what is trained besides the model is left behind


def test_what_is_trained_besides_the_model_is_in_checkpoints(recipe, tmp_path, monkeypatch):
    distill = replace(ONLY_SUPERVISED, prediction=1.0)
    whole = train(run_of(recipe, tmp_path / "whole", distill))

    def save_and_die(folder, state) -> None:
        save_checkpoint(folder, state)
        if folder.name == "student" and state["step"] == 2:
            assert state["besides"]
            raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(fit, "save_checkpoint", save_and_die)
        with pytest.raises(SystemExit):
            train(run_of(recipe, tmp_path / "broken", distill))
    resumed = train(run_of(recipe, tmp_path / "broken", distill))
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (whole / "log.csv").read_text() == (resumed / "log.csv").read_text()


def test_gradients_of_gradients_need_what_checkpointing_throws_away():
    with pytest.raises(ValueError, match="no gradient_checkpointing"):
        Recipe(model=Model(gradient_checkpointing=True), distill=Distill(entropy_inputs=0.1))
    with pytest.raises(ValueError, match="use bf16-mixed or 32-true"):
        Recipe(machine=Machine(precision="16-mixed"), distill=Distill(entropy_inputs=0.1))
