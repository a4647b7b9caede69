import csv
import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from safetensors.torch import load_file
from spawned import counts_of

from robustseg.build import load
from robustseg.failures import all_subsets
from robustseg.frames import open_frames
from robustseg.models.card import read_card
from robustseg.recipe import Data, Distill, Machine, Model, Schedule, Scoring, Sight, World
from robustseg.recipe_file import read_recipe
from robustseg.training import run, teacher
from robustseg.training.checkpoint import load_checkpoint
from robustseg.training.learners import student_step, teacher_step
from robustseg.training.processes import launch, only_one
from robustseg.training.run import train, train_teacher
from robustseg.training.selection import hold_out, selection_score


def rows(path):
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_every_term_its_weight_and_share_are_logged(recipe, tmp_path):
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
def test_other_selections_say_so(recipe, tmp_path, select):
    student = train(recipe(tmp_path, select=select))
    summary = json.loads((student / "training.json").read_text())
    assert summary["split"] == ("val" if select == "published" else None)


def test_what_training_does_not_depend_on_can_change_after_it(recipe, tmp_path):
    student = train(recipe(tmp_path))
    before = (student / "model.safetensors").read_bytes()
    assert train(recipe(tmp_path, scoring=Scoring(flip=True))) == student
    assert read_recipe(student / "recipe.yaml").scoring.flip
    assert (student / "model.safetensors").read_bytes() == before


def test_student_starts_where_the_recipe_says(recipe, tmp_path):
    frozen = Schedule(epochs=1, batch_size=4, lr=1e-30, weight_decay=0)
    for start in ("teacher", "scratch"):
        folder = train(recipe(tmp_path, name=start, student=frozen, distill=Distill(student_init=start)))
        teacher, student = (load_file(folder.parent / stage / "model.safetensors") for stage in ("teacher", "student"))
        name = next(key for key in teacher if key.endswith("weight") and teacher[key].ndim == 2)
        assert torch.allclose(teacher[name], student[name]) == (start == "teacher")
    start = tmp_path / "teacher" / "student"
    other = train(recipe(tmp_path, name="file", student=frozen, distill=Distill(student_init=str(start))))
    assert torch.allclose(*(load_file(folder / "model.safetensors")[name] for folder in (other, start)))


