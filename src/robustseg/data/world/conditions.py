"""The five conditions, and how hard each one is in a given scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Triple = tuple[float, float, float]
Range = tuple[float, float]


@dataclass(frozen=True)
class Condition:
    """A kind of light and weather. Light: 1 = a white surface under full daylight. Ranges are drawn per scene.

    Attributes:
        ambient: Light from the whole sky.
        sun: Direct light.
        elevation: The sun's height in degrees.
        sky: Color of the sky at the horizon and at the zenith.
        exposure: Gain of the colour camera.
        noise: Standard deviation of the colour camera's dark noise, of full scale.
        extinction: Of light in the air, 1/m; droplets weaken laser light on its way there and back.
        ahead: Whether the sun stands in the field of view.
        glare: Stray light of the sun in the lens.
        headlights: Light of the own headlights on a surface 10 m ahead; street lamps shine along.
        rain: Streaks in the colour image and drops on its lens, 0..1.
        laser_loss: Share of laser pulses that get lost without a reason in the scene.
        backscatter: Share of pulses that return from a droplet close by.
    """

    ambient: Range
    sun: Range
    elevation: Range
    sky: tuple[Triple, Triple]
    exposure: float
    noise: float
    extinction: Range
    ahead: bool = False
    glare: Range = (0.0, 0.0)
    headlights: float = 0.0
    rain: Range = (0.0, 0.0)
    laser_loss: float = 0.05
    backscatter: float = 0.0


BLUE = ((0.62, 0.72, 0.85), (0.22, 0.40, 0.78))
GREY = ((0.55, 0.57, 0.60), (0.48, 0.50, 0.54))
DARK = ((0.020, 0.018, 0.022), (0.004, 0.005, 0.010))
GOLD = ((1.60, 1.15, 0.70), (0.45, 0.50, 0.70))

CONDITIONS: dict[str, Condition] = {
    "day": Condition(
        ambient=(0.35, 0.55), sun=(0.3, 0.9), elevation=(30, 65), sky=BLUE, exposure=1.0, noise=0.03,
        extinction=(0.0005, 0.002),
    ),
    "night": Condition(
        ambient=(0.001, 0.004), sun=(0.0, 0.0), elevation=(30, 65), sky=DARK, exposure=2.2, noise=0.066,
        extinction=(0.0005, 0.002), headlights=0.06,
    ),
    "fog": Condition(
        ambient=(0.40, 0.55), sun=(0.0, 0.0), elevation=(40, 60), sky=GREY, exposure=1.0, noise=0.03,
        extinction=(0.07, 0.16), laser_loss=0.10, backscatter=0.06,
    ),
    "rain": Condition(
        ambient=(0.18, 0.30), sun=(0.0, 0.0), elevation=(40, 60), sky=GREY, exposure=1.5, noise=0.045,
        extinction=(0.010, 0.020), rain=(0.5, 1.0), laser_loss=0.25, backscatter=0.05,
    ),
    "low_sun": Condition(
        ambient=(0.22, 0.32), sun=(0.8, 1.2), elevation=(3, 9), sky=GOLD, exposure=1.2, noise=0.036,
        extinction=(0.001, 0.003), ahead=True, glare=(2.2, 4.5),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Weather:
    """A condition as it is in one scene: the ranges of `Condition` drawn, the sun given a place.

    Attributes:
        name: The condition's.
        kind: The condition.
        sun_direction: Towards the sun: right, up, forward; one unit long.
        gains: Of the colour camera's channels: exposure and white balance are never quite right.
    """

    name: str
    kind: Condition
    ambient: float
    sun: float
    extinction: float
    glare: float
    rain: float
    sun_direction: Triple
    gains: Triple


def draw_weather(name: str, rng: np.random.Generator) -> Weather:
    """Draws how the condition of this name looks in one scene."""
    kind = CONDITIONS[name]
    elevation = np.radians(rng.uniform(*kind.elevation))
    azimuth = rng.uniform(-0.42, 0.42) if kind.ahead else rng.uniform(-np.pi, np.pi)
    flat = np.cos(elevation)
    red, green, blue = rng.uniform(0.7, 1.35) * rng.uniform(0.9, 1.1, 3)
    return Weather(
        name=name,
        kind=kind,
        ambient=float(rng.uniform(*kind.ambient)),
        sun=float(rng.uniform(*kind.sun)),
        extinction=float(rng.uniform(*kind.extinction)),
        glare=float(rng.uniform(*kind.glare)),
        rain=float(rng.uniform(*kind.rain)),
        sun_direction=(float(np.sin(azimuth) * flat), float(np.sin(elevation)), float(np.cos(azimuth) * flat)),
        gains=(float(red), float(green), float(blue)),
    )
