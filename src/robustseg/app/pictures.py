"""Pictures of a look: inputs, labels over the scene, confidence, what changed, what a sensor is worth.

Shapes: H W size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from robustseg.app.scene import Look
from robustseg.labels import IGNORE
from robustseg.modalities import Modality, leading
from robustseg.models.card import ModelCard
from robustseg.report.images import display_image, overlay

GAIN, LOSS = (31, 106, 168), (204, 90, 14)
"""Where a sensor helps, and where it misleads; the report's colors."""

MOST_WORTH = 0.5
"""What is worth so much has the full color."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture with its title and a line about it."""

    title: str
    pixels: UInt8[np.ndarray, "H W 3"] | None
    about: str = ""
    state: str = ""
    """For the style sheet: "off", "broken" or "" of an input."""


def inputs(look: Look, modalities: Sequence[Modality], broken: str) -> list[Picture]:
    """What each modality delivers, with what the monitor thinks of it."""
    found = []
    for place, modality in enumerate(modalities):
        image = look.images.get(place)
        verdict = look.verdicts.get(modality.name)
        if not bool(look.sample.present[place]):
            found.append(Picture(modality.name, None, "not in this frame", "off"))
        elif image is None:
            found.append(Picture(modality.name, None, "nothing has arrived yet", "off"))
        else:
            on = modality.name in look.live
            state = "" if on and modality.device != broken else "broken" if on else "off"
            thought = ("sick: " if verdict.sick else "doubtful: " if verdict.doubtful else "well") if verdict else ""
            about = "switched off" if not on else f"{thought}{verdict.reason}" if verdict else state or "on"
            found.append(Picture(modality.name, display_image(image, modality), about, state))
    return found


def outputs(look: Look, card: ModelCard, worth: str) -> list[Picture]:
    """What the model says, and how that compares."""
    if look.prediction is None or look.changed is None:
        return []
    scene = backdrop(look, card.modalities)
    labels, changed = look.prediction.labels, look.changed
    found = [
        Picture(
            "Prediction",
            overlay(scene, labels, card.classes),
            f"from {', '.join(look.live)}, over the healthy {_leading(look, card.modalities).name}",
        ),
        Picture(
            "Confidence",
            heat(look.prediction.confidence),
            f"mean {look.prediction.confidence.mean():.2f}; dark 0, yellow 1",
        ),
        Picture(
            "Changed",
            overlay(dimmed(scene), np.where(changed, labels, IGNORE), card.classes, alpha=1.0),
            f"{100 * changed.mean():.1f} % have another label than with all sensors",
        ),
    ]
    if look.truth is not None:
        found.insert(1, Picture("Labels", overlay(scene, look.truth, card.classes), "what is there"))
    if worth:
        values = (look.prediction.worth or {}).get(worth)
        about = "it is off" if values is None else f"mean {values.mean():+.3f}; blue helps, orange misleads"
        picture = None if values is None else signed(values, scene)
        found.append(Picture(f"Worth of {worth}", picture, about))
    return found


def backdrop(look: Look, modalities: Sequence[Modality]) -> UInt8[np.ndarray, "H W 3"]:
    """The frame as its first camera sees it, well, whether or not the model has it."""
    modality = _leading(look, modalities)
    return display_image(look.sample.images[modalities.index(modality)], modality)


def _leading(look: Look, modalities: Sequence[Modality]) -> Modality:
    return modalities[leading(look.sample.present.tolist(), modalities)]


def heat(values: Float[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """Values 0..1 from dark to yellow."""
    levels = (values.clip(0, 1) * 255).round().astype(np.uint8)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB))


def signed(values: Float[np.ndarray, "H W"], scene: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """Values over the scene: the higher above 0, the bluer, the lower below, the more orange."""
    strength = (np.abs(values) / MOST_WORTH).clip(0, 1)[..., None]
    color = np.where(values[..., None] > 0, np.array(GAIN), np.array(LOSS))
    return ((1 - strength) * pale(scene) + strength * color).round().astype(np.uint8)


def dimmed(scene: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """A dark grey backdrop, on which colors speak."""
    grey = scene.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    return (0.35 * grey).astype(np.uint8)


def pale(scene: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """A light grey backdrop."""
    grey = scene.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    return (190 + 0.25 * grey).astype(np.uint8)
