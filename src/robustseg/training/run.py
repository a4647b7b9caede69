"""The main job: a teacher on complete sensors, then a student that learns from it and survives missing ones.

A run is a folder with `teacher/` and `student/`; each stage's folder becomes a model folder when it is done. A recipe
that names a teacher, or says that there is none, has the student's stage alone.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file

from robustseg.data.sample import Frames
from robustseg.data.stats import class_frequency, measured
from robustseg.data.world import WorldFrames
from robustseg.distill.objective import Objective
from robustseg.failures import evaluation_subsets, places_of
from robustseg.files import write_text
from robustseg.frames import open_frames
from robustseg.models.card import ModelCard, read_card
from robustseg.models.weights import save_model
from robustseg.progress import progress_bar
from robustseg.recipe import Recipe
from robustseg.recipe_file import RECIPE_FILE, write_recipe
from robustseg.scoring import SUMMARY_FILE
from robustseg.training.batches import Share, TrainingFrames, steps_per_epoch
from robustseg.training.calibration import calibrated
from robustseg.training.checkpoint import remove_checkpoints
from robustseg.training.fit import BEST, fit
from robustseg.training.identity import check_made_from, check_taught, claim, stage_identity
from robustseg.training.learners import (
    check_given,
    check_start,
    given_models,
    origin,
    student_step,
    teacher_folder,
    teacher_step,
    teacher_weights,
)
from robustseg.training.processes import is_first_process, launch, only_one
from robustseg.training.selection import select_frames, selection_name
from robustseg.training.stage import Running, Stage

MEASURED_FRAMES = 200


def train(recipe: Recipe, *, restart: bool = False) -> Path:
    """Trains the teacher, if the recipe has one to train, and then the student; gives the student's folder.

    Interrupted, it goes on where it stopped and ends with the same weights as if it had not been. A finished teacher
    is used again if everything that made it agrees with the recipe and the data.

    Args:
        recipe: What to do.
        restart: Throw away what the run's folder holds of the stages that this recipe trains, and start over.

    Raises:
        ValueError: The run's folder holds something made from another recipe or other data; the message says what
            differs. A loss is not finite. The recipe contradicts itself.
        FileNotFoundError: Data files are missing.
    """
    _run(recipe, ("teacher", "student"), restart=restart)
    return Path(recipe.out) / recipe.name / "student"


def train_teacher(recipe: Recipe, *, restart: bool = False) -> Path:
    """The first stage alone; gives the teacher's folder, which `distill.teacher` names if it is set. See `train`.

    `restart` throws a student of the old teacher away as well.

    Raises:
        ValueError: The recipe says that there is no teacher; or as `train` does.
    """
    folder = teacher_folder(recipe)
    if folder is None:
        raise ValueError("distill.teacher is 'none': there is no teacher to train")
    if not recipe.distill.teacher:
        _run(recipe, ("teacher",), restart=restart)
    return folder


def _run(recipe: Recipe, stages: tuple[str, ...], *, restart: bool) -> None:
    """Trains what is not done of some stages, one command at a time in the run's folder."""
    check_recipe(recipe)
    if "student" in stages:
        check_given(recipe)
    recipe = measured_recipe(recipe)
    check_start(recipe, open_frames(recipe.data, recipe.data.train, training=True))
    folder = Path(recipe.out) / recipe.name
    if recipe.distill.teacher:
        stages = ("student",)
    with only_one(folder):
        identities = {name: stage_identity(recipe, name) for name in stages}
        if recipe.distill.teacher:
            identities["student"]["weights"] = teacher_weights(recipe)
        if is_first_process():
            if restart:
                _clear(recipe, [folder / name for name in dict.fromkeys((*stages, "student"))])
            for name in stages:  # the student's too: not after hours of the teacher's training
                check_taught(folder / name, taught=teacher_folder(recipe) is not None)
                check_made_from(folder / name, identities[name])
        launch(recipe.machine, partial(_run_stages, recipe=recipe, identities=identities))


