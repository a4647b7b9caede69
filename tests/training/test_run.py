import csv
import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file

import robustseg as rs
from robustseg.recipe import Data, Distill, Machine, Model, Recipe, Schedule, World
from robustseg.training import teacher
from robustseg.training.run import train, train_teacher


def recipe(out, **changes) -> Recipe:
    schedule = Schedule(epochs=1, batch_size=4)
    values = {
        "name": "small",
        "data": Data(size=(32, 64), world=World(train_frames=10, val_frames=4)),
        "model": Model(width=16),
        "teacher": schedule,
        "student": schedule,
        "machine": Machine(accelerator="cpu", log_every=1),
        "out": str(out),
    }
    return Recipe(**(values | changes))


def rows(path):
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_every_term_its_weight_and_share_are_logged(tmp_path):
    student = train(recipe(tmp_path))
    first = rows(student / "log.csv")[0]
    names = ("cross_entropy", "logit_kl", "hpdm", "rrm")
    total = sum(float(first[name]) * float(first[f"{name}_weight"]) for name in names)
    assert total == pytest.approx(float(first["loss"]), rel=1e-3)
    assert sum(float(first[f"{name}_share"]) for name in names) == pytest.approx(1, abs=1e-3)
    summary = json.loads((student / "training.json").read_text())
    assert summary["select"] == "holdout"
    assert summary["score"] == max(score for _, score in summary["scores"])


@pytest.mark.parametrize("select", ["published", "last"])
def test_other_selections_say_so(tmp_path, select):
    student = train(recipe(tmp_path, select=select))
    summary = json.loads((student / "training.json").read_text())
    assert summary["split"] == ("val" if select == "published" else None)


def test_student_starts_where_the_recipe_says(tmp_path):
    frozen = Schedule(epochs=1, batch_size=4, lr=1e-30, weight_decay=0)
    for start in ("teacher", "scratch"):
        folder = train(recipe(tmp_path, name=start, student=frozen, distill=Distill(student_init=start)))
        teacher, student = (load_file(folder.parent / stage / "model.safetensors") for stage in ("teacher", "student"))
        name = next(key for key in teacher if key.endswith("weight") and teacher[key].ndim == 2)
        assert torch.allclose(teacher[name], student[name]) == (start == "teacher")
    start = tmp_path / "teacher" / "student"
    other = train(recipe(tmp_path, name="file", student=frozen, distill=Distill(student_init=str(start))))
    assert torch.allclose(*(load_file(folder / "model.safetensors")[name] for folder in (other, start)))


def test_changed_recipe_is_named_and_nothing_is_lost(tmp_path):
    student = train(recipe(tmp_path))
    stamp = (student / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(ValueError, match=r"teacher.epochs: 1 -> 2.*--restart true"):
        train(recipe(tmp_path, teacher=Schedule(epochs=2, batch_size=4)))
    with pytest.raises(ValueError, match=r"distill.rrm: "):
        train(recipe(tmp_path, distill=Distill(rrm=7.0)))
    assert (student / "model.safetensors").stat().st_mtime_ns == stamp
    machine = dataclasses.replace(recipe(tmp_path).machine, log_every=5)
    assert train(recipe(tmp_path, machine=machine)) == student  # where it runs does not matter


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_nan_stops_with_the_frames_names_and_keeps_the_weights(tmp_path, monkeypatch, where):
    real = teacher.ohem_cross_entropy

    def broken(logits, labels, **options):
        loss = real(logits, labels, **options)
        if where == "loss":
            return loss * torch.nan
        loss.register_hook(lambda gradient: gradient * torch.nan)
        return loss

    monkeypatch.setattr(teacher, "ohem_cross_entropy", broken)
    with pytest.raises(ValueError, match=r"not finite on the frames scene"):
        train(recipe(tmp_path, machine=Machine(accelerator="cpu", log_every=100)))
    assert not (tmp_path / "small" / "teacher" / "model.json").exists()


@pytest.mark.slow
def test_accumulation_gives_nearly_the_same_step(tmp_path):
    losses = []
    for parts in (1, 2):
        schedule = Schedule(epochs=1, batch_size=4, accumulate=parts)
        model = Model(width=16, dropout=0, drop_path=0)
        folder = train(recipe(tmp_path, name=f"parts{parts}", teacher=schedule, student=schedule, model=model))
        losses.append(float(rows(folder.parent / "teacher" / "log.csv")[-1]["loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=0.3)  # OHEM and BatchNorm see smaller batches


@pytest.mark.slow
def test_two_processes_train_and_count_like_one(tmp_path):
    machine = Machine(accelerator="cpu", devices=2, log_every=1)
    data = Data(size=(32, 64), world=World(train_frames=12, val_frames=5))
    student = train(recipe(tmp_path, machine=machine, data=data, holdout=0.25))
    summary = json.loads((student / "training.json").read_text())
    model = rs.load(student)
    from lightning.fabric import Fabric

    from robustseg.failures import all_subsets
    from robustseg.frames import open_frames
    from robustseg.training.selection import hold_out, selection_counts, selection_score

    _, held = hold_out(open_frames(data, "train"), 0.25, recipe(tmp_path).seed)
    alone = selection_counts(Fabric(accelerator="cpu", devices=1), model, held, all_subsets(4), batch_size=4)
    assert selection_score(alone) == summary["score"]  # the two processes' counts, summed, are one process's


@pytest.mark.slow
def test_bfloat16_trains(tmp_path):
    machine = Machine(accelerator="cpu", precision="bf16-mixed", log_every=1)
    student = train(recipe(tmp_path, machine=machine))
    assert all(torch.isfinite(value).all() for value in load_file(student / "model.safetensors").values())


def test_a_given_teacher_saves_the_first_stage(tmp_path):
    teacher_folder = train(recipe(tmp_path)).parent / "teacher"
    student = train(recipe(tmp_path, name="second", distill=Distill(teacher=str(teacher_folder))))
    assert not (student.parent / "teacher").exists()
    again = train(recipe(tmp_path, name="small"))
    assert torch.equal(*(next(iter(load_file(f / "model.safetensors").values())) for f in (student, again)))


def test_the_teacher_alone(tmp_path):
    folder = train_teacher(recipe(tmp_path))
    assert (folder / "model.json").exists()
    assert not (folder.parent / "student").exists()