def test_changed_recipe_is_named_and_nothing_is_lost(recipe, tmp_path):
    student = train(recipe(tmp_path))
    stamp = (student / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(ValueError, match=r"teacher.epochs: 1 -> 2.*--restart true"):
        train(recipe(tmp_path, teacher=Schedule(epochs=2, batch_size=4)))
    with pytest.raises(ValueError, match=r"distill.rrm: "):
        train(recipe(tmp_path, distill=Distill(rrm=7.0)))
    with pytest.raises(ValueError, match=r"student was made from something else \(student.lr: "):
        train(recipe(tmp_path, student=Schedule(epochs=1, batch_size=4, lr=1e-5)))
    with pytest.raises(ValueError, match=r"machine.precision: 32-true -> bf16-mixed"):
        train(recipe(tmp_path, machine=Machine(accelerator="cpu", precision="bf16-mixed")))
    assert (student / "model.safetensors").stat().st_mtime_ns == stamp
    assert read_recipe(student / "recipe.yaml") == recipe(tmp_path)
    machine = replace(recipe(tmp_path).machine, log_every=5)
    assert train(recipe(tmp_path, machine=machine)) == student  # where it runs does not matter


def test_an_interrupted_restart_goes_on_without_it(recipe, tmp_path, monkeypatch):
    train(recipe(tmp_path))
    other = recipe(tmp_path, student=Schedule(epochs=1, batch_size=4, lr=1e-5))
    with monkeypatch.context() as broken:
        broken.setattr(run, "fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(other, restart=True)
    student = train(other)
    assert read_recipe(student / "recipe.yaml") == other


def interrupted(*_):
    raise KeyboardInterrupt


def test_the_student_has_its_first_weights_licence(recipe, tmp_path, mit_file):
    model = Model(width=16, encoder_weights=str(mit_file))
    teacher_folder = train_teacher(recipe(tmp_path, model=model))
    assert "non-commercial" in read_card(teacher_folder).origin
    for start, origin in (("teacher", read_card(teacher_folder).origin), ("scratch", "random initialisation")):
        distill = Distill(teacher=str(teacher_folder), student_init=start)
        plain = replace(model, encoder_weights="")
        assert read_card(train(recipe(tmp_path, name=start, model=plain, distill=distill))).origin == origin


def test_other_encoder_weights_in_the_same_place_are_noticed(recipe, tmp_path, mit_file):
    model = Model(width=16, encoder_weights=str(mit_file))
    train_teacher(recipe(tmp_path, model=model))
    torch.save({name: value + 1 for name, value in torch.load(mit_file).items()}, mit_file)
    with pytest.raises(ValueError, match=r"model.encoder_weights: "):
        train_teacher(recipe(tmp_path, model=model))


@pytest.mark.parametrize(("where", "clip"), [("loss", 1.0), ("gradient", 1.0), ("gradient", 0.0)])
def test_nan_stops_with_the_frames_names_and_keeps_the_weights(recipe, tmp_path, monkeypatch, where, clip):
    real = teacher.ohem_cross_entropy

    def broken(logits, labels, **options):
        loss = real(logits, labels, **options)
        if where == "loss":
            return loss * torch.nan
        loss.register_hook(lambda gradient: gradient * torch.nan)
        return loss

    monkeypatch.setattr(teacher, "ohem_cross_entropy", broken)
    with pytest.raises(ValueError, match=r"not finite on the frames scene"):
        train(recipe(tmp_path, teacher=Schedule(epochs=1, batch_size=4, clip=clip)))
    assert load_checkpoint(tmp_path / "small" / "teacher") is None
    assert (tmp_path / "small" / "teacher" / "log.csv").exists()
    assert not (tmp_path / "small" / "teacher" / "model.json").exists()


@pytest.mark.slow
def test_accumulation_gives_nearly_the_same_step(recipe, tmp_path):
    losses = []
    for parts in (1, 2):
        schedule = Schedule(epochs=1, batch_size=4, accumulate=parts)
        model = Model(width=16, dropout=0, drop_path=0)
        folder = train(recipe(tmp_path, name=f"parts{parts}", teacher=schedule, student=schedule, model=model))
        losses.append(float(rows(folder.parent / "teacher" / "log.csv")[-1]["loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=0.3)  # OHEM and BatchNorm see smaller batches


@pytest.mark.slow
def test_two_processes_train_and_count_like_one(recipe, tmp_path):
    machine = Machine(accelerator="cpu", devices=2, log_every=1)
    data = Data(size=(32, 64), world=World(train_frames=12, val_frames=5))
    student = train(recipe(tmp_path, machine=machine, data=data, holdout=0.25))
    _, held = hold_out(open_frames(data, "train"), 0.25, recipe(tmp_path).seed)
    counts = []
    for devices in (1, 2):
        count = partial(counts_of, folder=student, frames=held, subsets=all_subsets(4))
        counts.append(launch(replace(machine, devices=devices), count))
    assert counts[0] == counts[1]
    summary = json.loads((student / "training.json").read_text())
    assert selection_score(torch.tensor(counts[0])) == summary["score"]


@pytest.mark.slow
def test_two_processes_train_with_one_batchnorm(recipe, tmp_path):
    machine = Machine(accelerator="cpu", devices=2, log_every=1, sync_batchnorm=True)
    student = train(recipe(tmp_path, machine=machine))
    assert load(student).card.width == 16
    with pytest.raises(ValueError, match=r"machine.sync_batchnorm: True -> False"):
        train(recipe(tmp_path, machine=replace(machine, sync_batchnorm=False)))


@pytest.mark.slow
def test_bfloat16_trains(recipe, tmp_path):
    machine = Machine(accelerator="cpu", precision="bf16-mixed", log_every=1)
    student = train(recipe(tmp_path, machine=machine))
    assert all(torch.isfinite(value).all() for value in load_file(student / "model.safetensors").values())


def test_a_given_teacher_saves_the_first_stage(recipe, tmp_path):
    teacher_folder = train(recipe(tmp_path)).parent / "teacher"
    student = train(recipe(tmp_path, name="second", distill=Distill(teacher=str(teacher_folder))))
    assert not (student.parent / "teacher").exists()
    again = train(recipe(tmp_path, name="small"))
    assert torch.equal(*(next(iter(load_file(f / "model.safetensors").values())) for f in (student, again)))


def test_one_stage_without_a_teacher(recipe, tmp_path):
    distill = Distill(teacher="none", student_init="scratch", logit_kl=0, hpdm=0, rrm=0)
    unused = Schedule(batch_size=64)  # more than there are frames
    made = recipe(tmp_path, distill=distill, sight=Sight(singles=1, everything=True), teacher=unused)
    student = train(made)
    assert not (student.parent / "teacher").exists()
    assert set(rows(student / "log.csv")[0]) >= {"cross_entropy", "score"}
    assert train(made) == student
    with pytest.raises(ValueError, match="there is no teacher to train"):
        train_teacher(made)
    with pytest.raises(ValueError, match="was trained with no teacher, the recipe asks for one"):
        train(recipe(tmp_path))
    assert not (student.parent / "teacher").exists()  # it was found out before

    frozen = Schedule(epochs=1, batch_size=4, lr=1e-30, weight_decay=0)
    start = replace(distill, student_init=str(student))
    other = Data(size=(32, 64), world=World(train_frames=10, val_frames=4, seed=1))
    onwards = train(recipe(tmp_path, name="onwards", distill=start, student=frozen, data=other))
    old, new = (load_file(folder / "model.safetensors") for folder in (student, onwards))
    learned = [name for name, value in old.items() if value.is_floating_point() and "running" not in name]
    assert all(torch.allclose(old[name], new[name]) for name in learned)
    assert read_card(onwards).modalities == read_card(student).modalities  # with their means, though data differ


def test_batches_that_are_too_large_are_named(recipe, tmp_path):
    for stage in ("teacher", "student"):
        with pytest.raises(ValueError, match=f"{stage}: 8 training frames do not fill a batch of 64"):
            train(recipe(tmp_path, **{stage: Schedule(batch_size=64)}))


def test_what_needs_a_teacher_says_so():
    with pytest.raises(ValueError, match=r"set distill\.hpdm, distill\.rrm to 0, and distill\.student_init to scratch"):
        Distill(teacher="none", logit_kl=0)
    with pytest.raises(ValueError, match=r"'none': set distill\.student_init to scratch"):
        Distill(teacher="none", logit_kl=0, hpdm=0, rrm=0)


def test_gradient_checkpointing_ends_with_the_same_weights(recipe, tmp_path):
    model = Model(width=16, drop_path=0.3)
    student = train(recipe(tmp_path, model=model))
    again = train(recipe(tmp_path, name="checkpointed", model=replace(model, gradient_checkpointing=True)))
    for stage in ("teacher", "student"):
        plain, other = (load_file(folder.parent / stage / "model.safetensors") for folder in (student, again))
        assert all(torch.equal(plain[name], other[name]) for name in plain)
    assert train(recipe(tmp_path, model=replace(model, gradient_checkpointing=True))) == student  # may change half-way


def test_class_weights_reach_both_stages_and_make_another_model(recipe, tmp_path):
    plain = train(recipe(tmp_path))
    weighted = train(recipe(tmp_path, name="weighted", distill=Distill(class_weights="log")))
    for stage in ("teacher", "student"):
        first, other = (rows(folder.parent / stage / "log.csv")[0]["cross_entropy"] for folder in (plain, weighted))
        assert float(first) != float(other)
    with pytest.raises(ValueError, match=r"supervised.class_weights: none -> inverse"):
        train(recipe(tmp_path, distill=Distill(class_weights="inverse")))


def test_class_weights_are_counted_on_the_training_frames(recipe, tmp_path):
    made = recipe(tmp_path, distill=Distill(class_weights="inverse"))
    frames = open_frames(made.data, "train")
    kept, _ = hold_out(frames, 0.3, 0)
    pixels = torch.zeros(len(frames.classes), dtype=torch.int64)
    for index in range(len(kept)):
        labels = kept[index].labels
        pixels += torch.bincount(labels[labels != 255], minlength=len(pixels))
    share = pixels.double() / pixels.sum()
    step = teacher_step(made, frames, kept)
    assert torch.allclose(
        step.class_weights.double() * share.clamp(min=1e-3), step.class_weights.double()[0] * share[0]
    )
    assert teacher_step(recipe(tmp_path), frames, kept).class_weights is None


def test_one_training_at_a_time(recipe, tmp_path):
    with only_one(tmp_path / "small"), pytest.raises(ValueError, match=r"another training is at work in .*small"):
        train(recipe(tmp_path))
    assert train(recipe(tmp_path)).is_dir()


def test_a_restart_spares_what_the_recipe_starts_from(recipe, tmp_path):
    folder = train_teacher(recipe(tmp_path))
    student = train(recipe(tmp_path, distill=Distill(teacher=str(folder))), restart=True)
    assert (folder / "model.json").exists()
    with pytest.raises(ValueError, match="--restart would delete"):
        train(recipe(tmp_path, distill=Distill(student_init=str(student))), restart=True)
    assert (student / "model.json").exists()


def test_another_teachers_normalisation_is_noticed_before_the_folder_is_claimed(recipe, tmp_path):
    folder = train_teacher(recipe(tmp_path))
    card = json.loads((folder / "model.json").read_text())
    card["modalities"][0]["mean"][0] += 1
    del card["card_sha256"]
    (folder / "model.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="the teacher normalises rgb"):
        train(recipe(tmp_path, name="other", distill=Distill(teacher=str(folder))))
    assert not (tmp_path / "other").exists()


def test_the_teacher_alone(recipe, tmp_path):
    folder = train_teacher(recipe(tmp_path))
    assert (folder / "model.json").exists()
    assert not (folder.parent / "student").exists()


def test_what_would_fail_late_fails_first(recipe, tmp_path):
    schedule = Schedule(epochs=1, batch_size=64)
    with pytest.raises(ValueError, match="lower batch_size"):
        train(recipe(tmp_path, student=schedule))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        train(recipe(tmp_path, distill=Distill(student_init="nowhere")))
    wide = train_teacher(recipe(tmp_path, name="wide", model=Model(width=32)))
    with pytest.raises(ValueError, match=r"cannot start from .*another network"):
        train(recipe(tmp_path, distill=Distill(student_init=str(wide))))
    with pytest.raises(ValueError, match="GPUs"):
        train(recipe(tmp_path, machine=Machine(accelerator="gpu", devices=64)))
    assert not (tmp_path / "small").exists()


def test_a_student_with_more_parts_starts_from_a_plain_teacher(recipe, tmp_path):
    teacher = train_teacher(recipe(tmp_path))
    model = Model(width=16, private=("norm", "patch"), fusion="weighted")
    given = recipe(tmp_path, name="private", model=model, distill=Distill(teacher=str(teacher)))
    frames = open_frames(given.data, given.data.train, training=True)
    step = student_step(given, frames, frames, torch.device("cpu"))
    images, known = frames[0].images[None], load(teacher)
    with torch.no_grad():
        assert torch.allclose(step.model.eval()(images).logits, known(images).logits, atol=1e-4)
    card = read_card(train(given))
    assert (card.fusion, card.private) == ("weighted", ("norm", "patch"))
    learned = load(tmp_path / "private" / "student").state_dict()
    assert all((tensor != 0).any() for name, tensor in learned.items() if name.startswith("reliability."))
    with pytest.raises(ValueError, match=r"cannot start from .*another network"):
        train(recipe(tmp_path, distill=Distill(student_init=str(tmp_path / "private" / "student"))))


def test_only_a_reported_split_may_change(recipe, tmp_path):
    student = train(recipe(tmp_path))
    reported = Data(size=(32, 64), val="held_out", world=World(train_frames=10, val_frames=3))
    assert train(recipe(tmp_path, data=reported)) == student
    chosen = recipe(tmp_path, name="published", select="published")
    train(chosen)
    with pytest.raises(ValueError, match="val"):
        train(replace(chosen, data=reported))
