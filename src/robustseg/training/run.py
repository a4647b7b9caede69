"""The main job: a teacher on complete sensors, then a student that learns from it and survives missing ones.

A run is a folder with `teacher/` and `student/`; each stage's folder becomes a model folder when it is done.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file

from robustseg.build import build_model, load
from robustseg.data.sample import Frames
from robustseg.data.stats import measured
from robustseg.distill.objective import Objective
from robustseg.failures import evaluation_subsets
from robustseg.files import write_text
from robustseg.frames import open_frames
from robustseg.modalities import Modality
from robustseg.models.card import RANDOM_ORIGIN, ModelCard, read_card
from robustseg.models.released import MIT_ORIGIN
from robustseg.models.segmenter import Segmenter
from robustseg.models.weights import save_model
from robustseg.recipe import Recipe
from robustseg.recipe_file import RECIPE_FILE, write_recipe
from robustseg.robustness.evaluate import check_frames
from robustseg.scoring import SUMMARY_FILE
from robustseg.training.batches import Share, TrainingFrames, steps_per_epoch
from robustseg.training.checkpoint import remove_checkpoints
from robustseg.training.fit import BEST, fit
from robustseg.training.frozen import FrozenTeacher
from robustseg.training.identity import is_done, student_identity, teacher_identity
from robustseg.training.processes import launch, only_one
from robustseg.training.selection import hold_out
from robustseg.training.stage import Running, Stage
from robustseg.training.student import StudentStep
from robustseg.training.teacher import TeacherStep

MEASURED_FRAMES = 200


def train(recipe: Recipe, *, restart: bool = False) -> Path:
    """Trains the teacher and then the student of a recipe, or what is left of it to do; gives the student's folder.

    Interrupted, it goes on where it stopped and ends with the same weights as if it had not been. A finished teacher
    is used again if everything that made it agrees with the recipe and the data.

    Args:
        recipe: What to do.
        restart: Throw away what the run's folder holds and start over.

    Raises:
        ValueError: The run's folder holds something made from another recipe or other data; the message says what
            differs. A loss is not finite. The recipe contradicts itself.
        FileNotFoundError: Data files are missing.
    """
    check_recipe(recipe)
    recipe = measured_recipe(recipe)
    run = Path(recipe.out) / recipe.name
    with only_one(run):
        folder = _train_teacher(recipe, restart=restart)
        student = run / "student"
        if restart:
            shutil.rmtree(student, ignore_errors=True)
        if not is_done(student, student_identity(recipe, read_card(folder).sha256)):
            launch(recipe.machine, partial(run_stage, recipe=recipe, name="student"))
    return student


def train_teacher(recipe: Recipe, *, restart: bool = False) -> Path:
    """The first stage alone; gives the teacher's folder, which `distill.teacher` names if it is set. See `train`."""
    check_recipe(recipe)
    with only_one(Path(recipe.out) / recipe.name):
        return _train_teacher(measured_recipe(recipe), restart=restart)


def _train_teacher(recipe: Recipe, *, restart: bool) -> Path:
    if recipe.distill.teacher:
        return Path(recipe.distill.teacher)
    folder = Path(recipe.out) / recipe.name / "teacher"
    if restart:
        shutil.rmtree(folder, ignore_errors=True)
    if not is_done(folder, teacher_identity(recipe)):
        launch(recipe.machine, partial(run_stage, recipe=recipe, name="teacher"))
    return folder


def check_recipe(recipe: Recipe) -> None:
    """Finds what would stop the second stage, or the end of the first, before hours are spent.

    Raises:
        ValueError, FileNotFoundError: Something is wrong with the machine, the batches, the losses or a file.
    """
    machine = recipe.machine
    if machine.accelerator == "gpu" and torch.cuda.device_count() < machine.devices:
        raise ValueError(f"machine.devices asks for {machine.devices} GPUs, {torch.cuda.device_count()} are here")
    frames = open_frames(recipe.data, recipe.data.train)
    train_frames, _ = _split(recipe, frames)
    for schedule in (recipe.teacher, recipe.student):
        Share(schedule.batch_size, parts=machine.devices * machine.nodes * schedule.accumulate)
        steps_per_epoch(len(train_frames), schedule.batch_size)
    Objective(recipe.distill, len(frames.classes))
    for folder in (recipe.distill.teacher, recipe.distill.student_init):
        if folder not in ("", "scratch", "teacher"):
            read_card(Path(folder))
    if recipe.model.encoder_weights and not Path(recipe.model.encoder_weights).is_file():
        raise FileNotFoundError(f"there is no file {recipe.model.encoder_weights} (model.encoder_weights)")


def measured_recipe(recipe: Recipe) -> Recipe:
    """The recipe with mean and std of all modalities: a given teacher's, or measured on the training split."""
    if all(modality.mean is not None for modality in recipe.data.modalities):
        return recipe
    if recipe.distill.teacher:
        known = {modality.name: modality for modality in read_card(Path(recipe.distill.teacher)).modalities}
        modalities = [
            replace(m, mean=known[m.name].mean, std=known[m.name].std) if m.name in known else m
            for m in recipe.data.modalities
        ]
    else:
        frames = open_frames(recipe.data, recipe.data.train)
        modalities = measured(frames.modalities, frames, limit=MEASURED_FRAMES)
    return replace(recipe, data=replace(recipe.data, modalities=tuple(modalities)))


