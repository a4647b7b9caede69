"""Run folders and model folders become what a report is made of: models with their cards, recipes and evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from robustseg.models.card import CARD_FILE, ModelCard, read_card
from robustseg.recipe import Recipe
from robustseg.recipe_file import RECIPE_FILE, read_recipe
from robustseg.robustness import Evaluation, load_study

STAGES = ("teacher", "student")
RESULTS = "evaluation"


@dataclass(frozen=True, eq=False)
class Model:
    """One model of a report.

    Attributes:
        name: What the report calls it.
        folder: Its model folder.
        card: What it is.
        study: Protocol -> evaluation; "emm" is always there.
        recipe: What it was scored by or, if that is not known, trained by; None = unknown.
        recipe_file: Where that stands.
    """

    name: str
    folder: Path
    card: ModelCard
    study: dict[str, Evaluation]
    recipe: Recipe | None = None
    recipe_file: Path | None = None

    @property
    def subsets(self) -> Evaluation:
        """The evaluation of every subset."""
        return self.study["emm"]


@dataclass(frozen=True, eq=False)
class Runs:
    """The models of a report, the subject last.

    Attributes:
        models: At least one.
        split: That all were evaluated on.
        remarks: What a reader must know, such as a model that was left out.
    """

    models: tuple[Model, ...]
    split: str
    remarks: tuple[str, ...] = field(default=())

    @property
    def subject(self) -> Model:
        return self.models[-1]

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """Name -> evaluation of every subset."""
        return {model.name: model.subsets for model in self.models}


def open_runs(folders: Sequence[Path], split: str = "") -> Runs:
    """The models of some run or model folders.

    The first folder's model, of a run the student, is the report's subject; the others stand beside it. One of several
    runs that has one stage alone is called as the run.

    Args:
        folders: Model folders, or folders with teacher/ and student/.
        split: Whose evaluations to read; by default the subject's `data.val`, or the only one that was evaluated.

    Raises:
        FileNotFoundError: A folder is neither, or its subject was not evaluated on the split.
        ValueError: A model was trained again since it was evaluated, models were evaluated on other frames, classes or
            subsets than the subject, or a file is damaged.
    """
    if not folders:
        raise ValueError("name at least one run or model folder")
    found = {name: folder for group in _named(folders) for name, folder in group}
    subject = next(iter(found))
    split = split or _only_split(found[subject])
    models, remarks = [], []
    for name, folder in found.items():
        path = folder / RESULTS / split
        if name != subject and folder.name == STAGES[0] and not path.is_dir():
            remarks.append(f"{name} was not evaluated on {split} and is left out: robustseg evaluate {folder}")
            continue
        models.append(_model(name, folder, split))
    for model in models[1:]:
        _check_comparable(models[0], model)
        if not _same_labels(models[0].subsets, model.subsets):
            remarks.append(
                f"{model.name} and {models[0].name} were scored on different labels of frames of the same names: "
                "their numbers are not comparable"
            )
    return Runs((*reversed(models[1:]), models[0]), split, tuple(remarks))


def _named(folders: Sequence[Path]) -> list[list[tuple[str, Path]]]:
    """For each given folder its model folders by name, the one that matters most first."""
    several = len(folders) > 1
    groups = []
    for folder in folders:
        if (folder / CARD_FILE).is_file():
            groups.append([(_short(folder, folders), folder)])
            continue
        stages = [stage for stage in reversed(STAGES) if (folder / stage / CARD_FILE).is_file()]
        if not stages:
            raise FileNotFoundError(
                f"{folder} is neither a model folder (no {CARD_FILE}) nor a run (no teacher/ or student/ with one)"
            )
        if several and len(stages) == 1:
            groups.append([(_short(folder, folders), folder / stages[0])])
        else:
            groups.append([(f"{folder} {stage}" if several else stage, folder / stage) for stage in stages])
    return groups


def _short(folder: Path, folders: Sequence[Path]) -> str:
    """A folder's own name, or its path where several have the same name."""
    same = sum(other.resolve().name == folder.resolve().name for other in folders) > 1
    return str(folder) if same else folder.resolve().name


def _only_split(folder: Path) -> str:
    """The recipe's split if it was evaluated, else the only one that was."""
    results = folder / RESULTS
    known = sorted(path.name for path in results.iterdir() if path.is_dir()) if results.is_dir() else []
    recipe = folder / RECIPE_FILE
    usual = read_recipe(recipe).data.val if recipe.is_file() else ""
    if usual in known:
        return usual
    if len(known) == 1:
        return known[0]
    if not known:
        raise FileNotFoundError(f"{folder} was not evaluated yet: robustseg evaluate {folder}")
    raise ValueError(f"{folder} was evaluated on {', '.join(known)}: choose one with --split")


def _model(name: str, folder: Path, split: str) -> Model:
    path = folder / RESULTS / split
    if not (path / "evaluation.json").is_file():
        raise FileNotFoundError(f"there is no {path / 'evaluation.json'}: robustseg evaluate {folder} --split {split}")
    study = {protocol: replace(entry, model=name) for protocol, entry in load_study(path).items()}
    card = read_card(folder)
    if any(entry.weights not in ("", card.sha256) for entry in study.values()):
        raise ValueError(f"{path} is of other weights than {folder} holds now: robustseg evaluate {folder} again")
    if not bool(study["emm"].counts.any()):
        raise ValueError(
            f"{path}: no labelled pixel was scored, there is nothing to report: evaluate on labelled frames"
        )
    found = [path / RECIPE_FILE, folder / RECIPE_FILE]  # what it was scored by, or else trained by
    recipe = next((file for file in found if file.is_file()), None)
    return Model(name, folder, card, study, read_recipe(recipe) if recipe else None, recipe)


def _check_comparable(subject: Model, other: Model) -> None:
    for what in ("names", "classes", "frames"):
        if getattr(subject.subsets, what) != getattr(other.subsets, what):
            kind = "subsets" if what == "names" else what
            raise ValueError(
                f"{subject.folder} and {other.folder} were evaluated on different {kind}: evaluate them again, or "
                "report them one by one"
            )


def _same_labels(one: Evaluation, other: Evaluation) -> bool:
    """Whether each frame has as many pixels of each class in both, in the frames that both scored with everything."""
    both = one.scored[:, -1] & other.scored[:, -1]  # F
    mine, theirs = (entry.counts[:, -1, :, 0] + entry.counts[:, -1, :, 2] for entry in (one, other))  # F K
    return bool((mine[both] == theirs[both]).all())
