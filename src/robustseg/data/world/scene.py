"""One scene: an endless road, its character drawn from (seed, scene), and how the viewer moves along it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from robustseg.data.world.conditions import CONDITIONS, Weather, draw_weather
from robustseg.data.world.geometry import Pose

CHUNK = 40.0
"""Metres of road that are laid out together."""

LANE = 3.5

SWAY = ((-0.08, -0.035, 0.05, 0.004, 0.002, 0.0, 0.0, 0.0), (0.08, 0.035, 0.25, 0.02, 0.008, 6.28, 6.28, 6.28))
"""Smallest and largest values of `Scene.sway`."""


def generator(*key: int) -> np.random.Generator:
    """A numpy generator that is a function of the key alone."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(key)))


@dataclass(frozen=True)
class Street:
    """Widths in metres.

    Attributes:
        lanes: In each direction.
        parking: Width of the parking strip on each side, 0 = none.
        sidewalk: Width on each side.
        setback: From the sidewalk to the buildings.
        curvature: Of the road, in 1/m.
        lamp_spacing: Between street lamps of one side; they alternate.
    """

    lanes: int
    parking: float
    sidewalk: float
    setback: float
    curvature: float
    lamp_spacing: float

    @property
    def kerb(self) -> float:
        """From the centre line to the kerb."""
        return self.lanes * LANE + self.parking

    @property
    def edge(self) -> float:
        """From the centre line to the end of the sidewalk."""
        return self.kerb + self.sidewalk

    @property
    def own_lane(self) -> float:
        """The middle of the viewer's lane, the outermost on the right."""
        return (self.lanes - 0.5) * LANE


@dataclass(frozen=True)
class Scene:
    """Everything that stays the same while time passes.

    Attributes:
        seed: Of the world.
        number: Of the scene in the world.
        street: The road's cross-section.
        weather: The condition and its severity here.
        speed: Of the viewer, in m/s.
        start: Along-road position at time 0.
        sway: Means of yaw and pitch (rad), how the sensors are mounted; amplitudes of x (m), yaw
            and pitch around that; their three phases.
        greenery: Share of the roadside that is park instead of houses.
        walls: Base colors of houses.
        leaves: Color of foliage.
        crowd: Pedestrians per chunk and side, on average.
    """

    seed: int
    number: int
    street: Street
    weather: Weather
    speed: float
    start: float
    sway: tuple[float, ...]
    greenery: float
    walls: tuple[tuple[float, float, float], ...]
    leaves: tuple[float, float, float]
    crowd: float


@lru_cache(maxsize=64)
def scene_of(seed: int, number: int, condition: str | None = None) -> Scene:
    """The scene with this number; conditions take turns with the number unless one is asked for.

    Raises:
        ValueError: There is no such condition.
    """
    names = list(CONDITIONS)
    name = names[number % len(names)] if condition is None else condition
    if name not in CONDITIONS:
        raise ValueError(f"there is no condition {name!r}; the world knows {', '.join(names)}")
    rng = generator(seed, number, 0)
    street = _draw_street(rng)
    return Scene(
        seed=seed,
        number=number,
        street=street,
        weather=draw_weather(name, generator(seed, number, 1)),
        speed=float(rng.uniform(6.0, 14.0)),
        start=float(rng.uniform(0.0, CHUNK)),
        sway=tuple(float(value) for value in rng.uniform(*SWAY)),
        greenery=float(rng.uniform(0.1, 0.6)),
        walls=tuple(_draw_wall(rng) for _ in range(3)),
        leaves=(float(rng.uniform(0.05, 0.16)), float(rng.uniform(0.14, 0.24)), float(rng.uniform(0.03, 0.07))),
        crowd=float(rng.uniform(3.0, 7.0)),
    )


def _draw_wall(rng: np.random.Generator) -> tuple[float, float, float]:
    """From plaster to brick."""
    bright, red, green, blue = (float(value) for value in rng.uniform((0.15, 0.8, 0.75, 0.6), (0.55, 1.4, 1.25, 1.1)))
    return bright * red, bright * green, bright * blue


def _draw_street(rng: np.random.Generator) -> Street:
    return Street(
        lanes=int(rng.integers(1, 3)),
        parking=2.3 if rng.random() < 0.5 else 0.0,
        sidewalk=float(rng.uniform(2.2, 4.0)),
        setback=float(rng.uniform(0.0, 4.0)),
        curvature=float(rng.uniform(-1.0, 1.0) / 450.0),
        lamp_spacing=float(rng.choice([20.0, 40.0])),
    )


def pose_at(scene: Scene, time: float) -> Pose:
    """The viewer's pose: constant speed, gently swaying in its lane."""
    heading, tilt, aside, yaw, pitch, *phases = scene.sway
    return Pose(
        x=scene.street.own_lane + aside * float(np.sin(0.6 * time + phases[0])),
        y=1.6,
        s=scene.start + scene.speed * time,
        yaw=heading + yaw * float(np.sin(0.8 * time + phases[1])),
        pitch=tilt + pitch * float(np.sin(2.3 * time + phases[2])),
        curvature=scene.street.curvature,
    )
