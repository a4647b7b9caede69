"""What moves: cars in their lanes and people on the sidewalks and crossings, as functions of time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from robustseg.data.world import shapes
from robustseg.data.world.geometry import Faces, concatenate, shifted
from robustseg.data.world.layout import CROSSING, chunk_faces, draw_car, has_crossing
from robustseg.data.world.scene import CHUNK, LANE, Scene, generator, pose_at, scene_of

AHEAD, BEHIND = 160.0, 12.0
"""How far the world is built around the viewer, in metres."""

LOOP = 220.0
"""Cars that leave this stretch around the viewer behind come back far ahead, and the other way round."""

STRIDES = 5


@dataclass(frozen=True)
class Vehicle:
    """A car at `ahead` metres before the viewer at time 0; `speed` is relative to the viewer's."""

    faces: Faces
    x: float
    ahead: float
    speed: float
    wobble: float


@dataclass(frozen=True)
class Walker:
    """A person at `s` and `x` when the viewer passes its chunk; speeds in m/s along the road and across it."""

    height: float
    colors: tuple[shapes.Color, shapes.Color]
    x: float
    s: float
    along: float
    across: float
    phase: float


def faces_at(scene: Scene, time: float) -> Faces:
    """All faces around the viewer at a time."""
    here = pose_at(scene, time).s
    chunks = range(int((here - BEHIND) // CHUNK), int((here + AHEAD) // CHUNK) + 1)
    parts = [chunk_faces(scene.seed, scene.number, chunk) for chunk in chunks]
    parts += [_driven(vehicle, here, time) for vehicle in _vehicles(scene.seed, scene.number)]
    for chunk in chunks:
        passing = (chunk * CHUNK - scene.start) / scene.speed
        for walker in _walkers(scene.seed, scene.number, chunk):
            parts += _walked(walker, scene, time - passing, here, time)
    return concatenate(parts)


def _driven(vehicle: Vehicle, here: float, time: float) -> Faces:
    ahead = vehicle.ahead + vehicle.speed * time + vehicle.wobble * np.sin(0.5 * time)
    return shifted(vehicle.faces, vehicle.x, here + (ahead + 40.0) % LOOP - 40.0)


@lru_cache(maxsize=64)
def _vehicles(seed: int, number: int) -> tuple[Vehicle, ...]:
    """The own lane holds at most one car ahead, at the viewer's speed; the cars of another lane share one speed."""
    scene = scene_of(seed, number)
    rng = generator(seed, number, 4)
    vehicles: list[Vehicle] = []
    if rng.random() < 0.6:
        leader = draw_car(rng, oncoming=False)
        vehicles.append(Vehicle(leader, scene.street.own_lane, float(rng.uniform(10, 35)), 0.0, 2.0))
    for lane in range(scene.street.lanes):
        x = (lane + 0.5) * LANE
        if lane < scene.street.lanes - 1:
            vehicles += _lane(rng, x, float(rng.uniform(-0.2, 0.4)) * scene.speed, oncoming=False)
        vehicles += _lane(rng, -x, -scene.speed - float(rng.uniform(7, 14)), oncoming=True)
    return tuple(vehicles)


def _lane(rng: np.random.Generator, x: float, speed: float, *, oncoming: bool) -> list[Vehicle]:
    count = int(rng.integers(2, 6))
    gap = LOOP / count
    starts = gap * np.arange(count) + rng.uniform(0.0, gap - 8.0, count)
    return [Vehicle(draw_car(rng, oncoming=oncoming), x, float(start), speed, 0.0) for start in starts]


def _walked(walker: Walker, scene: Scene, since: float, here: float, time: float) -> list[Faces]:
    s = walker.s + walker.along * since
    x = walker.x + walker.across * since
    if not 1.0 < s - here < 42.0 or abs(x) > scene.street.edge + 1.0:
        return []
    stride = round((STRIDES - 1) / 2 * (1 + np.sin(9.0 * time + walker.phase)))
    return [shifted(_body(walker.height, stride, walker.colors), x, s)]


@lru_cache(maxsize=4096)
def _body(height: float, stride: int, colors: tuple[shapes.Color, shapes.Color]) -> Faces:
    return replace(_outline(height, stride), color=shapes.clothes(*colors))


@lru_cache(maxsize=1024)
def _outline(height: float, stride: int) -> Faces:
    return shapes.pedestrian(height, 2.0 * stride / (STRIDES - 1) - 1.0)


@lru_cache(maxsize=1024)
def _walkers(seed: int, number: int, chunk: int) -> tuple[Walker, ...]:
    scene = scene_of(seed, number)
    rng = generator(seed, number, 5, chunk + 1000)
    walkers: list[Walker] = []
    for side in (-1.0, 1.0):
        for _ in range(int(rng.poisson(scene.crowd))):
            x = side * float(rng.uniform(scene.street.kerb + 0.7, scene.street.edge - 0.3))
            along = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.7, 1.7))
            walkers.append(_draw_walker(rng, x, chunk * CHUNK + float(rng.uniform(0, CHUNK)), along, 0.0))
    if has_crossing(seed, number, chunk):
        for _ in range(int(rng.integers(0, 4))):
            across = float(rng.choice([-1.0, 1.0]) * rng.uniform(1.0, 1.6))
            middle = float(rng.uniform(1.0, 5.0))  # seconds before the viewer comes when it is in the road's middle
            s = chunk * CHUNK + float(rng.uniform(*CROSSING))
            walkers.append(_draw_walker(rng, across * middle, s, 0.0, across))
    return tuple(walkers)


def _draw_walker(rng: np.random.Generator, x: float, s: float, along: float, across: float) -> Walker:
    coat = tuple(float(value) for value in rng.uniform(0.04, 0.4) * rng.uniform(0.7, 1.3, 3))
    trousers = tuple(float(value) for value in rng.uniform(0.02, 0.2, 3))
    return Walker(
        height=round(float(rng.uniform(1.6, 2.0)), 2),
        colors=((coat[0], coat[1], coat[2]), (trousers[0], trousers[1], trousers[2])),
        x=x,
        s=s,
        along=along,
        across=across,
        phase=float(rng.uniform(0, 6.28)),
    )