def _clear(recipe: Recipe, doomed: list[Path]) -> None:
    """Deletes stages; a student goes with its teacher, but nothing that the recipe itself starts from."""
    for needed in given_models(recipe):
        for path in doomed:
            if needed.resolve().is_relative_to(path.resolve()):
                raise ValueError(
                    f"--restart would delete {needed}, which the recipe needs: give this run another --name"
                )
    for path in doomed:
        shutil.rmtree(path, ignore_errors=True)


def _run_stages(fabric: Fabric, recipe: Recipe, identities: dict[str, dict[str, Any]]) -> None:
    fabric.barrier()  # other processes wait until the first has looked after the folders
    for name, identity in identities.items():
        folder = Path(recipe.out) / recipe.name / name
        if name == "student":  # of the teacher that was just trained, if none was given
            identity["weights"] = teacher_weights(recipe)
        if fabric.broadcast(fabric.is_global_zero and claim(folder, identity)):
            fabric.print(f"{name}: already trained, {folder}", file=sys.stderr)
            if fabric.is_global_zero:
                write_recipe(folder / RECIPE_FILE, recipe)  # what made no difference to training may have changed
            continue
        _run_stage(fabric, recipe, name)
        fabric.barrier()


def check_recipe(recipe: Recipe) -> None:
    """Finds what would stop the second stage, or the end of the first, before hours are spent.

    Raises:
        ValueError, FileNotFoundError: Something is wrong with the machine, the batches, the losses or a file.
    """
    machine = recipe.machine
    if machine.accelerator == "gpu" and torch.cuda.device_count() < machine.devices:
        raise ValueError(f"machine.devices asks for {machine.devices} GPUs, {torch.cuda.device_count()} are here")
    frames = open_frames(recipe.data, recipe.data.train, training=True)
    train_frames, _ = select_frames(recipe, frames)
    parts = machine.devices * machine.nodes
    for name, schedule in {"teacher": recipe.teacher, "student": recipe.student}.items():
        if name == "student" or not recipe.distill.teacher:  # a teacher that is given has had its batches
            try:
                Share(schedule.batch_size, parts=parts * schedule.accumulate)
                steps_per_epoch(len(train_frames), schedule.batch_size)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
    places_of(recipe.data.needs_one_of, frames.modalities)
    Objective(recipe.distill, len(frames.classes))
    if recipe.model.encoder_weights and not Path(recipe.model.encoder_weights).is_file():
        raise FileNotFoundError(f"there is no file {recipe.model.encoder_weights} (model.encoder_weights)")


def measured_recipe(recipe: Recipe) -> Recipe:
    """The recipe with mean and std of all modalities: those of what is given, or measured on the training split.

    Given is a teacher or, where there is none, the model that the student starts from.
    """
    if all(modality.mean is not None for modality in recipe.data.modalities):
        return recipe
    given = given_models(recipe) if recipe.distill.teacher else []
    if given:
        known = {modality.name: modality for modality in read_card(given[0]).modalities}
        modalities = [
            replace(m, mean=known[m.name].mean, std=known[m.name].std) if m.name in known else m
            for m in recipe.data.modalities
        ]
    else:
        frames = open_frames(recipe.data, recipe.data.train, training=True)
        modalities = measured(frames.modalities, frames, limit=MEASURED_FRAMES)
    return replace(recipe, data=replace(recipe.data, modalities=tuple(modalities)))


def _run_stage(fabric: Fabric, recipe: Recipe, name: str) -> None:
    """Trains one stage in this process and, on the first process, leaves its model folder."""
    frames = open_frames(recipe.data, recipe.data.train, training=True)
    if isinstance(frames, WorldFrames):
        _render(frames, quiet=not fabric.is_global_zero)
    stage = make_stage(recipe, name, frames, fabric.device)
    running = fit(fabric, stage)
    if fabric.is_global_zero:
        _finish(recipe, stage, running, frames)


