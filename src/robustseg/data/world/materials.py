"""What the world is made of: classes, materials, and how each material answers light and laser."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from robustseg.labels import LabelClass

CLASSES: tuple[LabelClass, ...] = (
    LabelClass("road", (112, 84, 124)),
    LabelClass("lane marking", (240, 240, 240)),
    LabelClass("sidewalk", (226, 128, 206)),
    LabelClass("building", (120, 116, 110)),
    LabelClass("vegetation", (98, 156, 68)),
    LabelClass("sky", (112, 176, 222)),
    LabelClass("car", (38, 84, 214)),
    LabelClass("pedestrian", (222, 38, 62)),
    LabelClass("pole", (250, 176, 96)),
    LabelClass("traffic sign", (246, 214, 20)),
)

ROAD, MARKING, SIDEWALK, BUILDING, VEGETATION, SKY, CAR, PEDESTRIAN, POLE, SIGN = range(10)


class Material(IntEnum):
    """Its value is its row in the tables below."""

    ASPHALT = 0
    PAINT = 1
    PAVING = 2
    KERB = 3
    GRASS = 4
    FACADE = 5
    FOLIAGE = 6
    TRUNK = 7
    SKY = 8
    BODY = 9
    GLASS = 10
    TYRE = 11
    HEADLIGHT = 12
    TAILLIGHT = 13
    CLOTH = 14
    SKIN = 15
    METAL = 16
    LAMP = 17
    PLATE = 18
    SHADE = 19


class Properties(NamedTuple):
    """Of one material.

    Attributes:
        label: Train id.
        reflectivity: Share of laser light that returns from a face seen head-on; signs are retroreflectors.
        rough: Amplitude of the brightness texture, relative.
        grain: Texture cells per metre.
        glow: Own light at night, in units of full daylight on white.
        specular: Share of laser light lost because the surface mirrors it away.
    """

    label: int
    reflectivity: float
    rough: float = 0.0
    grain: float = 4.0
    glow: float = 0.0
    specular: float = 0.0


PROPERTIES: dict[Material, Properties] = {
    Material.ASPHALT: Properties(ROAD, 0.16, 0.16, 6.0),
    Material.PAINT: Properties(MARKING, 0.75, 0.22, 6.0),
    Material.PAVING: Properties(SIDEWALK, 0.24, 0.18, 4.0),
    Material.KERB: Properties(SIDEWALK, 0.30, 0.05),
    Material.GRASS: Properties(VEGETATION, 0.38, 0.40, 6.0),
    Material.FACADE: Properties(BUILDING, 0.36, 0.14, 3.0),
    Material.FOLIAGE: Properties(VEGETATION, 0.46, 0.55, 5.0),
    Material.TRUNK: Properties(VEGETATION, 0.30, 0.30, 8.0),
    Material.SKY: Properties(SKY, 0.0),
    Material.BODY: Properties(CAR, 0.42, 0.0, specular=0.30),
    Material.GLASS: Properties(CAR, 0.10, 0.0, specular=0.75),
    Material.TYRE: Properties(CAR, 0.06, 0.0),
    Material.HEADLIGHT: Properties(CAR, 0.80, 0.0, glow=2.5),
    Material.TAILLIGHT: Properties(CAR, 0.90, 0.0, glow=0.5),
    Material.CLOTH: Properties(PEDESTRIAN, 0.34, 0.12, 10.0),
    Material.SKIN: Properties(PEDESTRIAN, 0.40, 0.0),
    Material.METAL: Properties(POLE, 0.32, 0.06),
    Material.LAMP: Properties(POLE, 0.40, 0.0, glow=1.6),
    Material.PLATE: Properties(SIGN, 0.98, 0.05, 6.0),
    Material.SHADE: Properties(ROAD, 0.16, 0.10, 6.0),
}


def _column(name: str, kind: type = np.float32) -> np.ndarray:
    return np.array([getattr(PROPERTIES[material], name) for material in Material], kind)


LABEL = _column("label", np.uint8)
REFLECTIVITY = _column("reflectivity")
ROUGH = _column("rough")
GRAIN = _column("grain")
GLOW = _column("glow")
SPECULAR = _column("specular")
