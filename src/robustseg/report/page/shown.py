"""The section of frames whose sensors the reader switches off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from robustseg.build import load
from robustseg.frames import open_frames
from robustseg.labels import LabelClass
from robustseg.progress import progress_bar
from robustseg.report.charts.svg import element
from robustseg.report.frames.choice import choose_frames
from robustseg.report.frames.packing import Packed, pack
from robustseg.report.frames.seen import Seen, see_frames
from robustseg.report.page.section import Section, empty
from robustseg.report.runs import Runs
from robustseg.scoring import recipe_task

KEY, TITLE = "frames", "Switch sensors off"
MOST_MODELS = 2
"""Models whose predictions are shown beside each other: the subject and the one before it."""


def look(
    runs: Runs, number: int, *, root: str = "", recipe_file: Path | None = None, device: str = "auto"
) -> list[Seen] | str:
    """The frames that lose most when a sensor goes and what the models see in them, or why there are none."""
    choices = choose_frames(runs.subject.subsets, number)
    if not choices:
        return "No frame loses anything when one sensor goes, or that was not evaluated."
    shown = runs.models[-MOST_MODELS:]
    try:
        scored_by = recipe_file or runs.subject.recipe_file
        task = recipe_task(runs.subject.folder, recipe_file=scored_by, root=root, split=runs.split)
        frames = open_frames(task.data, task.split)
        models = {model.name: load(model.folder, device=device) for model in shown}
        with progress_bar("predicting frames") as report:
            evaluations = {model.name: model.subsets for model in shown}
            return see_frames(models, evaluations, frames, choices, scoring=task.scoring, progress=report)
    except (OSError, ValueError) as error:
        return f"The frames could not be shown: {error}"


def frame_section(runs: Runs, seen: list[Seen] | str, limit: int) -> Section:
    """The viewer, or why there is none; `limit` is how many bytes it may have."""
    if isinstance(seen, str):
        return empty(KEY, TITLE, seen)
    card = runs.subject.card
    packed = pack(seen, card.modalities, card.classes, limit=limit)
    if not packed.data["frames"]:
        return empty(KEY, TITLE, f"Not one frame fits into the size of this file ({limit} bytes are left for them).")
    lead = (
        "Frames in which a sensor matters most: for each sensor in turn those that lose most without it. "
        "Switch sensors off and watch what the model still sees. Scores are the frame's mIoU in percent, classes that "
        "it lacks left out."
    )
    return Section(KEY, TITLE, lead, _viewer(packed, card.classes), data=packed.data)


def _viewer(packed: Packed, classes: Sequence[LabelClass]) -> Markup:
    """The skeleton that the page's script fills."""
    keys = "Keys: 1 to 9 switch a sensor, 0 switches all on, left and right change the frame, m changes the view."
    modes = (
        element(
            "button", name.capitalize(), type="button", data_mode=name, aria_pressed="true" if not place else "false"
        )
        for place, name in enumerate(("overlay", "labels", "errors"))
    )
    return element(
        "div",
        element("noscript", element("p", "The buttons need JavaScript, which is switched off here.", class_="empty")),
        element("div", class_="strip", role="group", aria_label="Frames"),
        element("p", class_="story"),
        element("div", class_="sensors", role="group", aria_label="Sensors, press to switch off or on"),
        element("div", element("div", *modes, class_="switch", role="group", aria_label="View"), class_="tools"),
        element("div", class_="stage"),
        element("p", class_="status", role="status", aria_live="polite"),
        legend(classes),
        element("p", keys, class_="note keys"),
        element("p", packed.remark, class_="note") if packed.remark else Markup(),
        class_="viewer",
        id="viewer",
    )


def legend(classes: Sequence[LabelClass]) -> Markup:
    """The classes' colors."""
    entries = (
        element(
            "li",
            element(
                "svg",
                element("rect", width=12, height=12, rx=2, fill="#{:02x}{:02x}{:02x}".format(*entry.color)),
                width=12,
                height=12,
                aria_hidden="true",
            ),
            entry.name,
        )
        for entry in classes
    )
    return element("ul", *entries, class_="key classes", aria_label="Colors of the classes")
