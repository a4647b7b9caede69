"""What all visitors of the explorer share: a model, frames to show it, and what is known of it from before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from robustseg.build import load
from robustseg.data.sample import Frames
from robustseg.deploy.health import HEALTH_FILE, Profile, load_profiles
from robustseg.deploy.predictor import MEMORY
from robustseg.frames import open_frames, prediction_frames
from robustseg.models.card import ModelCard
from robustseg.models.segmenter import Segmenter
from robustseg.recipe_file import RECIPE_FILE, read_recipe
from robustseg.robustness import Evaluation, stored_evaluation
from robustseg.robustness import load as load_evaluation
from robustseg.robustness.evaluate import check_frames
from robustseg.robustness.storage import JSON_FILE
from robustseg.robustness.variants import History
from robustseg.scoring import model_recipe

MOST_READ = 256
"""Frames that are read at the start to learn their tags, where no evaluation tells them."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Material:
    """A model and what there is to explore it with.

    Attributes:
        name: What the page calls the model.
        model: With a card.
        frames: Its data; None = visitors bring images of their own.
        tags: Of each frame; () = not known without reading them all.
        evaluation: Of every subset, of these very weights; None = not evaluated.
        profiles: Of healthy sensors, by modality; empty = not learned.
        memory: Bytes that one frame may take, see `robustseg.Predictor`.
        history: Of the frames.
        lock: Held by whoever computes.
    """

    name: str
    model: Segmenter
    frames: Frames | None = None
    tags: tuple[dict[str, str], ...] = ()
    evaluation: Evaluation | None = None
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    memory: float = MEMORY
    history: History | None = field(init=False)
    lock: Lock = field(init=False, default_factory=Lock)

    def __post_init__(self) -> None:
        object.__setattr__(self, "history", History(self.frames) if self.frames is not None else None)

    @property
    def card(self) -> ModelCard:
        """The model's."""
        return self.model.card


def gather(
    folder: Path,
    data: Path | None = None,
    *,
    split: str = "",
    root: str = "",
    device: str = "auto",
    progress: Progress | None = None,
) -> Material:
    """A model folder with its frames, its stored evaluation and what is known of its sensors' health.

    Args:
        folder: The model's.
        data: Frames laid out as the training data were, labels not needed; None = the split that the recipe beside the
            model names, with labels, and no frames for a model without a recipe.
        split: Which; "" = the recipe's val or, with `data`, no such folder level.
        root: Where the recipe's data lie, if not where it says.
        device: Where to compute; "auto" = a GPU if there is one.
        progress: Called with (done, all) while tags are read.

    Raises:
        FileNotFoundError: There is no such model, or no such data.
        ValueError: A file of the model's is damaged, or the data are not what it was trained for.
    """
    model = load(folder, device)
    frames = _frames(folder, model.card, data, split, root)
    if frames is not None:
        check_frames(model, frames)
    evaluation = _evaluation(folder, model.card, split if data is None else "")
    return Material(
        name="/".join(folder.resolve().parts[-2:]),
        model=model,
        frames=frames,
        tags=_tags(frames, evaluation, progress),
        evaluation=evaluation,
        profiles=load_profiles(folder, model.card.sha256) if (folder / HEALTH_FILE).is_file() else {},
    )


def _frames(folder: Path, card: ModelCard, data: Path | None, split: str, root: str) -> Frames | None:
    has_recipe = (folder / RECIPE_FILE).is_file()
    if data is not None:
        if root:
            raise ValueError("DATA are frames without labels, --root the recipe's data with labels: give one of them")
        recipe_data = read_recipe(folder / RECIPE_FILE).data if has_recipe and card.benchmark else None
        return prediction_frames(card, data, split, recipe_data)
    if not has_recipe and not (split or root):
        return None
    recipe = model_recipe(folder, recipe_file=None, root=root)
    return open_frames(recipe.data, split or recipe.data.val)


def _evaluation(folder: Path, card: ModelCard, split: str) -> Evaluation | None:
    """That of the recipe's split, if it was made with the weights that are there now."""
    recipe = folder / RECIPE_FILE
    wanted = split or (read_recipe(recipe).data.val if recipe.is_file() else "")
    if not wanted or not (folder / "evaluation" / wanted / JSON_FILE).is_file():
        return None
    found = load_evaluation(stored_evaluation(folder, wanted))
    return found if found.weights in (card.sha256, "") else None  # older files do not tell


def _tags(
    frames: Frames | None, evaluation: Evaluation | None, progress: Progress | None
) -> tuple[dict[str, str], ...]:
    """Of each frame: from an evaluation of as many frames that begin alike, else read, if they are not too many."""
    if frames is None:
        return ()
    first = frames[0]
    if evaluation and len(evaluation.frames) == len(frames) and evaluation.frames[0] == first.name:
        return evaluation.tags
    if len(frames) > MOST_READ or not first.tags:
        return ()
    found = []
    for place in range(len(frames)):
        found.append(frames[place].tags)
        if progress:
            progress(len(found), len(frames))
    return tuple(found)
