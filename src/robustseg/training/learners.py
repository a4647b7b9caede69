"""Who learns in a stage, from whom, and where its first weights come from."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from robustseg.build import build_model, load
from robustseg.data.sample import Frames
from robustseg.data.stats import class_frequency
from robustseg.distill.class_weights import class_weights
from robustseg.distill.objective import COMPARED, OF_MAPS, Objective
from robustseg.distill.prediction import Predictors
from robustseg.models.card import RANDOM_ORIGIN, ModelCard, read_card
from robustseg.models.mit import SHAPES, MiT
from robustseg.models.pair import PairFusion
from robustseg.models.released import MIT_ORIGIN
from robustseg.models.segmenter import Segmenter
from robustseg.models.weights import expanded
from robustseg.recipe import NO_TEACHER, OWN_MAPS, Recipe
from robustseg.robustness.evaluate import check_frames
from robustseg.training.frozen import FrozenTeacher
from robustseg.training.student import StudentStep
from robustseg.training.teacher import TeacherStep

COUNTED_FRAMES = 200
"""So many frames' labels, evenly spread, tell how often the classes occur."""


def teacher_folder(recipe: Recipe) -> Path | None:
    """The given teacher's, or the one that the run trains itself; None = there is none."""
    given = recipe.distill.teacher
    if given == NO_TEACHER:
        return None
    return Path(given or Path(recipe.out) / recipe.name / "teacher")


def given_teacher(recipe: Recipe) -> Path | None:
    """The teacher that was trained before; None = the run trains it, or there is none."""
    return teacher_folder(recipe) if recipe.distill.teacher else None


def given_models(recipe: Recipe) -> list[Path]:
    """All models that must be there before the run starts: a teacher's, and the one that the student starts from."""
    start = () if recipe.distill.student_init == "teacher" else (start_folder(recipe),)
    return [folder for folder in (given_teacher(recipe), *start) if folder]


def teacher_weights(recipe: Recipe) -> str:
    """The hash of the trained teacher's weights; empty = there is none."""
    folder = teacher_folder(recipe)
    return read_card(folder).sha256 if folder else ""


def start_folder(recipe: Recipe) -> Path | None:
    """The model that the student starts as a copy of; None = it starts as a teacher does."""
    match recipe.distill.student_init:
        case "scratch":
            return None
        case "teacher":
            return teacher_folder(recipe)
        case path:
            return Path(path)


def origin(recipe: Recipe, stage: str) -> str:
    """Where a stage's first weights come from, and their licence."""
    if stage == "student" and (start := start_folder(recipe)):
        parents = (start, teacher_folder(recipe) if recipe.model.fusion == "pair" else None)
        return "; ".join(dict.fromkeys(read_card(folder).origin for folder in parents if folder))
    file = recipe.model.encoder_weights
    return f"{Path(file).name}: {MIT_ORIGIN}" if file else RANDOM_ORIGIN


def teacher_step(recipe: Recipe, frames: Frames, train_frames: Frames) -> TeacherStep:
    """A network that learns from the labels; `train_frames` are those of `frames` that it is trained on."""
    return TeacherStep(_fresh(recipe, frames), recipe.distill, _class_weights(recipe, train_frames))


def student_step(recipe: Recipe, frames: Frames, train_frames: Frames, device: torch.device) -> StudentStep:
    """A network that learns from the labels, and from the teacher if there is one.

    Raises:
        ValueError: The teacher is for other data, or the student cannot start from the model it should start from.
    """
    folder = teacher_folder(recipe)
    known = load(folder) if folder else None
    if known:
        _check_same_inputs(known, frames, "teacher")
    model = _student(recipe, frames, known)
    objective = Objective(recipe.distill, len(frames.classes), _class_weights(recipe, train_frames))
    teacher = FrozenTeacher(known).to(device) if known and objective.needs_teacher else None
    return StudentStep(model, teacher, objective, _predictors(recipe, model))


def check_start(recipe: Recipe, frames: Frames) -> None:
    """Finds out, before anything is trained, whether the student can learn from, and start from, given models.

    Raises:
        ValueError: A teacher of other data, or another network.
    """
    folder = given_teacher(recipe)
    known = load(folder) if folder else None
    if known:
        _check_same_inputs(known, frames, "teacher")
    if start_folder(recipe) and (known or recipe.distill.student_init != "teacher"):
        _student(recipe, frames, known)


def check_given(recipe: Recipe) -> None:
    """Finds out whether the models that must be there before the run fit what it makes of them; see `check_teaching`.

    Raises:
        FileNotFoundError: One of them is no model folder.
        ValueError: They do not fit, or a pair lacks one.
    """
    teacher = given_teacher(recipe)
    start = None if recipe.distill.student_init == "teacher" else start_folder(recipe)
    cards = {"teacher": read_card(teacher) if teacher else None, "start": read_card(start) if start else None}
    if recipe.model.fusion == "pair" and None in cards.values():
        raise ValueError("fusion 'pair' joins two trained models: name their folders, distill.teacher and student_init")
    check_teaching(recipe, **cards)


