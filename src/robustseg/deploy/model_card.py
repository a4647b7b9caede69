"""The page that a published model shows its readers: what it takes, what it knows, how good it is, what nobody tested.

All of it follows from the model's card and its stored evaluation. Letters: M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from robustseg.modalities import sensors
from robustseg.models.card import RANDOM_ORIGIN, ModelCard
from robustseg.models.hub import HubName
from robustseg.report.tables import Grid, markdown, subset_table
from robustseg.report.tables.words import protocol_words
from robustseg.report.tables.writers import markdown_text
from robustseg.robustness import Evaluation
from robustseg.robustness.cases import PROTOCOLS

TAGS = ("robustseg", "semantic-segmentation", "multi-modal", "sensor-fusion", "missing-modality")


def model_page(
    name: HubName,
    card: ModelCard,
    study: Mapping[str, Evaluation],
    health: Sequence[str] = (),
    *,
    license: str,
    data: str,
) -> str:
    """The README of a model on the hub: metadata in YAML, then Markdown.

    Args:
        name: Where it will stand.
        card: Of the model.
        study: Protocol -> the evaluation of these very weights; empty = it was never evaluated.
        health: The modalities of which it is known how healthy images look; empty = none.
        license: An identifier of the hub's, such as apache-2.0.
        data: What it was trained on, in words.
    """
    parts = [
        _metadata(card, license),
        f"# {name.repository.partition('/')[2]}",
        _summary(card),
        _usage(name, card),
        "## Inputs",
        markdown(_inputs(card)).rstrip(),
        "Images of one frame have one size and are registered. Values are in the unit: scale x stored value + offset.",
        "## Classes",
        ", ".join(f"{place} {markdown_text(known.name)}" for place, known in enumerate(card.classes)) + ".",
        "## Scores",
        _scores(study),
        "## Origin",
        _bullets(_origins(card, data)),
        "## Confidence",
        _confidence(card),
        "## Broken sensors",
        _health(name, health),
        "## What was not tested",
        _bullets(untested(card, study)),
    ]
    return "\n\n".join(parts) + "\n"


def untested(card: ModelCard, study: Mapping[str, Evaluation]) -> list[str]:
    """The limits of what is known of a model, in plain words."""
    lines = []
    if not study:
        lines.append("The model was never evaluated: nothing is known of its quality.")
    for evaluation in study.values():
        lines.append(
            f"{markdown_text(protocol_words(evaluation))}: scored on one split, {markdown_text(evaluation.split)}, of "
            f"{len(evaluation.frames)} frames. Other places, weather, seasons, sensors and mountings were not tried."
        )
        if evaluation.note:
            lines.append(f"Of that score a reader must know: {markdown_text(evaluation.note)}.")
    scored, possible = len(study["emm"].subsets) if "emm" in study else 0, 2 ** len(card.modalities) - 1
    if study and scored < possible:
        lines.append(f"{possible - scored} of the {possible} possible sets of modalities were not scored.")
    if missing := [protocol for protocol in PROTOCOLS if protocol not in study]:
        lines.append(f"Not tried: {', '.join(missing)} (what these are: `robustseg evaluate --help`).")
    if not card.temperatures:
        lines.append("The confidence is not calibrated: do not take it for a probability.")
    lines.append("Inputs that somebody made to mislead the network were not tried.")
    lines.append("Nothing here was tested where people can be hurt: the model must not decide there alone.")
    return lines


def _metadata(card: ModelCard, license: str) -> str:
    tags = [*TAGS, *([card.benchmark] if card.benchmark else []), *sensors(card.modalities)]
    values = {
        "license": license,
        "library_name": "robustseg",
        "pipeline_tag": "image-segmentation",
        "tags": list(dict.fromkeys(tags)),
    }
    return "---\n" + yaml.safe_dump(values, sort_keys=False, allow_unicode=True) + "---"


def _summary(card: ModelCard) -> str:
    names = ", ".join(modality.name for modality in card.modalities)
    return (
        f"Semantic segmentation into {len(card.classes)} classes from {names}. One network ({card.backbone}) answers "
        "for every set of them, whichever are missing."
    )


def _usage(name: HubName, card: ModelCard) -> str:
    given = ", ".join(f'"{modality.name}": {modality.name.replace("-", "_")}' for modality in card.modalities)
    return "\n".join(
        [
            "```python",
            "import robustseg as rs  # pip install 'robustseg[hub]'",
            "",
            f'model = rs.load("{_short(name)}")  # safetensors and JSON, checked; no code is run',
            f"out = rs.Predictor(model)({{{given}}})  # any of them, numpy arrays",
            "out.labels, out.confidence, out.without",
            "```",
        ]
    )


def _inputs(card: ModelCard) -> Grid:
    rows = tuple(
        (
            modality.name,
            modality.device,
            modality.unit,
            f"{modality.scale:g}",
            f"{modality.offset:g}",
            ", ".join(modality.channels) or "as stored",
            _triple(modality.mean),
            _triple(modality.std),
            f"{modality.missing:g}",
        )
        for modality in card.modalities
    )
    head = ("modality", "sensor", "unit", "scale", "offset", "channels", "mean", "std", "where nothing was measured")
    return Grid("inputs", head, rows)


def _triple(values: tuple[float, float, float] | None) -> str:
    return "none" if values is None else ", ".join(f"{value:.4g}" for value in values)


def _scores(study: Mapping[str, Evaluation]) -> str:
    if "emm" not in study:
        return "Not every set of sensors was scored: `robustseg evaluate` does it."
    table = markdown(subset_table(study["emm"])).rstrip()
    others = [
        f"{markdown_text(protocol_words(evaluation))}: mean mIoU {evaluation.mean():.2f}."
        for protocol, evaluation in study.items()
        if protocol != "emm"
    ]
    return "\n\n".join([table, *([_bullets(others)] if others else [])])


def _origins(card: ModelCard, data: str) -> list[str]:
    height, width = card.input_size
    lines = [
        f"Data: {markdown_text(data)}; in images of {height}x{width} pixels.",
        f"Initial weights: {markdown_text(card.origin)}.",
        f"Written by robustseg {card.version}.",
    ]
    if card.origin != RANDOM_ORIGIN:
        lines.append("The licence of the initial weights binds those who use this model, too.")
    return lines


def _confidence(card: ModelCard) -> str:
    if not card.temperatures:
        return "Not calibrated: it is what the network states."
    listed = ", ".join(f"{value:.3f} with {number}" for number, value in enumerate(card.temperatures, start=1))
    return (
        "Logits are divided by a temperature that depends on how many modalities are present: "
        f"{listed}. Fitted on {markdown_text(card.calibrated_on or 'frames that the card does not name')}."
    )


def _health(name: HubName, health: Sequence[str]) -> str:
    if not health:
        return "The model cannot tell a broken sensor: nobody learned how its healthy images look (`robustseg health`)."
    return (
        f"`health.safetensors` tells how healthy images of {', '.join(health)} look, and when one had better be left "
        "out; it was learned from training frames and simulated faults, and real sensors break in other ways. A stream "
        f'with `monitor=robustseg.deploy.health.Monitor.of("{_short(name)}")` leaves such images out.'
    )


def _short(name: HubName) -> str:
    return f"hf://{name.repository}" if name.revision == "main" else str(name)


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
