"""Models published."""

from __future__ import annotations

from pathlib import Path

from robustseg.commands.shared import console, model_folder


def push(
    model: Path,
    name: str,
    *,
    license: str,
    data: str = "",
    private: bool = False,
    revision: str = "main",
    split: str = "",
    to: Path | None = None,
) -> None:
    """Publish a model on the Hugging Face Hub, with a page that tells what it takes, how good it is, what is untested.

    Published are model.json, model.safetensors, health.safetensors if `robustseg health` wrote it, and the page,
    README.md; no recipe, no data, no evaluation files. Afterwards `hf://org/name` stands for the model in every
    command. Log in first, with `hf auth login`.

    Args:
        model: A model folder; what `robustseg evaluate` stored in it goes into the page.
        name: Where it will stand, as in org/name.
        license: Of the model, as the hub calls it: apache-2.0, mit, cc-by-nc-4.0, other.
        data: What it was trained on, in words for the page, and that data's licence.
        private: Only you, or your organisation, see it.
        revision: The branch.
        split: Whose evaluation the page shows, if the model has several.
        to: Write what would be published into this folder instead; nothing is uploaded.
    """
    from robustseg.deploy.health import HEALTH_FILE
    from robustseg.deploy.hub import publication, upload, write
    from robustseg.models.card import RANDOM_ORIGIN, read_card
    from robustseg.models.hub import HubName

    folder = model_folder(model)
    published = publication(folder, HubName(name, revision), license=license, data=data, split=split)
    if (origin := read_card(folder).origin) != RANDOM_ORIGIN:
        console.print(f"note: the licence must allow for that of the initial weights: {origin}")
    if HEALTH_FILE not in published.copies:
        console.print(f"note: it cannot tell sick sensors; robustseg health {folder} learns that from training frames")
    if to is not None:
        write(published, to)
        console.print(f"written, not published: {to}")
        return
    console.print(f"published: {upload(published, private=private)}\nnext: robustseg.load('{published.name}')")
