"""A look as HTML: figures, tiles, tables. All words are escaped: names come from files.

Shapes: K classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from robustseg.app.material import Material
from robustseg.app.pictures import Picture, inputs, outputs
from robustseg.app.scene import Choice, Look, mean_of
from robustseg.labels import LabelClass
from robustseg.report.charts.svg import element
from robustseg.report.frames.embed import picture_uri
from robustseg.report.subsets import narrowed, telling_rows
from robustseg.robustness import Evaluation

WIDEST = 640
"""Pixels: pictures are sent at most so wide."""

MOST_ROWS = 31
"""Subsets in the table; of more only all, all but one, and singles."""


def view(look: Look, choice: Choice, material: Material) -> Markup:
    """Everything beside the controls."""
    card = material.card
    broken = choice.broken if choice.breaks else ""
    return element(
        "div",
        tiles(look),
        element("p", look.note, class_="rs-note", role="status") if look.note else Markup(),
        element(
            "div",
            element(
                "div",
                figures(inputs(look, card.modalities, broken), "rs-inputs"),
                figures(outputs(look, card, choice.worth), "rs-outputs"),
                class_="rs-pictures",
            ),
            element(
                "div", class_table(look, card.classes), subset_table(material.evaluation, look), class_="rs-tables"
            ),
            class_="rs-sides",
        ),
        class_="rs-view",
    )


def tiles(look: Look) -> Markup:
    """The frame's name and the numbers that matter."""
    now, full = mean_of(look.iou), mean_of(look.complete_iou)
    tags = ", ".join(f"{key} {value}" for key, value in look.sample.tags.items())
    changed = look.changed
    cost = look.cost
    worth = "; with worth" if look.prediction and look.prediction.worth else ""
    pixels = "–" if changed is None else f"{100 * changed.mean():.1f} %"
    done = f"{cost.encoded} encoded in {cost.encoding:.0f} ms" if cost.encoded else "nothing encoded anew"
    entries = [
        ("Frame", look.sample.name, tags or "no tags"),
        (
            "mIoU of this frame",
            _percent(now),
            f"all sensors well: {_percent(full)}" if full is not None else "no labels",
        ),
        ("Pixels changed", pixels, "against all sensors well"),
        ("Answered in", f"{cost.answering:.0f} ms" if look.prediction else "no answer", done + worth),
    ]
    return element(
        "dl",
        *(element("div", element("dt", a), element("dd", b, element("small", c))) for a, b, c in entries),
        class_="rs-tiles",
    )


def figures(pictures: Sequence[Picture], class_: str) -> Markup:
    """Pictures side by side."""
    return element("div", *(_figure(picture) for picture in pictures), class_=class_) if pictures else Markup()


def class_table(look: Look, classes: Sequence[LabelClass]) -> Markup:
    """The legend, with each class's IoU or, without labels, its share of the predicted pixels."""
    if look.truth is None or look.iou is None or look.complete_iou is None:
        labels = None if look.prediction is None else look.prediction.labels
        shares = [math.nan if labels is None else 100 * float((labels == k).mean()) for k in range(len(classes))]
        rows = [_class_row(entry, share) for entry, share in zip(classes, shares, strict=True)]
        return _table("Classes", ("class", "% of the pixels"), rows)
    values = zip(classes, look.iou.tolist(), look.complete_iou.tolist(), strict=True)
    rows = [_class_row(entry, now, _percent(full)) for entry, now, full in values]
    return _table("Classes in this frame", ("class", "IoU, %", "all on"), rows)


def subset_table(evaluation: Evaluation | None, look: Look) -> Markup:
    """The stored mIoU of every subset, with the one that is looked at marked."""
    if evaluation is None:
        return Markup()
    rows = telling_rows(evaluation, MOST_ROWS)
    here = [name in look.live for name in evaluation.modalities]
    current = [row for row, mask in enumerate(evaluation.subsets.tolist()) if mask == here]
    shown = narrowed(evaluation, [*{*rows, *current}])
    scores = dict(zip(map(tuple, shown.subsets.tolist()), shown.miou().tolist(), strict=True))
    ordered = sorted(scores, key=lambda mask: (-sum(mask), [not on for on in mask]))
    body = [_subset_row(mask, scores[mask], mask == tuple(here)) for mask in ordered]
    return _table(
        f"All of {evaluation.split}, {len(evaluation.frames)} frames", (*evaluation.modalities, "mIoU, %"), body
    )


def _figure(picture: Picture) -> Markup:
    shown = (
        element("img", src=picture_uri(picture.pixels, WIDEST), alt=f"{picture.title}: {picture.about}")
        if picture.pixels is not None
        else element("div", "no image", class_="rs-nothing")
    )
    words = element("figcaption", element("b", picture.title), element("span", picture.about))
    return element("figure", shown, words, class_=f"rs-{picture.state}" if picture.state else None)


def _class_row(entry: LabelClass, value: float, *others: str) -> Markup:
    swatch = element("i", style="background:#{:02x}{:02x}{:02x}".format(*entry.color))
    return element("tr", element("th", swatch, entry.name, scope="row"), _bar(value), *map(_cell, others))


def _subset_row(mask: Sequence[bool], score: float, here: bool) -> Markup:
    dots = (element("td", element("b", class_="on" if on else "off", title="on" if on else "off")) for on in mask)
    return element("tr", *dots, _bar(score), class_="here" if here else None, aria_current="true" if here else None)


def _bar(value: float) -> Markup:
    width = 0.0 if math.isnan(value) else min(max(value, 0.0), 100.0)
    return element("td", element("s", style=f"width:{width / 2:.1f}%"), _percent(value), class_="bar")


def _cell(words: str) -> Markup:
    return element("td", words, class_="num")


def _table(caption: str, head: Iterable[str], rows: Iterable[Markup]) -> Markup:
    titles = element("tr", *(element("th", words, scope="col") for words in head))
    table = element("table", element("caption", caption), element("thead", titles), element("tbody", *rows))
    return element("div", table, class_="rs-scroll")


def _percent(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.1f}"
