"""Models: trained, calibrated, watched, converted, shown."""

from __future__ import annotations

from pathlib import Path

from robustseg.commands.shared import console, names, own_folder
from robustseg.recipe import Backbone, Recipe


def train(recipe: Recipe, *, teacher_only: bool = False, restart: bool = False) -> None:
    """Train a teacher on complete sensors, then a student that survives missing ones.

    With distill.teacher none the student learns from labels alone, and is all that is trained.

    Stopped in any way, the same command goes on where it was. A finished teacher of the same recipe and data is used
    again.

    Args:
        recipe: What to do.
        teacher_only: Stop after the teacher; other recipes can then learn from it, by `distill.teacher`.
        restart: Throw away what the run's folder holds of the stages that this recipe trains, and start over.
    """
    from robustseg.training.learners import teacher_folder
    from robustseg.training.run import train as train_both
    from robustseg.training.run import train_teacher

    if teacher_only:
        folder = train_teacher(recipe, restart=restart)
        console.print(f"teacher: {folder}\nnext: robustseg train RECIPE --distill.teacher {folder}")
        return
    folder = train_both(recipe, restart=restart)
    teacher = teacher_folder(recipe)
    console.print(f"student: {folder}\nnext: robustseg evaluate {folder}{f' --against {teacher}' if teacher else ''}")


def calibrate(
    model: Path,
    *,
    split: str = "",
    recipe_file: Path | None = None,
    root: str = "",
    device: str = "auto",
) -> None:
    """Fit a model's temperatures anew, so that its confidence agrees with how often it is right; labels stay.

    Training has done it on the frames that selected the weights; do it again for data of your own.

    Args:
        model: A model folder; its model.json is written anew.
        split: Which split, not the one that is reported; by default the frames that selected the weights.
        recipe_file: Whose data to use; by default the recipe the model was trained with, which lies beside it.
        root: The data folder, if it is not the recipe's.
        device: Where to compute: cpu, cuda, cuda:1; auto = a GPU if there is one.
    """
    from robustseg.scoring import model_recipe
    from robustseg.training.calibration import calibrate as calibrate_folder
    from robustseg.training.calibration import calibration_caveat, calibration_frames

    recipe = model_recipe(own_folder(model), recipe_file=recipe_file, root=root)
    frames, where = calibration_frames(recipe, split)
    if caveat := calibration_caveat(recipe, where):
        console.print(f"note: {caveat}")
    card = calibrate_folder(model, frames, where, one_of=recipe.data.needs_one_of, device=device)
    for number, temperature in enumerate(card.temperatures, start=1):
        console.print(f"{number} of {len(card.modalities)} modalities: temperature {temperature:.3f}")
    console.print(f"{model / 'model.json'}: fitted on {where}")


def health(
    model: Path,
    *,
    split: str = "",
    limit: int = 400,
    recipe_file: Path | None = None,
    root: str = "",
    device: str = "auto",
) -> None:
    """Learn what a model's healthy sensors look like, and when a broken one had better be left out.

    Frames are seen healthy and with each sensor broken by the faults of docs/faults.md. What is learned lies beside the
    weights, where robustseg explore and robustseg.deploy.health.Monitor find it. A table tells what is made of the
    images that were learned from. 400 frames of four sensors at 96x128 take some minutes on one core.

    Args:
        model: A model folder; its health.safetensors is written anew.
        split: Which split, with labels; by default the one that the model was trained on.
        limit: At most so many frames are seen broken, spread evenly; more take longer and tell more.
        recipe_file: Whose data to use; by default the recipe the model was trained with, which lies beside it.
        root: The data folder, if it is not the recipe's.
        device: Where to compute: cpu, cuda, cuda:1; auto = a GPU if there is one.
    """
    from robustseg.build import load
    from robustseg.deploy import Predictor
    from robustseg.deploy.health import HEALTH_FILE, learn_health, learned_table, save_profiles
    from robustseg.frames import open_frames
    from robustseg.progress import progress_bar
    from robustseg.report.tables import terminal
    from robustseg.robustness.evaluate import check_frames
    from robustseg.scoring import model_recipe

    if limit < 1:
        raise ValueError(f"--limit is a number of frames, at least 1, got {limit}")
    data = model_recipe(own_folder(model), recipe_file=recipe_file, root=root).data
    segmenter, frames = load(model, device=device), open_frames(data, split or data.train)
    check_frames(segmenter, frames)
    with progress_bar("looking at healthy and broken images") as progress:
        learner = learn_health(Predictor(segmenter), frames, limit=limit, progress=progress)
    profiles = learner.profiles()
    save_profiles(model, profiles, segmenter.card.sha256)
    console.print(terminal(learned_table(learner, profiles)))
    console.print(f"{model / HEALTH_FILE}: learned from {learner.frames} frames of {split or data.train}")
    console.print(f"robustseg explore {model} shows verdicts; Stream(monitor=Monitor.of({str(model)!r})) acts on them")


def convert(checkpoint: Path, out: Path, *, backbone: Backbone, classes: int, sensors: str) -> None:
    """Turn a released RobustSeg or AnySeg checkpoint into a model folder.

    Args:
        checkpoint: A .pth file; it is read without running code from it.
        out: The model folder to write.
        backbone: The network it was trained with.
        classes: How many classes it knows.
        sensors: Names in the order of training, as in rgb,depth,event,lidar.
    """
    from robustseg.models.released import convert as convert_checkpoint

    for line in convert_checkpoint(checkpoint, out, backbone=backbone, classes=classes, sensors=names(sensors) or []):
        console.print(line)
    console.print(f"model folder: {out}")


def demo(
    *,
    out: Path = Path("demo"),
    train_frames: int = 600,
    epochs: int = 8,
    restart: bool = False,
) -> None:
    """From nothing to a network that survives missing sensors, on the built-in world, in minutes.

    Beside it stands one that was trained as long, but with complete sensors alone.

    Args:
        out: Where everything goes.
        train_frames: Frames to train on.
        epochs: Of each of the two networks.
        restart: Throw away what another demo has left there.
    """
    from robustseg.demo import run_demo

    run_demo(out, train_frames=train_frames, epochs=epochs, restart=restart, console=console)
