"""Camera and raster: convex faces in, the frontmost face and its inverse depth per pixel out.

Road coordinates: x metres to the right of the road's centre line, y up, s forward along the road. The road bends with a
constant curvature; around the viewer it is unrolled to x + curvature * s^2 / 2. Letters: F faces, V corners of a face,
P pixels, H W raster size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from robustseg.data.world.materials import Material

CORNERS = 8
NEAR = 0.4
FAR, FAR_INNER = 180.0, 55.0
"""Farther objects are left out; those on and beside the road are smaller."""
FOCAL = 1.05  # of the image's width: a field of view of 51 degrees
HORIZON = 0.42  # of the image's height, from the top
SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Faces:
    """Convex polygons with one material each.

    Attributes:
        corners: x, y, s of each corner, in order around the face; shorter faces repeat their last corner.
        color: Linear red, green, blue, 0..1.
        material: Its `Material`.
        near: Along-road position by which faces are painted from far to near, the whole object's nearest.
        inner: 1 = between the building lines, where nothing can be hidden by what stands outside them; else 0.
        solid: Whether the face is seen from its outer side only; flat figures are seen from both.
    """

    corners: Float32[np.ndarray, "F 8 3"]
    color: Float32[np.ndarray, "F 3"]
    material: Int32[np.ndarray, " F"]
    near: Float32[np.ndarray, " F"]
    inner: Int32[np.ndarray, " F"]
    solid: Bool[np.ndarray, " F"]


@dataclass(frozen=True)
class Pose:
    """Where the sensors are: x, y, s in metres, heading and pitch in radians, the road's curvature in 1/m."""

    x: float
    y: float
    s: float
    yaw: float
    pitch: float
    curvature: float


@dataclass(frozen=True)
class Raster:
    """What each pixel sees first.

    Attributes:
        face: Place in `faces`, -1 where the pixel sees the ground or the sky.
        inverse_depth: 1 / metres along the optical axis of that face, 0 elsewhere.
        directions: Viewing rays in road directions, one unit long along the optical axis.
        normals: Outward normal of each face, and in the last column, at place -1, the ground's.
    """

    face: Int64[np.ndarray, "H W"]
    inverse_depth: Float32[np.ndarray, "H W"]
    directions: Float32[np.ndarray, "3 H W"]
    normals: Float32[np.ndarray, "3 F1"]


def concatenate(parts: list[Faces]) -> Faces:
    """All faces of all parts."""
    columns = zip(*((p.corners, p.color, p.material, p.near, p.inner, p.solid) for p in parts), strict=True)
    return Faces(*map(np.concatenate, columns))


def shifted(faces: Faces, x: float, s: float) -> Faces:
    """The same faces elsewhere on the road."""
    corners = faces.corners + np.array([x, 0.0, s], np.float32)
    return Faces(corners, faces.color, faces.material, faces.near + np.float32(s), faces.inner, faces.solid)


def figure(
    polygons: list[tuple[np.ndarray, Material, tuple[float, float, float]]],
    *,
    inner: bool,
    solid: bool,
) -> Faces:
    """One object from polygons ("V 3" corners with V <= 8, material, color), painted in the given order."""
    corners = np.empty((len(polygons), CORNERS, 3), np.float32)
    for place, (polygon, _, _) in enumerate(polygons):
        corners[place, : len(polygon)] = polygon
        corners[place, len(polygon) :] = polygon[-1]
    count = len(polygons)
    return Faces(
        corners=corners,
        color=np.array([color for _, _, color in polygons], np.float32),
        material=np.array([int(material) for _, material, _ in polygons], np.int32),
        near=np.full(count, corners[..., 2].min(), np.float32),
        inner=np.full(count, int(inner), np.int32),
        solid=np.full(count, solid, bool),
    )


@lru_cache(maxsize=8)
def pixel_rays(height: int, width: int) -> Float32[np.ndarray, "3 H W"]:
    """Right, up, forward of each pixel's centre, forward = 1."""
    focal = FOCAL * width
    u = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / focal
    v = (HORIZON * height - np.arange(height, dtype=np.float32) - 0.5) / focal
    rays = np.ones((3, height, width), np.float32)
    rays[0] = u[None, :]
    rays[1] = v[:, None]
    return rays


def rotation(pose: Pose) -> Float32[np.ndarray, "3 3"]:
    """Camera directions (columns) in road directions."""
    cos_yaw, sin_yaw = np.cos(pose.yaw), np.sin(pose.yaw)
    cos_pitch, sin_pitch = np.cos(pose.pitch), np.sin(pose.pitch)
    turn = np.array([[cos_yaw, 0, sin_yaw], [0, 1, 0], [-sin_yaw, 0, cos_yaw]])
    nod = np.array([[1, 0, 0], [0, cos_pitch, sin_pitch], [0, -sin_pitch, cos_pitch]])
    return (turn @ nod).astype(np.float32)


