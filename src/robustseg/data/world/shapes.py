"""The things of the world as faces: buildings, cars, people, trees, poles and signs."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from robustseg.data.world.geometry import Faces, figure
from robustseg.data.world.materials import Material

Color = tuple[float, float, float]
Polygon = tuple[np.ndarray, Material, Color]

BLACK: Color = (0.02, 0.02, 0.02)
STEEL: Color = (0.30, 0.31, 0.33)
WINDOW: Color = (0.06, 0.08, 0.10)


def tinted(color: Color, factor: float) -> Color:
    """A lighter or darker color, kept below 1."""
    red, green, blue = (min(value * factor, 1.0) for value in color)
    return red, green, blue


def block(
    x: tuple[float, float], y: tuple[float, float], s: tuple[float, float], material: Material, color: Color
) -> list[Polygon]:
    """The four upright faces and the top of a box aligned with the road, turned outwards."""
    (x0, x1), (y0, y1), (s0, s1) = x, y, s
    faces = [
        [(x0, y0, s0), (x0, y1, s0), (x1, y1, s0), (x1, y0, s0)],  # rear, towards the viewer
        [(x1, y0, s1), (x1, y1, s1), (x0, y1, s1), (x0, y0, s1)],
        [(x0, y0, s1), (x0, y1, s1), (x0, y1, s0), (x0, y0, s0)],
        [(x1, y0, s0), (x1, y1, s0), (x1, y1, s1), (x1, y0, s1)],
        [(x0, y1, s0), (x0, y1, s1), (x1, y1, s1), (x1, y1, s0)],  # top
    ]
    shades = (0.82, 0.82, 1.0, 1.0, 1.1)
    return [
        (np.array(face, np.float32), material, tinted(color, shade)) for face, shade in zip(faces, shades, strict=True)
    ]


def upright(outline: list[tuple[float, float]], s: float, material: Material, color: Color) -> Polygon:
    """A flat polygon across the road at s, from (x, y) corners."""
    return np.array([(x, y, s) for x, y in outline], np.float32), material, color


def rectangle(x0: float, x1: float, y0: float, y1: float) -> list[tuple[float, float]]:
    """Corners turned towards the viewer."""
    return [(x0, y0), (x0, y1), (x1, y1), (x1, y0)]


def disc(x: float, y: float, radius: float, stretch: float = 1.0) -> list[tuple[float, float]]:
    """An octagon."""
    angles = (np.arange(8) + 0.5) * (-np.pi / 4)
    return [(float(x + radius * np.cos(a)), float(y + stretch * radius * np.sin(a))) for a in angles]


def building(x: tuple[float, float], s: tuple[float, float], height: float, color: Color) -> Faces:
    """A house with a cornice; its windows are texture."""
    walls = block(x, (0.0, height), s, Material.FACADE, color)
    return figure(walls, inner=False, solid=True)


def hedge(x: tuple[float, float], s: tuple[float, float], height: float, color: Color) -> Faces:
    return figure(block(x, (0.0, height), s, Material.FOLIAGE, color), inner=False, solid=True)


def tree(x: float, s: float, height: float, spread: float, color: Color, *, inner: bool) -> Faces:
    """A trunk and a crown of overlapping discs."""
    bottom = 0.38 * height
    middle = (bottom + height) / 2
    tall = (height - bottom) / 2
    lobes = [
        (0.0, middle, 1.0),
        (-0.45, middle - 0.3 * tall, 0.7),
        (0.45, middle - 0.2 * tall, 0.68),
        (0.05, middle + 0.4 * tall, 0.66),
    ]
    parts = [upright(rectangle(x - 0.14, x + 0.14, 0.0, bottom + 0.5), s, Material.TRUNK, (0.10, 0.07, 0.05))]
    for place, (aside, y, size) in enumerate(lobes):
        outline = disc(x + aside * spread, y, size * spread, tall / spread)
        parts.append(upright(outline, s - 0.02 * place, Material.FOLIAGE, tinted(color, 0.85 + 0.12 * place)))
    return figure(parts, inner=inner, solid=False)


def lamp_post(x: float, s: float, reach: float) -> Faces:
    """A street lamp: mast, arm over the road (towards `reach`) and lamp head."""
    tip = x + reach
    low, high = min(x, tip), max(x, tip)
    parts = [
        upright(rectangle(x - 0.24, x + 0.24, 0.0, 6.5), s, Material.METAL, STEEL),
        upright(rectangle(low, high, 6.20, 6.60), s, Material.METAL, STEEL),
        upright(rectangle(tip - 0.35, tip + 0.35, 6.15, 6.40), s, Material.LAMP, (0.95, 0.85, 0.65)),
    ]
    return figure(parts, inner=True, solid=False)


def sign(x: float, s: float, shape: int, height: float) -> Faces:
    """A traffic sign on its pole; shape 0 = red disc, 1 = warning triangle, 2 = blue board, 3 = yellow diamond."""
    mast = upright(rectangle(x - 0.17, x + 0.17, 0.0, height), s, Material.METAL, STEEL)
    outer, inner = SIGN_OUTLINES[shape]
    rim, face = SIGN_COLORS[shape]
    plates = [
        upright([(x + a * 0.70, height + b * 0.70) for a, b in outer], s - 0.02, Material.PLATE, rim),
        upright([(x + a * 0.70, height + b * 0.70) for a, b in inner], s - 0.03, Material.PLATE, face),
    ]
    return figure([mast, *plates], inner=True, solid=False)


SIGN_OUTLINES = (
    (disc(0, 0, 1.0), disc(0, 0, 0.62)),
    ([(-1.0, -0.7), (0.0, 1.05), (1.0, -0.7)], [(-0.6, -0.47), (0.0, 0.58), (0.6, -0.47)]),
    (rectangle(-1.1, 1.1, -0.9, 0.9), rectangle(-0.6, 0.6, -0.2, 0.5)),
    ([(-1.0, 0.0), (0.0, 1.0), (1.0, 0.0), (0.0, -1.0)], [(-0.6, 0.0), (0.0, 0.6), (0.6, 0.0), (0.0, -0.6)]),
)
SIGN_COLORS: tuple[tuple[Color, Color], ...] = (
    ((0.70, 0.03, 0.04), (0.85, 0.85, 0.85)),
    ((0.70, 0.03, 0.04), (0.85, 0.85, 0.85)),
    ((0.03, 0.12, 0.50), (0.80, 0.82, 0.85)),
    ((0.85, 0.85, 0.85), (0.85, 0.60, 0.03)),
)


def pedestrian(height: float, stride: float) -> Faces:
    """A walker in a wide coat, facing anywhere; `stride` -1..1 is how far the legs are apart. `clothes` colours it."""
    hip, shoulder = 0.45 * height, 0.84 * height
    apart, swing = 0.10 + 0.22 * abs(stride), 0.20 * stride
    parts = []
    for side in (-1.0, 1.0):
        foot, thigh = side * apart, side * 0.08
        leg = [(foot - 0.11, 0.0), (thigh - 0.15, hip), (thigh + 0.15, hip), (foot + 0.11, 0.0)]
        parts.append(upright(leg, 0.0, Material.CLOTH, BLACK))
    torso = [(-0.30, hip), (-0.33, shoulder), (0.33, shoulder), (0.30, hip)]
    parts.append(upright(torso, -0.01, Material.CLOTH, BLACK))
    for side in (-1.0, 1.0):
        hand, joint = side * 0.40 + swing, side * 0.32
        arm = [(hand - 0.08, hip), (joint - 0.08, shoulder), (joint + 0.08, shoulder), (hand + 0.08, hip)]
        parts.append(upright(arm, -0.02, Material.CLOTH, BLACK))
    parts.append(upright(disc(0.0, 0.92 * height, 0.085 * height, 1.1), -0.02, Material.SKIN, BLACK))
    return figure(parts, inner=True, solid=False)


def clothes(coat: Color, trousers: Color) -> Float32[np.ndarray, "6 3"]:
    """Colors of a pedestrian's legs, torso, arms and head."""
    sleeve = tinted(coat, 0.85)
    return np.array([trousers, trousers, coat, sleeve, sleeve, (0.45, 0.30, 0.22)], np.float32)