def check_teaching(recipe: Recipe, *, teacher: ModelCard | None, start: ModelCard | None) -> None:
    """Finds out whether a pair has branches that it can join, and the losses that compare maps have maps to compare.

    Args:
        recipe: A student's.
        teacher: Of the teacher; None = it is of the recipe itself, or there is none.
        start: Of the model that the student starts from; None = random weights, or its teacher.

    Raises:
        ValueError: It has not; says what to change.
    """
    distill, model = recipe.distill, recipe.model
    if model.fusion == "pair":
        _check_branches(teacher=teacher, start=start)
    losses, compared = (
        [f"distill.{name}" for name in names if getattr(distill, name) > 0]
        for names in (OF_MAPS, (*COMPARED, "prediction"))
    )
    if losses and (other := {model.fusion, teacher.fusion if teacher else model.fusion} & OWN_MAPS):
        raise ValueError(
            f"fusion {min(other)!r} has no maps of single modalities that can be compared: set {', '.join(losses)} to 0"
        )
    if teacher and compared and SHAPES[teacher.backbone].widths != SHAPES[model.backbone].widths:
        raise ValueError(
            f"the teacher's {teacher.backbone} has maps of other widths than the student's {model.backbone}: "
            f"set {', '.join(compared)} to 0"
        )


def _check_branches(**branches: ModelCard | None) -> None:
    """A pair takes two encoders and computes the plain mean of each one's maps: so they must have been trained."""
    for name, card in branches.items():
        if card is None:
            raise ValueError(f"fusion 'pair' joins two trained models, a teacher and a start: there is no {name}")
        if card.fusion != "mean" or card.absence != "remove" or card.private:
            raise ValueError(
                "fusion 'pair' joins models of fusion 'mean', absence 'remove' and nothing private, "
                f"its {name} is of fusion {card.fusion!r}, absence {card.absence!r}, private {list(card.private)}"
            )


def _class_weights(recipe: Recipe, train_frames: Frames) -> Float[Tensor, " K"] | None:
    """From the labels of at most 200 evenly spread training frames; reads none where no weights are asked for."""
    kind = recipe.distill.class_weights
    if kind == "none":
        return None
    share = class_frequency(train_frames, limit=COUNTED_FRAMES) or (0.0,) * len(train_frames.classes)
    return class_weights(torch.tensor(share), kind)


def _student(recipe: Recipe, frames: Frames, teacher: Segmenter | None) -> Segmenter:
    """A student with its first weights; `teacher` is that of the recipe, None = there is none, or not yet."""
    model = _fresh(recipe, frames)
    if start := start_folder(recipe):
        known = teacher if teacher and start == teacher_folder(recipe) else load(start)
        _check_inputs_of_start(known, frames, recipe)
        _start(model, teacher, known, recipe)
    return model


def _check_inputs_of_start(known: Segmenter, frames: Frames, recipe: Recipe) -> None:
    """What a start knows of single modalities must be of the student's; a frozen branch must see what it was made for.

    What is the same for all modalities may come from others.
    """
    if recipe.model.fusion == "pair":
        _check_same_inputs(known, frames, "model of student_init")
    if known.card.private or known.card.fusion in ("weighted", "moments", "early"):
        ours, theirs = ([entry.name for entry in those] for those in (known.card.modalities, frames.modalities))
        if ours != theirs:
            raise ValueError(
                f"the student cannot start from {start_folder(recipe)}, which has parts of its own for each of "
                f"{', '.join(ours)}: the data's modalities are {', '.join(theirs)}"
            )


def _start(model: Segmenter, teacher: Segmenter | None, student: Segmenter, recipe: Recipe) -> None:
    """Gives a student its first weights: those of a trained one, which may share more, or of a pair's two."""
    try:
        match model:
            case PairFusion() if teacher:
                model.start_from(teacher=teacher, student=student)
            case _:
                model.load_state_dict(expanded(student.state_dict(), model))
    except RuntimeError as error:
        detail = " ".join(str(error).split())
        folder = start_folder(recipe)
        raise ValueError(f"the student cannot start from {folder}, it is another network: {detail}") from error


def _predictors(recipe: Recipe, model: Segmenter) -> Predictors | None:
    if not recipe.distill.prediction:
        return None
    generator = torch.Generator().manual_seed(recipe.seed)
    return Predictors(cast(MiT, model.encoder).widths, model.num_modalities, generator)


def _fresh(recipe: Recipe, frames: Frames) -> Segmenter:
    return build_model(
        recipe.model, num_classes=len(frames.classes), num_modalities=len(frames.modalities), seed=recipe.seed
    )


def _check_same_inputs(known: Segmenter, frames: Frames, what: str) -> None:
    """A model and the student see the same tensors: the same modalities, with the same means and standard deviations.

    Args:
        known: The model.
        frames: The student's.
        what: The model is called so in errors.
    """
    check_frames(known, frames)
    for one, other in zip(known.card.modalities, frames.modalities, strict=True):
        if (one.mean, one.std) != (other.mean, other.std):
            raise ValueError(
                f"the {what} normalises {one.name} by mean {one.mean} and std {one.std}, the recipe by {other.mean} "
                f"and {other.std}: leave them out of the recipe, then the teacher's are used"
            )