def rasterise(faces: Faces, pose: Pose, height: int, width: int) -> Raster:
    """Paints the faces from far to near; each pixel's depth is exact, from the plane of the face it sees."""
    turn = rotation(pose)
    points = _to_camera(faces.corners, pose, turn)
    normals = _normals(points)
    distance = np.einsum("fc,fc->f", normals, points[:, 0])
    chosen = _visible(points, distance, faces)
    order = np.argsort(-(faces.near - 1000.0 * faces.inner)[chosen], kind="stable")
    chosen = chosen[order]
    painted = np.full((height, width), -1, np.int32)
    for place, outline in zip(chosen, _outlines(points[chosen], height, width), strict=True):
        cv2.fillConvexPoly(painted, outline, int(place), cv2.LINE_8, SUBPIXEL_BITS)
    face = painted.astype(np.int64)
    rays = pixel_rays(height, width)
    directions = (turn @ rays.reshape(3, -1)).reshape(rays.shape)
    return Raster(face, _inverse_depth(face, points, normals, distance, rays), directions, _outward(normals @ turn.T))


def _to_camera(corners: np.ndarray, pose: Pose, turn: np.ndarray) -> np.ndarray:
    ahead = corners[..., 2] - np.float32(pose.s)
    local = np.empty_like(corners)
    local[..., 0] = corners[..., 0] + np.float32(pose.curvature / 2) * ahead * ahead - np.float32(pose.x)
    local[..., 1] = corners[..., 1] - np.float32(pose.y)
    local[..., 2] = ahead
    return local @ turn


def _normals(points: np.ndarray) -> np.ndarray:
    """Cross products of two edges; written out, because np.cross is slow on many short vectors."""
    ax, ay, az = (points[:, 1] - points[:, 0]).T
    bx, by, bz = (points[:, 2] - points[:, 0]).T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)


def _visible(points: np.ndarray, distance: np.ndarray, faces: Faces) -> np.ndarray:
    """Places of the faces in front of the camera, in its field of view and turned to it."""
    depth = points[..., 2]
    nearest, farthest = depth.min(1), depth.max(1)
    side = points[..., 0] / np.maximum(depth, NEAR)
    limit = 0.75 / FOCAL
    seen = (
        (farthest > NEAR)
        & (nearest < np.where(faces.inner, FAR_INNER, FAR))
        & (side.min(1) < limit)
        & (side.max(1) > -limit)
    )
    return np.flatnonzero(seen & ((distance < 0) | ~faces.solid))


def _outlines(points: np.ndarray, height: int, width: int) -> list[np.ndarray]:
    """Image outlines in fixed-point pixels, cut off at the near plane."""
    cut = np.flatnonzero(points[..., 2].min(1) < NEAR)
    safe = np.maximum(points[..., 2], NEAR)
    image = _project(points, safe, height, width)
    outlines = list(image)
    for place in cut:
        clipped = _clip_near(points[place])
        outlines[place] = _project(clipped, clipped[:, 2], height, width)
    return outlines


def _project(points: np.ndarray, depth: np.ndarray, height: int, width: int) -> np.ndarray:
    focal = FOCAL * width
    image = np.empty((*points.shape[:-1], 2), np.float32)
    image[..., 0] = width / 2 - 0.5 + focal * points[..., 0] / depth
    image[..., 1] = HORIZON * height - 0.5 - focal * points[..., 1] / depth
    return np.clip(np.rint(image * 2**SUBPIXEL_BITS), -(2**19), 2**19).astype(np.int32)


def _clip_near(polygon: np.ndarray) -> np.ndarray:
    """The part of one convex polygon beyond the near plane."""
    following = np.roll(polygon, -1, axis=0)
    kept: list[np.ndarray] = []
    for here, there in zip(polygon, following, strict=True):
        if here[2] >= NEAR:
            kept.append(here)
        if (here[2] >= NEAR) != (there[2] >= NEAR):
            share = (NEAR - here[2]) / (there[2] - here[2])
            kept.append(here + share * (there - here))
    clipped = np.array(kept, np.float32)
    clipped[:, 2] = np.maximum(clipped[:, 2], NEAR)
    return clipped


def _inverse_depth(
    face: np.ndarray, points: np.ndarray, normals: np.ndarray, distance: np.ndarray, rays: np.ndarray
) -> np.ndarray:
    """1 / depth along each pixel's ray on its face's plane, kept within the face where a ray grazes its edge."""
    edge_on = np.abs(distance) < 1e-9
    planes = normals / np.where(edge_on, 1.0, distance)[:, None]
    depth = np.maximum(points[..., 2], NEAR)
    table = np.stack([*planes.T, 1 / depth.max(1), 1 / depth.min(1)])
    table = np.concatenate([table, np.zeros((5, 1))], 1).astype(np.float32)  # place -1: nothing, at inverse depth 0
    a, b, c, low, high = (row[face] for row in table)
    return np.clip(a * rays[0] + b * rays[1] + c, low, high)


def _outward(normals: np.ndarray) -> np.ndarray:
    """Normals of unit length, and the ground's behind them."""
    length = np.sqrt((normals * normals).sum(1, keepdims=True))
    return np.concatenate([normals / np.maximum(length, 1e-9), np.array([[0, 1, 0]], np.float32)]).T.copy()