def car(color: Color, *, van: bool, oncoming: bool) -> Faces:
    """A car whose rear (or, oncoming, front) bumper is at s = 0, centred on x = 0."""
    half, length, roof = (1.0, 5.2, 2.3) if van else (0.9, 4.3, 1.48)
    shadow = [
        (-half - 0.1, 0.012, -0.2),
        (-half - 0.1, 0.012, length + 0.2),
        (half + 0.1, 0.012, length + 0.2),
        (half + 0.1, 0.012, -0.2),
    ]
    parts: list[Polygon] = [(np.array(shadow, np.float32), Material.SHADE, BLACK)]
    parts += block((-half, half), (0.30, 0.95), (0.0, length), Material.BODY, color)
    parts += block((-half, half), (0.12, 0.32), (0.05, length - 0.05), Material.TYRE, BLACK)
    for axle in (0.18 * length, 0.80 * length):
        parts += [_wheel(-half - 0.01, axle, -1.0), _wheel(half + 0.01, axle, 1.0)]
    parts += _cabin(half - 0.06, (0.02, 0.97) if van else (0.10, 0.80), length, roof, color, oncoming=oncoming)
    light, tint = (Material.HEADLIGHT, (0.95, 0.93, 0.85)) if oncoming else (Material.TAILLIGHT, (0.70, 0.02, 0.02))
    for x in (-half + 0.05, half - 0.45):
        parts.append(upright(rectangle(x, x + 0.40, 0.62, 0.86), -0.01, light, tint))
    parts.append(upright(rectangle(-0.26, 0.26, 0.42, 0.55), -0.01, Material.BODY, (0.80, 0.80, 0.75)))
    return figure(parts, inner=True, solid=True)