def make_stage(recipe: Recipe, name: str, frames: Frames, device: torch.device) -> Stage:
    """The fixed parts of "teacher" or "student"; `frames` are the recipe's training split.

    Raises:
        ValueError: The teacher is for other data, or the student cannot start from the model it should start from.
    """
    train_frames, select = select_frames(recipe, frames)
    teaching = name == "teacher"  # it sees all that a frame has, and is not scored on less
    one_of = None if teaching else places_of(recipe.data.needs_one_of, frames.modalities)
    subsets = evaluation_subsets(len(frames.modalities), one_of=one_of)
    return Stage(
        name=name,
        folder=Path(recipe.out) / recipe.name / name,
        step=teacher_step(recipe, frames, train_frames)
        if teaching
        else student_step(recipe, frames, train_frames, device),
        train=TrainingFrames(
            train_frames,
            recipe.data.transforms,
            size=recipe.data.size,
            seed=recipe.seed,
            sight=recipe.sight,
            one_of=one_of,
        ),
        select=select,
        subsets=subsets[-1:] if teaching else subsets,
        schedule=recipe.teacher if teaching else recipe.student,
        machine=recipe.machine,
    )


def _render(frames: WorldFrames, *, quiet: bool) -> None:
    """Before training, so that nobody waits later and worker processes inherit the frames."""
    if quiet:
        frames.preload()
        return
    with progress_bar("rendering the world") as report:
        frames.preload(report)


def model_card(recipe: Recipe, frames: Frames, stage: str) -> ModelCard:
    """What a trained model's folder says about it."""
    data = recipe.data
    match data.kind:
        case "deliver" | "muses" | "mcubes" as kind:
            benchmark = kind
        case _:
            benchmark = ""
    return ModelCard(
        backbone=recipe.model.backbone,
        width=recipe.model.width,
        classes=frames.classes,
        modalities=frames.modalities,
        absence=recipe.model.absence,
        fusion=recipe.model.fusion,
        private=recipe.model.private,
        input_size=data.size,
        origin=origin(recipe, stage),
        labels=data.labels if data.kind == "folders" else "",
        ignore_ids=data.ignore_ids,
        resize=data.resize if data.kind != "world" else None,
        benchmark=benchmark,
    )


def _finish(recipe: Recipe, stage: Stage, running: Running, frames: Frames) -> None:
    """Turns the best weights into a model folder, calibrated, and says how they were chosen."""
    model = running.model
    model.load_state_dict(load_file(stage.folder / BEST))
    card = replace(model_card(recipe, frames, stage.name), frequency=class_frequency(frames, limit=MEASURED_FRAMES))
    if stage.select is not None:
        try:
            card = calibrated(card, model, stage.select, selection_name(recipe), recipe.data.needs_one_of)
        except ValueError as error:  # the weights are good without
            print(f"{stage.name}: not calibrated, {error}; robustseg calibrate can do it later", file=sys.stderr)
    save_model(stage.folder, model.cpu(), card)
    summary = {
        "stage": stage.name,
        "select": recipe.select,
        "split": selection_name(recipe) or None,
        "score": None if recipe.select == "last" else running.score,
        "score_is": "mean over subsets of mIoU in percent"
        if len(stage.subsets) > 1
        else "mIoU in percent, all sensors",
        "epoch": running.best_step // stage.steps_per_epoch,
        "epochs": stage.schedule.epochs,
        "scores": running.scores,
        "seconds": round(running.seconds, 1),
        "calibrated_on": card.calibrated_on or None,
    }
    write_recipe(stage.folder / RECIPE_FILE, recipe)
    write_text(stage.folder / SUMMARY_FILE, json.dumps(summary, indent=1))  # last: it says that the stage is done
    remove_checkpoints(stage.folder)
    (stage.folder / BEST).unlink()
