"""Models published: card, weights, sensors' health and a page about them, in a folder or on the Hugging Face Hub.

Tokens are huggingface_hub's business: nothing here sees them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from robustseg.deploy.health import HEALTH_FILE, load_profiles
from robustseg.deploy.model_card import model_page
from robustseg.files import write_atomically, write_text
from robustseg.models.card import CARD_FILE, ModelCard, card_text, read_card
from robustseg.models.hub import NO_HUB, HubName, reason
from robustseg.models.weights import WEIGHTS_FILE, load_weights
from robustseg.recipe_file import RECIPE_FILE, read_recipe
from robustseg.robustness import Evaluation, load_study, stored_evaluation

PAGE_FILE = "README.md"


@dataclass(frozen=True)
class Publication:
    """What is published of a model folder; its recipe and its evaluations, which may tell of your machine, are not.

    Attributes:
        name: Where it will stand.
        copies: File -> the one that it is a copy of: the weights and, if it was learned, the sensors' health.
        texts: File -> content of the others.
    """

    name: HubName
    copies: Mapping[str, Path]
    texts: Mapping[str, str]


def publication(folder: Path, name: HubName, *, license: str, data: str = "", split: str = "") -> Publication:
    """A model folder as it is to be published, its weights and what is known of its sensors' health checked.

    Args:
        folder: The model folder.
        name: Where it will stand.
        license: An identifier of the hub's, such as apache-2.0; "other" for one it does not know.
        data: What it was trained on, in words; "" = as far as the folder tells.
        split: Whose evaluation the page shows, if there are several.

    Raises:
        FileNotFoundError: It is no model folder, or was not evaluated on that split.
        ValueError: The folder is damaged, the licence is no identifier, or an evaluation or the sensors' health is of
            other weights.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", license):
        raise ValueError(f"a licence is named as the hub does, apache-2.0, mit, cc-by-nc-4.0 or other; got {license!r}")
    card = read_card(folder)
    load_weights(folder, card)
    study = _study(folder, split, card.sha256)
    profiles = load_profiles(folder, card.sha256) if (folder / HEALTH_FILE).is_file() else {}
    health = [modality.name for modality in card.modalities if modality.name in profiles]
    page = model_page(name, card, study, health, license=license, data=data or _data(folder, card))
    files = (WEIGHTS_FILE, HEALTH_FILE) if health else (WEIGHTS_FILE,)
    return Publication(name, {file: folder / file for file in files}, {CARD_FILE: card_text(card), PAGE_FILE: page})


def write(published: Publication, folder: Path) -> None:
    """Writes what would be published into a folder, the card last, as a model folder of its own.

    Raises:
        ValueError: The folder is there and not empty.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValueError(f"{folder} is there already and not an empty folder: name a new one")
    for file, source in published.copies.items():
        write_atomically(folder / file, partial(_copy, source))
    for file in (PAGE_FILE, CARD_FILE):
        write_text(folder / file, published.texts[file])


def upload(published: Publication, *, private: bool = False) -> str:
    """Uploads it in one commit, into a new repository if there is none; gives the commit's address.

    What an earlier model left there of its sensors' health is deleted.

    Args:
        published: What, and where to.
        private: Only you, or your organisation, see it.

    Raises:
        OSError: The hub refuses it or cannot be reached, or what should be private is there already and public.
        ValueError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    except ImportError:
        raise ValueError(NO_HUB) from None
    name, api = published.name, HfApi()
    contents = {**{file: text.encode() for file, text in published.texts.items()}, **published.copies}
    changes: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(file, content) for file, content in contents.items()
    ]
    try:
        api.create_repo(name.repository, private=private or None, exist_ok=True)
        if private and not api.model_info(name.repository).private:
            raise ValueError("it is there already, and public: make it private there, or choose another name")
        if name.revision != "main":
            api.create_branch(name.repository, branch=name.revision, exist_ok=True)
        if HEALTH_FILE not in contents and api.file_exists(name.repository, HEALTH_FILE, revision=name.revision):
            changes.append(CommitOperationDelete(HEALTH_FILE))
        commit = api.create_commit(name.repository, changes, commit_message="Add the model", revision=name.revision)
    except Exception as error:  # of the hub, and of what it speaks HTTP with: they share no base
        raise OSError(f"cannot publish {name}: {reason(error)}") from error
    return commit.commit_url


def _study(folder: Path, split: str, weights: str) -> dict[str, Evaluation]:
    """The stored evaluation of these weights; empty if there is none."""
    if not split and not (folder / "evaluation").is_dir():
        return {}
    place = stored_evaluation(folder, split)
    study = load_study(place)
    if any(evaluation.weights != weights for evaluation in study.values()):
        raise ValueError(f"{place} is an evaluation of other weights: run robustseg evaluate {folder} again")
    return study


def _data(folder: Path, card: ModelCard) -> str:
    """What the folder tells of the data; a recipe's folders, which are this machine's, are not told."""
    if card.benchmark:
        return f"the benchmark {card.benchmark}"
    made_up = (folder / RECIPE_FILE).is_file() and read_recipe(folder / RECIPE_FILE).data.kind == "world"
    return "the world that robustseg makes up" if made_up else "not told"


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