def _wheel(x: float, s: float, side: float) -> Polygon:
    outline = [(x, y, s + side * ahead) for ahead, y in disc(0.0, 0.33, 0.34)]
    return np.array(outline, np.float32), Material.TYRE, BLACK


def _cabin(
    half: float, span: tuple[float, float], length: float, roof: float, color: Color, *, oncoming: bool
) -> list[Polygon]:
    """Windows all around, leaning inwards, and the roof."""
    start, end = (1 - span[1], 1 - span[0]) if oncoming else span
    s0, s1, lean_rear, lean_front = start * length, end * length, 0.35, 0.55
    if oncoming:
        lean_rear, lean_front = lean_front, lean_rear
    y0, y1, top = 0.95, roof, half - 0.14
    base = [(-half, y0, s0), (half, y0, s0), (half, y0, s1), (-half, y0, s1)]
    high = [
        (-top, y1, s0 + lean_rear),
        (top, y1, s0 + lean_rear),
        (top, y1, s1 - lean_front),
        (-top, y1, s1 - lean_front),
    ]
    faces = [
        ([base[0], high[0], high[1], base[1]], Material.GLASS, WINDOW),
        ([base[2], high[2], high[3], base[3]], Material.GLASS, WINDOW),
        ([base[3], high[3], high[0], base[0]], Material.GLASS, WINDOW),
        ([base[1], high[1], high[2], base[2]], Material.GLASS, WINDOW),
        ([high[0], high[3], high[2], high[1]], Material.BODY, tinted(color, 1.1)),
    ]
    return [(np.array(corners, np.float32), material, tint) for corners, material, tint in faces]
