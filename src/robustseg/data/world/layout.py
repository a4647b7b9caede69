"""What stands along the road: chunks of houses, parks, street furniture and parked cars, each a function of its key."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from robustseg.data.world import shapes
from robustseg.data.world.geometry import Faces, concatenate, shifted
from robustseg.data.world.scene import CHUNK, Scene, generator, scene_of

CROSSING = (17.0, 20.5)
"""Where in a chunk its zebra crossing lies, if it has one."""

PAINTS: tuple[shapes.Color, ...] = (
    (0.55, 0.55, 0.56), (0.75, 0.75, 0.75), (0.05, 0.05, 0.06), (0.40, 0.04, 0.05), (0.05, 0.10, 0.35),
    (0.16, 0.17, 0.19), (0.10, 0.25, 0.22), (0.45, 0.33, 0.12),
)  # fmt: skip


@lru_cache(maxsize=4096)
def has_crossing(seed: int, number: int, chunk: int) -> bool:
    """Whether the chunk has a zebra crossing."""
    return bool(generator(seed, number, 2, chunk + 1000).random() < 0.4)


@lru_cache(maxsize=1024)
def chunk_faces(seed: int, number: int, chunk: int) -> Faces:
    """Everything in one chunk that does not move, in road coordinates; -1000 < chunk."""
    scene = scene_of(seed, number)
    rng = generator(seed, number, 3, chunk + 1000)
    parts: list[Faces] = []
    for side in (-1.0, 1.0):
        parts += _park(scene, rng, side) if rng.random() < scene.greenery else _houses(scene, rng, side)
        parts += _furniture(scene, rng, side)
        parts += _parked(scene, rng, side)
    if has_crossing(seed, number, chunk):
        parts += [shapes.sign(side * (scene.street.kerb + 0.5), CROSSING[0] - 1.0, 2, 2.4) for side in (-1.0, 1.0)]
    return shifted(concatenate(parts), 0.0, chunk * CHUNK)


def _ordered(a: float, b: float) -> tuple[float, float]:
    return (a, b) if a < b else (b, a)


def _houses(scene: Scene, rng: np.random.Generator, side: float) -> list[Faces]:
    front = side * (scene.street.edge + scene.street.setback)
    houses: list[Faces] = []
    s = float(rng.uniform(0.0, 3.0))
    while s < CHUNK - 6.0:
        length = min(float(rng.uniform(8.0, 18.0)), CHUNK - s)
        wall = scene.walls[int(rng.integers(len(scene.walls)))]
        color = shapes.tinted(wall, float(rng.uniform(0.7, 1.3)))
        depth = float(rng.uniform(8.0, 14.0))
        houses.append(
            shapes.building(_ordered(front, front + side * depth), (s, s + length), float(rng.uniform(6, 20)), color)
        )
        s += length + float(rng.choice([0.0, 0.0, 2.0, 5.0]))
    return houses


def _park(scene: Scene, rng: np.random.Generator, side: float) -> list[Faces]:
    edge = scene.street.edge
    parts: list[Faces] = []
    for s in rng.uniform(0.0, CHUNK, int(rng.integers(4, 9))):
        x, height, spread = (float(value) for value in rng.uniform((2.0, 4.0, 1.5), (16.0, 10.0, 3.2)))
        color = shapes.tinted(scene.leaves, float(rng.uniform(0.7, 1.4)))
        parts.append(shapes.tree(side * (edge + x), float(s), height, spread, color, inner=False))
    if rng.random() < 0.5:
        near = side * (edge + 0.3)
        span = (float(rng.uniform(0, 10)), float(rng.uniform(20, 38)))
        parts.append(shapes.hedge(_ordered(near, near + side * 0.9), span, float(rng.uniform(0.7, 1.6)), scene.leaves))
    return parts


def _furniture(scene: Scene, rng: np.random.Generator, side: float) -> list[Faces]:
    kerb, spacing = scene.street.kerb, scene.street.lamp_spacing
    offset = 0.0 if side > 0 else spacing / 2
    parts = [shapes.lamp_post(side * (kerb + 0.45), float(s), -side * 1.6) for s in np.arange(offset, CHUNK, spacing)]
    for s in rng.uniform(0.0, CHUNK, int(rng.integers(1, 4))):
        shape, height = int(rng.integers(len(shapes.SIGN_OUTLINES))), float(rng.uniform(2.0, 2.6))
        parts.append(shapes.sign(side * (kerb + float(rng.uniform(0.4, 0.9))), float(s), shape, height))
    if rng.random() < 0.4:
        for s in np.arange(float(rng.uniform(0, 8)), CHUNK, float(rng.uniform(9, 14))):
            color = shapes.tinted(scene.leaves, float(rng.uniform(0.8, 1.3)))
            x = side * (scene.street.edge - 0.4)
            parts.append(
                shapes.tree(x, float(s), float(rng.uniform(4, 7)), float(rng.uniform(1.0, 1.9)), color, inner=True)
            )
    return parts


def _parked(scene: Scene, rng: np.random.Generator, side: float) -> list[Faces]:
    if scene.street.parking == 0:
        return []
    x = side * (scene.street.kerb - 1.15)
    slots = [s for s in (0.5, 7.2, 24.0, 31.0) if rng.random() < 0.5]
    return [shifted(draw_car(rng, oncoming=side < 0), x, s) for s in slots]


def draw_car(rng: np.random.Generator, *, oncoming: bool) -> Faces:
    """A car or van of random color at s = 0."""
    color = shapes.tinted(PAINTS[int(rng.integers(len(PAINTS)))], float(rng.uniform(0.7, 1.2)))
    return shapes.car(color, van=bool(rng.random() < 0.2), oncoming=oncoming)
