"""Runs become a page: sections, template, style and script in one file that needs no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from robustseg.files import write_text
from robustseg.report.frames.seen import Seen
from robustseg.report.page.confidence import confidence_section
from robustseg.report.page.export import export_tables
from robustseg.report.page.facts import facts, facts_grid
from robustseg.report.page.faults import fault_section
from robustseg.report.page.published import protocol_section, published_section
from robustseg.report.page.scores import class_section, comparison_section, condition_section, subset_section
from robustseg.report.page.section import Section, empty
from robustseg.report.page.shown import KEY, TITLE, frame_section, look
from robustseg.report.page.worth import shapley_values, worth_section
from robustseg.report.runs import Runs, open_runs
from robustseg.report.verdict import Tile, comparison, tiles, verdict
from robustseg.version import __version__

LARGEST = 10_000_000
"""Bytes: pages stay below."""

MARGIN = 200_000
"""Bytes that are kept free for what wraps the frames."""


@dataclass(frozen=True)
class Head:
    """What stands above the sections.

    Attributes:
        title: Of the window.
        place: What the page is about, in the line above the headline.
        headline: The page in one sentence.
        sentences: Below it.
        tiles: Numbers that stand out.
        facts: Names and values of what the reader must know.
    """

    title: str
    place: str
    headline: str
    sentences: tuple[str, ...]
    tiles: tuple[Tile, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Page:
    """A page and what it is made of."""

    html: str
    sections: tuple[Section, ...]


def write_report(
    folders: Sequence[Path],
    out: Path,
    *,
    split: str = "",
    frames: int = 12,
    root: str = "",
    recipe_file: Path | None = None,
    device: str = "auto",
    extra: Sequence[Section] = (),
) -> Page:
    """Writes the report of some runs, and its tables to a folder beside it.

    Args:
        folders: Model folders, or run folders with teacher/ and student/; the first one's model is the subject.
        out: The HTML file.
        split: Whose evaluations to read; see `open_runs`.
        frames: How many frames at most the reader can switch sensors off in; 0 = none.
        root: The data folder, if it is not the recipe's.
        recipe_file: Whose data to use; by default the recipe beside the model.
        device: Where to predict those frames.
        extra: Further sections, see `build_page`.

    Raises:
        FileNotFoundError: A folder is no model or was not evaluated.
        ValueError: Evaluations are damaged or of different data.
    """
    runs = open_runs(folders, split)
    none = "Left out on request."
    seen = look(runs, frames, root=root, recipe_file=recipe_file, device=device) if frames > 0 else none
    page = build_page(runs, seen, extra)
    write_text(out, page.html)
    export_tables(data_folder(out), page.sections, facts_grid(runs))
    return page


def data_folder(out: Path) -> Path:
    """Where the tables of a report lie: report_data/ beside report.html."""
    return out.with_name(f"{out.stem}_data")


def build_page(runs: Runs, seen: list[Seen] | str, extra: Sequence[Section] = ()) -> Page:
    """The page below 10 MB: the frames get what the rest leaves.

    Args:
        runs: What it is about.
        seen: The frames, or why there are none.
        extra: Sections on more than these runs, which stand behind the models' comparison.
    """
    sections = [
        subset_section(runs),
        comparison_section(runs),
        *extra,
        class_section(runs),
        condition_section(runs),
        worth_section(runs),
        fault_section(runs),
        confidence_section(runs),
        protocol_section(runs),
        *([published] if (published := published_section(runs)) else []),
    ]
    head = _head(runs)
    rest = len(render(head, [*sections, empty(KEY, TITLE, "")]).encode())
    sections.insert(1, frame_section(runs, seen, LARGEST - MARGIN - rest))
    return Page(render(head, sections), tuple(sections))


def render(head: Head, sections: Sequence[Section]) -> str:
    """The template with everything in it; all text that is not markup yet is escaped."""
    style, script = _asset("page.css"), _asset("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            head=head,
            sections=sections,
            style=Markup(style),
            script=Markup(script),
            style_hash=_digest(style),
            script_hash=_digest(script),
            version=__version__,
        )
    )


def _head(runs: Runs) -> Head:
    subject, found = runs.subject, runs.subject.subsets
    title = f"{subject.name} on {runs.split}"
    others = reversed(runs.models[:-1])
    return Head(
        title=title,
        place=f"{subject.folder.resolve().parent.name} / {title}",
        headline=verdict(found, shapley_values(found)),
        sentences=tuple(comparison((subject.name, found), (other.name, other.subsets)) for other in others),
        tiles=tuple(tiles(found)),
        facts=tuple(facts(runs)),
    )


def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asset(name: str) -> str:
    return (files("robustseg.report.page") / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """What a content security policy calls a script or style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