def run_stage(fabric: Fabric, recipe: Recipe, name: str) -> None:
    """Trains one stage in this process and, on the first process, leaves its model folder."""
    run = Path(recipe.out) / recipe.name
    frames = open_frames(recipe.data, recipe.data.train)
    train_frames, select = _split(recipe, frames)
    subsets = evaluation_subsets(len(frames.modalities))
    teaching = name == "teacher"
    step = _teacher_step(recipe, frames) if teaching else _student_step(recipe, frames, fabric.device)
    stage = Stage(
        name=name,
        folder=run / name,
        step=step,
        train=TrainingFrames(train_frames, recipe.data.transforms, size=recipe.data.size, seed=recipe.seed),
        select=select,
        subsets=subsets[-1:] if teaching else subsets,
        schedule=recipe.teacher if teaching else recipe.student,
        machine=recipe.machine,
    )
    running = fit(fabric, stage)
    if fabric.is_global_zero:
        _finish(recipe, stage, running, frames)


def _split(recipe: Recipe, frames: Frames) -> tuple[Frames, Frames | None]:
    """What is trained on, and what selects."""
    match recipe.select:
        case "holdout":
            return hold_out(frames, recipe.holdout, recipe.seed)
        case "published":
            return frames, open_frames(recipe.data, recipe.data.val)
        case "last":
            return frames, None


def _teacher_step(recipe: Recipe, frames: Frames) -> TeacherStep:
    return TeacherStep(_fresh(recipe, frames), recipe.distill)


def _student_step(recipe: Recipe, frames: Frames, device: torch.device) -> StudentStep:
    teacher_folder = Path(recipe.distill.teacher or Path(recipe.out) / recipe.name / "teacher")
    known = load(teacher_folder)
    check_frames(known, frames)
    _check_normalisation(known.card.modalities, frames.modalities)
    model = _fresh(recipe, frames)
    match recipe.distill.student_init:
        case "scratch":
            pass
        case "teacher":
            _copy_weights(known, model, teacher_folder)
        case path:
            _copy_weights(load(Path(path)), model, Path(path))
    return StudentStep(model, FrozenTeacher(known).to(device), Objective(recipe.distill, len(frames.classes)))


def _fresh(recipe: Recipe, frames: Frames) -> Segmenter:
    return build_model(
        recipe.model, num_classes=len(frames.classes), num_modalities=len(frames.modalities), seed=recipe.seed
    )


def _check_normalisation(teacher: tuple[Modality, ...], student: tuple[Modality, ...]) -> None:
    """Teacher and student see the same tensors, so their means and standard deviations must be the same."""
    for one, other in zip(teacher, student, strict=True):
        if (one.mean, one.std) != (other.mean, other.std):
            raise ValueError(
                f"the teacher normalises {one.name} by mean {one.mean} and std {one.std}, the recipe by {other.mean} "
                f"and {other.std}: leave them out of the recipe, then the teacher's are used"
            )


def _copy_weights(source: Segmenter, target: Segmenter, folder: Path) -> None:
    try:
        target.load_state_dict(source.state_dict())
    except RuntimeError as error:
        detail = " ".join(str(error).split())
        raise ValueError(f"the student cannot start from {folder}, it is another network: {detail}") from error


def model_card(recipe: Recipe, frames: Frames) -> ModelCard:
    """What a trained model's folder says about it."""
    folders = recipe.data.kind == "folders"
    file = recipe.model.encoder_weights
    return ModelCard(
        backbone=recipe.model.backbone,
        width=recipe.model.width,
        classes=frames.classes,
        modalities=frames.modalities,
        absence=recipe.model.absence,
        input_size=recipe.data.size,
        origin=f"{Path(file).name}: {MIT_ORIGIN}" if file else RANDOM_ORIGIN,
        labels=recipe.data.labels if folders else "",
        ignore_ids=recipe.data.ignore_ids,
        resize=recipe.data.resize if folders else None,
    )


def _finish(recipe: Recipe, stage: Stage, running: Running, frames: Frames) -> None:
    """Turns the best weights into a model folder and says how they were chosen."""
    model = running.model.cpu()
    model.load_state_dict(load_file(stage.folder / BEST))
    save_model(stage.folder, model, model_card(recipe, frames))
    summary = {
        "stage": stage.name,
        "select": recipe.select,
        "split": {"holdout": f"{recipe.holdout:g} of {recipe.data.train}", "published": recipe.data.val}.get(
            recipe.select
        ),
        "score": None if recipe.select == "last" else running.score,
        "score_is": "mean over subsets of mIoU in percent"
        if len(stage.subsets) > 1
        else "mIoU in percent, all sensors",
        "epoch": running.best_step // stage.steps_per_epoch,
        "epochs": stage.schedule.epochs,
        "scores": running.scores,
    }
    write_recipe(stage.folder / RECIPE_FILE, recipe)
    write_text(stage.folder / SUMMARY_FILE, json.dumps(summary, indent=1))  # last: it says that the stage is done
    remove_checkpoints(stage.folder)
    (stage.folder / BEST).unlink()
